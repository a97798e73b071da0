"""Journals on PostgreSQL servers for tests: one database a process, and a new journal in it for each test."""

from __future__ import annotations

import os
from functools import cache
from itertools import count
from typing import Final

from servers import EMBEDDED, Cluster, shared_server
from zorivest_async.database.postgresql.upgrading import install_script

__all__ = ["cluster", "database_name", "new_journal", "runtime_url", "superuser_url"]

_NUMBERS: Final = count()
_PASSWORD: Final = "runtime"


_cluster: Final = cache(shared_server)


def cluster(server: str = EMBEDDED) -> Cluster:
    """Return the server that all processes of the test run share."""
    return _cluster(server)


def database_name(server: str = EMBEDDED) -> str:
    """Create a database with the schema, and return its name; it goes with its server."""
    return _created(server)


@cache
def _created(server: str) -> str:
    number, name = os.getpid(), f"journals {os.getpid()}"
    there = cluster(server)
    there.sql(f'CREATE DATABASE "{name}"')
    there.sql(install_script(owner=f"owner{number}", runtime=f"runtime{number}", dump=f"dump{number}"), name)
    there.sql(f"ALTER ROLE runtime{number} PASSWORD '{_PASSWORD}'")
    return name


def superuser_url() -> str:
    """Return the URL of the database for the superuser."""
    return cluster().url(database_name())


def runtime_url(server: str = EMBEDDED) -> str:
    """Return the URL of the database for the role of applications."""
    return cluster(server).url(database_name(server), f"runtime{os.getpid()}", _PASSWORD)


def new_journal() -> str:
    """Return the name of a journal that does not exist yet."""
    return f"test {os.getpid()} {next(_NUMBERS)}"
