"""``sqlite+aiosqlcipher``: SQLAlchemy over :class:`~zorivest_async.database.sqlcipher.driver.CipherConnection`.

Differences from ``sqlite+aiosqlite``:

* A statement is one hand-off to the connection's thread, which executes it, fetches its rows, and reads the
  description, the row count and the last row id. Server-side cursors (``stream()``) fetch in chunks.
* ``BEGIN`` is sent with the first statement of a transaction; ``COMMIT`` and ``ROLLBACK`` cost a hand-off only if a
  transaction is open. DDL is transactional, and savepoints are exact.
* A transaction that SQLite rolled back by itself (disk full, interrupted write) stays failed until it is rolled back:
  later statements are refused instead of being committed one by one.
* Callers receive every driver error as its class in :mod:`sqlalchemy.exc`.

The URL contains nothing except the name: :func:`~zorivest_async.create_vault_engine` gives the key to the driver.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_module
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine.characteristics import ConnectionCharacteristic
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool
from sqlalchemy.util import immutabledict
from sqlalchemy.util.concurrency import await_, in_greenlet
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.dbapi import CipherAdapter
from zorivest_async.database.sqlcipher.driver_transaction import USELESS_AFTER
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


__all__ = ["SQLiteDialect_aiosqlcipher", "add_functions"]


class _DBAPI(AsyncAdapt_dbapi_module):
    """The ``sqlcipher3`` module in the form that SQLAlchemy expects."""

    paramstyle = "qmark"
    has_stop = True

    def __init__(self) -> None:
        super().__init__(sqlcipher, dbapi_module=sqlcipher)
        for name in (
            "Binary",
            "DataError",
            "DatabaseError",
            "Error",
            "IntegrityError",
            "InterfaceError",
            "InternalError",
            "NotSupportedError",
            "OperationalError",
            "PARSE_COLNAMES",
            "PARSE_DECLTYPES",
            "ProgrammingError",
            "sqlite_version",
            "sqlite_version_info",
        ):
            setattr(self, name, getattr(sqlcipher, name))

    def connect(self, *_args: Any, async_creator_fn: Any = None, **_kwargs: Any) -> CipherAdapter:
        """Open a connection with the engine's ``async_creator``, which has the key.

        Raises:
            ConfigurationError: The engine has no ``async_creator``.
        """
        if async_creator_fn is None:
            raise ConfigurationError(
                "sqlite+aiosqlcipher takes no key from its URL; create the engine with create_vault_engine"
            )
        if not in_greenlet():
            raise MissingGreenlet("a connection cannot be opened here")
        return CipherAdapter(self, await_(async_creator_fn()))


class _ReadOnly(ConnectionCharacteristic):
    """The execution option ``sqlcipher_read_only``, for engines and connections: writes are refused."""

    transactional: ClassVar[bool] = True

    def set_characteristic(self, dialect: Any, dbapi_conn: Any, value: Any) -> None:  # noqa: ARG002
        dbapi_conn.transaction.read_only = bool(value)

    def get_characteristic(self, dialect: Any, dbapi_conn: Any) -> Any:  # noqa: ARG002
        return dbapi_conn.transaction.read_only

    def reset_characteristic(self, dialect: Any, dbapi_conn: Any) -> None:  # noqa: ARG002
        dbapi_conn.transaction.read_only = False


class SQLiteDialect_aiosqlcipher(SQLiteDialect_aiosqlite):  # noqa: N801 - SQLAlchemy's way of naming dialects
    """The dialect behind ``sqlite+aiosqlcipher://``."""

    driver = "aiosqlcipher"
    supports_statement_cache = True
    has_terminate = True
    connection_characteristics = immutabledict[str, ConnectionCharacteristic](
        {**SQLiteDialect_aiosqlite.connection_characteristics, "sqlcipher_read_only": _ReadOnly()}
    )

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return the driver as a DB-API module."""
        return _DBAPI()

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:  # noqa: ARG003 - SQLAlchemy's signature
        """Return the queue pool: as the URL names no database, SQLAlchemy would assume one in memory."""
        return AsyncAdaptedQueuePool

    def on_connect(self) -> None:  # type: ignore[override]
        """Do nothing: the call that opens a connection, which cannot be cancelled, also runs :func:`add_functions`."""

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Return whether the connection is useless: it reads nothing more after a page that does not authenticate."""
        useless = result_code(e) in USELESS_AFTER or "Connection closed" in str(e)
        return useless or super().is_disconnect(e, connection, cursor)

    def do_begin(self, dbapi_connection: Any) -> None:
        """Announce a transaction; its first statement opens it."""
        dbapi_connection.transaction.begin()

    def do_rollback_to_savepoint(self, connection: Any, name: Any) -> None:
        """Roll back to a savepoint, unless its transaction has ended: then everything is undone, or committed."""
        if connection.connection.dbapi_connection.transaction.has_savepoints:
            super().do_rollback_to_savepoint(connection, name)  # type: ignore[no-untyped-call]

    def get_isolation_level_values(self, dbapi_connection: Any) -> list[Any]:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the levels of SQLite: serializable transactions, or none."""
        return ["SERIALIZABLE", "AUTOCOMMIT"]

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Return ``SERIALIZABLE``, or ``AUTOCOMMIT`` after :meth:`set_isolation_level` with it."""
        return "AUTOCOMMIT" if dbapi_connection.transaction.autocommit else "SERIALIZABLE"

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Select transactions (``SERIALIZABLE``) or none (``AUTOCOMMIT``, for statements such as ``VACUUM``)."""
        dbapi_connection.transaction.autocommit = level == "AUTOCOMMIT"

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Return whether no transactions are opened."""
        return bool(dbapi_conn.transaction.autocommit)


def add_functions(raw: sqlcipher.Connection) -> None:
    """Create the functions that SQLAlchemy's operators need, on the connection's thread."""
    raw.create_function("regexp", 2, _regexp, deterministic=True)
    raw.create_function("floor", 1, math.floor, deterministic=True)


def _regexp(pattern: str, value: str | None) -> bool | None:
    return None if value is None else re.search(pattern, value) is not None


# There is an entry point, too, but its lookup would read the metadata of every installed package on the event loop.
registry.register("sqlite.aiosqlcipher", __name__, SQLiteDialect_aiosqlcipher.__name__)
