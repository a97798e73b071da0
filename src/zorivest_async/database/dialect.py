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

import asyncio
import math
import random
import re
import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast

from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection, AsyncAdapt_dbapi_module, AsyncAdapt_terminate
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool
from sqlalchemy.util.concurrency import await_
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.failures import result_code
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import URL

    from zorivest_async.database.driver import CipherConnection

__all__ = ["CipherAdapter", "SQLiteDialect_aiosqlcipher"]

_T = TypeVar("_T")

LARGEST_BUSY_PAUSE_S = 0.005
"""Between two attempts to begin a writing transaction: random up to this, so that processes do not march in step."""


class _BeginBusyError(Exception):
    """``BEGIN IMMEDIATE`` met another writer; nothing has been done yet and it can be tried again."""


class _Cursor:
    """A DB-API cursor whose ``execute`` brings everything back in one hand-off."""

    server_side: ClassVar[bool] = False
    __slots__ = ("_adapter", "_rows", "arraysize", "description", "lastrowid", "rowcount")

    def __init__(self, adapter: CipherAdapter) -> None:
        self._adapter = adapter
        self._rows: Iterator[Any] = iter(())
        self.arraysize = 1
        self.description: Any = None
        self.lastrowid: int | None = None
        self.rowcount = -1

    def execute(self, operation: str, parameters: Any = None) -> None:
        self._run(lambda raw: raw.execute(operation, () if parameters is None else parameters))

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        self._run(lambda raw: raw.executemany(operation, seq_of_parameters))

    def _run(self, start: Callable[[sqlcipher.Cursor], Any]) -> None:
        def execute_and_fetch(connection: sqlcipher.Connection) -> Any:
            raw = connection.cursor()
            start(raw)
            rows = raw.fetchall() if raw.description else ()
            return raw.description, raw.rowcount, raw.lastrowid, rows

        self.description, self.rowcount, self.lastrowid, rows = self._adapter.run(execute_and_fetch)
        self._rows = iter(rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [row for row, _ in zip(self._rows, range(self.arraysize if size is None else size), strict=False)]

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def setinputsizes(self, *inputsizes: Any) -> None:
        """Do nothing: SQLite needs no sizes."""

    async def _async_soft_close(self) -> None:
        """Do nothing: no cursor is open on the thread."""

    def close(self) -> None:
        self._rows = iter(())


class _ServerSideCursor(_Cursor):
    """A DB-API cursor that stays open on the thread and fetches in chunks."""

    server_side: ClassVar[bool] = True
    __slots__ = ("_raw",)

    def __init__(self, adapter: CipherAdapter) -> None:
        super().__init__(adapter)
        self._raw: sqlcipher.Cursor | None = None

    def _run(self, start: Callable[[sqlcipher.Cursor], Any]) -> None:
        def execute(connection: sqlcipher.Connection) -> sqlcipher.Cursor:
            raw = connection.cursor()
            start(raw)
            return raw

        self._raw = raw = self._adapter.run(execute)
        self.description, self.rowcount, self.lastrowid = raw.description, raw.rowcount, raw.lastrowid

    def _fetch(self, fetch: Callable[[sqlcipher.Cursor], _T]) -> _T:
        raw = self._raw
        if raw is None:
            self._adapter.refuse("the cursor is closed")
        return self._adapter.run(lambda _connection: fetch(raw))

    def __iter__(self) -> Iterator[Any]:
        while rows := self.fetchmany(self.arraysize):
            yield from rows

    def fetchone(self) -> Any:
        return self._fetch(lambda raw: raw.fetchone())

    def fetchmany(self, size: int | None = None) -> list[Any]:
        chunk = self.arraysize if size is None else size
        return self._fetch(lambda raw: raw.fetchmany(chunk))

    def fetchall(self) -> list[Any]:
        return self._fetch(lambda raw: raw.fetchall())

    def close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            self._adapter.finish(lambda _connection: raw.close())


class CipherAdapter(AsyncAdapt_terminate, AsyncAdapt_dbapi_connection):
    """The DB-API face of a :class:`CipherConnection`, for use inside SQLAlchemy's greenlets.

    SQLAlchemy announces a transaction with :meth:`begin`, and ``BEGIN`` goes out with its first statement. Whether one
    is open is the driver's to say; ``_failed`` remembers the error after which SQLite rolled one back by itself.
    """

    __slots__ = ("_announced", "_begin_due", "_cipher", "_failed", "autocommit")

    def __init__(self, dbapi: Any, connection: CipherConnection) -> None:
        super().__init__(dbapi, cast("Any", connection))  # aiosqlite does not declare SQLAlchemy's protocol
        self._cipher = connection
        self.autocommit = False
        self._announced = self._begin_due = False
        self._failed: BaseException | None = None

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor; a server-side one fetches in chunks."""
        return _ServerSideCursor(self) if server_side else _Cursor(self)

    def begin(self) -> None:
        """Have the next statement open a transaction."""
        self._announced = self._begin_due = not self.autocommit
        self._failed = None

    def commit(self) -> None:
        """Commit, where anything was sent."""
        if self._failed is not None:
            self._refuse_failed()
        if self._cipher.in_transaction:
            self.finish(lambda raw: raw.execute("COMMIT"))
        self._announced = False

    def rollback(self) -> None:
        """Roll back, where anything was sent."""
        if self._cipher.in_transaction:
            self.finish(lambda raw: raw.execute("ROLLBACK"))
        self._announced = False
        self._failed = None

    def close(self) -> None:
        """Close the connection."""
        await_(self._cipher.close())

    async def _terminate_graceful_close(self) -> None:
        await self._cipher.close()

    def _terminate_force_close(self) -> None:
        self._cipher.stop()

    def run(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Do ``work`` on the thread, inside the transaction that was announced; cancellation interrupts it."""
        if self._failed is not None:
            self._refuse_failed()
        try:
            return await_(self._run(work))
        except Exception as error:  # noqa: BLE001 - translated and raised again
            self._handle_exception(error)

    def finish(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Do ``work`` on the thread to its end, whatever happens to the task."""
        connection = self._cipher
        try:
            return await_(connection.finish(lambda: work(connection.raw)))
        except Exception as error:  # noqa: BLE001 - translated and raised again
            self._handle_exception(error)

    async def _run(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        connection = self._cipher
        was_open = connection.in_transaction
        if self._announced and (self._begin_due or not was_open):
            return await self._begin_with(work)
        try:
            return await connection.call(lambda: work(connection.raw))
        except BaseException as error:
            if self._announced and was_open and not connection.in_transaction:
                self._failed = error
            raise

    async def _begin_with(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        connection = self._cipher

        def begin_and_work() -> _T:
            raw = connection.raw
            if raw.in_transaction:  # its COMMIT failed, and SQLAlchemy sends no ROLLBACK after that
                raw.execute("ROLLBACK")
            try:
                raw.execute(connection.begin_statement)
            except sqlcipher.OperationalError as error:
                if _is_busy(error):
                    raise _BeginBusyError from error
                raise
            return work(raw)

        loop = asyncio.get_running_loop()
        deadline = loop.time() + connection.busy_timeout_s
        while True:
            try:
                return await connection.call(begin_and_work)
            except _BeginBusyError as busy:
                if loop.time() >= deadline:
                    raise (busy.__cause__ or busy) from None
            finally:
                self._begin_due = not connection.in_transaction
            await asyncio.sleep(random.uniform(0, LARGEST_BUSY_PAUSE_S))  # noqa: S311 - not a secret

    def _refuse_failed(self) -> NoReturn:
        refusal = sqlcipher.OperationalError(
            "SQLite has rolled this transaction back after an earlier error; roll back"
        )
        refusal.sqlite_errorcode = getattr(self._failed, "sqlite_errorcode", None)
        raise refusal from self._failed

    def refuse(self, problem: str) -> NoReturn:
        """Raise a driver error that says what is wrong with a call."""
        raise sqlcipher.ProgrammingError(problem)

    @classmethod
    def _handle_exception_no_connection(cls, dbapi: Any, error: Exception) -> NoReturn:  # noqa: ARG003
        """Raise what the driver raises outside the DB-API's tree as the class of it that says the same."""
        match error:
            case sqlcipher.Warning():  # "You can only execute one statement at a time."
                raise sqlcipher.ProgrammingError(str(error)) from error
            case OverflowError():
                raise sqlcipher.DataError("an integer does not fit into SQLite's 64 bits") from None
            case UnicodeError():  # its text and its object attribute carry the value
                raise sqlcipher.DataError("a text is not valid Unicode") from None
            case ValueError() if "closed" in str(error) or "no active connection" in str(error):
                raise sqlcipher.OperationalError("Connection closed") from error
            case _:
                raise error


def _is_busy(error: sqlcipher.OperationalError) -> bool:
    return result_code(error) == sqlite3.SQLITE_BUSY


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
        return CipherAdapter(self, await_(async_creator_fn()))


class SQLiteDialect_aiosqlcipher(SQLiteDialect_aiosqlite):  # noqa: N801 - SQLAlchemy's way of naming dialects
    """The dialect behind ``sqlite+aiosqlcipher://``."""

    driver = "aiosqlcipher"
    supports_statement_cache = True
    has_terminate = True

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
