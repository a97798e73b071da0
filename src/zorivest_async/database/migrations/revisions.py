"""Execution of Alembic revisions. Importing this module imports Alembic, which takes as long as opening 100 vaults."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.echo import QUIET
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.database.sqlcipher.process import renew_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from zorivest_async.security import VaultKey

__all__ = ["alembic_config", "alone", "at_head", "fresh_database_at", "head_version", "raw_of", "revising"]

LOCATION = Path(__file__).parent
"""Folder of the environment and the revisions."""


_PRAGMAS: Final = (
    # Rebuilding a table drops it. The pragma is ignored once a transaction is open.
    "PRAGMA foreign_keys = OFF",
    # Otherwise renaming a rebuilt table would fail on triggers of other tables that name it, while it does not exist.
    "PRAGMA legacy_alter_table = ON",
)


class _OneAtATime:
    """Lock for Alembic's proxies (``op``, ``context``), which are global in the process."""

    lock = threading.Lock()


def _renew_lock() -> None:
    _OneAtATime.lock = threading.Lock()


renew_in_child(_renew_lock)


@contextmanager
def alone() -> Generator[None]:
    """Use Alembic while no other thread does."""
    with _OneAtATime.lock:
        yield


def alembic_config(connection: Connection | None = None, vault_key: VaultKey | None = None) -> Config:
    """Return an Alembic configuration without a file, with the connection and a vault's key.

    Args:
        connection: The connection of the revisions.
        vault_key: For revisions that encrypt API keys again; ``None`` for a database without API keys.
    """
    config = Config(attributes={"connection": connection, "vault_key": vault_key})
    config.set_main_option("script_location", str(LOCATION).replace("%", "%%"))
    return config


def head_version() -> int:
    """Return the version of the last revision."""
    return int(ScriptDirectory.from_config(alembic_config()).get_current_head() or 0)


@contextmanager
def revising(raw: sqlcipher.Connection, vault_key: VaultKey | None = None) -> Generator[Callable[[], None]]:
    """Begin a transaction, yield a function that runs the missing revisions, and commit at the end.

    Args:
        raw: A connection that does not begin transactions by itself.
        vault_key: Key of the vault, as for :func:`alembic_config`.
    """
    for pragma in _PRAGMAS:
        raw.execute(pragma)
    engine = create_engine("sqlite://", creator=lambda: raw, module=sqlcipher, poolclass=StaticPool, **QUIET)
    with _OneAtATime.lock, engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield lambda: command.upgrade(alembic_config(connection, vault_key), "head")
        connection.commit()


@contextmanager
def at_head(raw: sqlcipher.Connection) -> Generator[None]:
    """Run the missing revisions in one transaction, and commit it when the block ends without an error."""
    with revising(raw) as run:
        run()
        yield


@contextmanager
def fresh_database_at(version: int | None = None, operation: Operation | None = None) -> Generator[Connection]:
    """Create an empty, unencrypted database in memory.

    Args:
        version: Version of its schema; by default the last.
        operation: Stops the work on request.
    """
    operation = operation or Operation()
    engine = create_engine("sqlite://", module=sqlcipher, poolclass=StaticPool, **QUIET)
    try:
        with engine.connect() as connection:
            for pragma in _PRAGMAS:
                connection.exec_driver_sql(pragma)
            connection.commit()
            with _OneAtATime.lock, operation.interruptible(raw_of(connection)):
                command.upgrade(alembic_config(connection), "head" if version is None else f"{version:04}")
            yield connection
    finally:
        engine.dispose()


def raw_of(connection: Connection) -> sqlcipher.Connection:
    """Return the driver's connection."""
    return cast("sqlcipher.Connection", connection.connection.dbapi_connection)
