"""Running Alembic; importing this module imports it, which takes as long as opening a hundred vaults."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.echo import QUIET

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["alembic_config", "at_head", "fresh_database_at_head", "head_version"]

LOCATION = Path(__file__).parent
"""Where the environment and the revisions are."""

_ONE_AT_A_TIME: Final = threading.Lock()
"""Alembic's proxies (``op``, ``context``) are one set for the whole process."""


def alembic_config(connection: Connection | None = None) -> Config:
    """Return what an Alembic command needs: no configuration file, and the connection to work on."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(LOCATION).replace("%", "%%"))
    return config


def head_version() -> int:
    """Return the version that the last revision leads to."""
    return int(ScriptDirectory.from_config(alembic_config()).get_current_head() or 0)


@contextmanager
def at_head(raw: sqlcipher.Connection) -> Generator[None]:
    """Run the revisions that a database lacks in one transaction, committed when the block ends without an error.

    Args:
        raw: A connection that begins no transactions by itself.
    """
    raw.execute("PRAGMA foreign_keys = OFF")  # rebuilding a table drops it; ignored once a transaction is open
    engine = create_engine("sqlite://", creator=lambda: raw, module=sqlcipher, poolclass=StaticPool, **QUIET)
    with _ONE_AT_A_TIME, engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        command.upgrade(alembic_config(connection), "head")
        yield
        connection.commit()


@contextmanager
def fresh_database_at_head() -> Generator[Connection]:
    """Make an empty database in memory, for developers' commands: nothing in it needs encryption."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        command.upgrade(alembic_config(connection), "head")
        yield connection
    engine.dispose()
