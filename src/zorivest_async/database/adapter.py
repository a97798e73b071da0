"""The DB-API face of the driver, for use inside SQLAlchemy's greenlets: cursors, and the state of the transaction."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast

from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection, AsyncAdapt_terminate
from sqlalchemy.util.concurrency import await_
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.driver import LARGEST_BUSY_PAUSE_S, CipherConnection
from zorivest_async.database.failures import result_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CipherAdapter"]

_T = TypeVar("_T")


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
            # An error's traceback would keep the cursor, and an open cursor the file, though the connection is closed.
            with closing(connection.cursor()) as raw:
                start(raw)
                rows = raw.fetchall() if raw.description else ()
                if rows:
                    self._adapter.require_authentic()
                return raw.description, raw.rowcount, raw.lastrowid, rows

        self.description, self.rowcount, self.lastrowid, rows = self._adapter.run(execute_and_fetch)
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return list(islice(self._rows, self.arraysize if size is None else size))

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
            try:
                start(raw)
            except BaseException:
                raw.close()
                raise
            return raw

        self._raw = raw = self._adapter.run(execute)
        self.description, self.rowcount, self.lastrowid = raw.description, raw.rowcount, raw.lastrowid

    def _fetch(self, fetch: Callable[[sqlcipher.Cursor], _T]) -> _T:
        raw = self._raw
        if raw is None:
            self._adapter.refuse("the cursor is closed")

        def fetch_checked(_connection: sqlcipher.Connection) -> _T:
            fetched = fetch(raw)
            self._adapter.require_authentic()
            return fetched

        return self._adapter.run(fetch_checked)

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

    def require_authentic(self) -> None:
        """Check, on the thread, that every page read so far authenticated."""
        self._cipher.require_authentic()

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
