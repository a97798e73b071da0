"""Databases with the schema of journals and its roles, on the PostgreSQL servers of tests."""

from __future__ import annotations

import os
import secrets
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from servers import database_of
from zorivest_async.database.postgresql.upgrading import install_script

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from servers import Cluster

__all__ = ["JournalDatabase", "connected", "journal_database_on"]


@dataclass(frozen=True, slots=True)
class JournalDatabase:
    """A database with the schema of journals. Tests share it, and each has journals of its own.

    Attributes:
        cluster: The server.
        name: The name of the database.
        owner: The role that owns the schema.
        runtime: The role of applications.
        dump: The role of ``pg_dump``.
        password: The password of the three.
    """

    cluster: Cluster
    name: str
    owner: str
    runtime: str
    dump: str
    password: str = field(repr=False)

    @property
    def url(self) -> str:
        """The URL for the role of applications."""
        return self.url_of(self.runtime)

    def url_of(self, role: str) -> str:
        """Return the URL for a role."""
        return self.cluster.url(self.name, role, self.password)

    def sql(self, script: str, role: str = "postgres") -> list[str]:
        """Run a script with psql, by default as the superuser, and return the lines of its output."""
        return self.cluster.sql(script, self.name, role)

    def new_journal(self) -> tuple[str, int]:
        """Create a journal, and return its name and its number."""
        name = f"journal {secrets.token_hex(6)}"
        return name, int(self.sql(f"SELECT zorivest_open_journal('{name}', true)")[0])

    @asynccontextmanager
    async def connected(self, role: str | None = None) -> AsyncGenerator[asyncpg.Connection[Any]]:
        """Connect a role, by default that of applications."""
        async with connected(self.url_of(role or self.runtime)) as connection:
            yield connection

    @asynccontextmanager
    async def journal(self, number: int) -> AsyncGenerator[asyncpg.Connection[Any]]:
        """Connect the role of applications, in a transaction of a journal that is committed after the block."""
        async with self.connected() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL zorivest.journal = '{number}'")
            yield connection


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[asyncpg.Connection[Any]]:
    """Connect to a server of tests, without TLS, which it does not have."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        yield connection
    finally:
        connection.terminate()


@contextmanager
def journal_database_on(cluster: Cluster, *, script: str | None = None) -> Generator[JournalDatabase]:
    """Create a database with the roles and the schema, and drop them at the end.

    Args:
        cluster: The server.
        script: SQL of the superuser in the place of the library's, for example an empty one; the roles exist then.
    """
    unique = f"{os.getpid()}_{secrets.token_hex(3)}"
    owner, runtime, dump = (f"{role}_{unique}" for role in ("owner", "runtime", "dump"))
    made = JournalDatabase(cluster, f"journals_{unique}", owner, runtime, dump, secrets.token_urlsafe(9))
    with database_of(cluster, made.name):
        roles = (owner, runtime, dump)
        if script is not None:
            made.sql("".join(f"CREATE ROLE {role} LOGIN;" for role in roles))
        made.sql(install_script(owner=owner, runtime=runtime, dump=dump) if script is None else script)
        made.sql("".join(f"ALTER ROLE {role} PASSWORD '{made.password}';" for role in roles))
        try:
            yield made
        finally:
            made.sql("".join(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role};" for role in roles))
