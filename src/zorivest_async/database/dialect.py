"""``sqlite+aiosqlcipher``: SQLAlchemy over :class:`~zorivest_async.database.driver.CipherConnection`.

What it does differently from ``sqlite+aiosqlite``:

* A statement is one hand-off to the connection's thread: executing, fetching and reading the description, row count and
  last row id happen together. Server-side cursors (``stream()``) fetch in chunks.
* ``BEGIN`` travels with the first statement of a transaction; ``COMMIT`` and ``ROLLBACK`` cost a hand-off only when a
  transaction is open. DDL is transactional and savepoints are exact.
* A transaction that SQLite rolled back by itself (disk full, interrupted write) stays failed until it is rolled back:
  later statements are refused instead of being committed one by one.
* Every driver error reaches callers as its class in :mod:`sqlalchemy.exc`.

There is nothing in the URL but the name: the key goes from :func:`~zorivest_async.create_vault_engine` to the driver.
"""

from __future__ import annotations

import math
import re
import sqlite3
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

from zorivest_async.database.adapter import CipherAdapter
from zorivest_async.database.failures import result_code
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import URL


__all__ = ["SQLiteDialect_aiosqlcipher"]


class _DBAPI(AsyncAdapt_dbapi_module):
    """``sqlcipher3`` as the module that SQLAlchemy looks names up in."""

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
        """Open a connection with the engine's ``async_creator``, which alone knows the key.

        Raises:
            ConfigurationError: The engine has none.
        """
        if async_creator_fn is None:
            raise ConfigurationError(
                "sqlite+aiosqlcipher takes no key from its URL; make the engine with create_vault_engine"
            )
        if not in_greenlet():
            raise MissingGreenlet("a connection cannot be opened here")
        return CipherAdapter(self, await_(async_creator_fn()))


class _ReadOnly(ConnectionCharacteristic):
    """The execution option ``sqlcipher_read_only``, for engines and connections: writes are refused."""

    transactional: ClassVar[bool] = True

    def set_characteristic(self, dialect: Any, dbapi_conn: Any, value: Any) -> None:  # noqa: ARG002
        dbapi_conn.read_only = bool(value)

    def get_characteristic(self, dialect: Any, dbapi_conn: Any) -> Any:  # noqa: ARG002
        return dbapi_conn.read_only

    def reset_characteristic(self, dialect: Any, dbapi_conn: Any) -> None:  # noqa: ARG002
        dbapi_conn.read_only = False


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
        """Return the queue pool: the URL names no database that could be in memory."""
        return AsyncAdaptedQueuePool

    def on_connect(self) -> Callable[[Any], None]:
        """Give each connection the functions that SQLAlchemy's operators need, in one hand-off."""

        def add_functions(adapter: CipherAdapter) -> None:
            def add(raw: sqlcipher.Connection) -> None:
                raw.create_function("regexp", 2, _regexp, deterministic=True)
                raw.create_function("floor", 1, math.floor, deterministic=True)

            adapter.finish(add)

        return add_functions

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Return whether the connection is of no more use: it reads nothing after a page that does not authenticate."""
        damaged = result_code(e) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        return damaged or super().is_disconnect(e, connection, cursor)

    def do_begin(self, dbapi_connection: Any) -> None:
        """Announce a transaction; its first statement opens it."""
        dbapi_connection.begin()

    def get_isolation_level_values(self, dbapi_connection: Any) -> list[Any]:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the levels that SQLite has: it is serializable, or there is no transaction."""
        return ["SERIALIZABLE", "AUTOCOMMIT"]

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Return ``SERIALIZABLE``, or ``AUTOCOMMIT`` where :meth:`set_isolation_level` said so."""
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "SERIALIZABLE"

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Open transactions (``SERIALIZABLE``) or none (``AUTOCOMMIT``, for ``VACUUM`` and the like)."""
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Return whether no transaction is opened."""
        return bool(dbapi_conn.autocommit)


def _regexp(pattern: str, value: str | None) -> bool | None:
    return None if value is None else re.search(pattern, value) is not None


# The entry point says the same, but looking it up reads the metadata of every installed package, on the event loop.
registry.register("sqlite.aiosqlcipher", __name__, SQLiteDialect_aiosqlcipher.__name__)
