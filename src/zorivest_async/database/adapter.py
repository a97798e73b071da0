"""The DB-API face of the driver: the state of the transaction, inside SQLAlchemy's greenlets and outside them."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection, AsyncAdapt_terminate
from sqlalchemy.util.concurrency import await_
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.cursors import Cursor, ServerSideCursor
from zorivest_async.database.driver import LARGEST_BUSY_PAUSE_S, Answer, CipherConnection, StatementResult
from zorivest_async.database.failures import result_code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["CipherAdapter"]

_T = TypeVar("_T")


class _BeginBusyError(Exception):
    """``BEGIN IMMEDIATE`` met another writer; nothing has been done yet and it can be tried again."""


class CipherAdapter(AsyncAdapt_terminate, AsyncAdapt_dbapi_connection):
    """The DB-API face of a :class:`CipherConnection`, for use inside SQLAlchemy's greenlets.

    SQLAlchemy announces a transaction with :meth:`begin`, and ``BEGIN`` goes out with its first statement. Whether one
    is open is the driver's to say; ``_failed`` remembers the error after which SQLite rolled one back by itself.

    The coroutine methods are for callers outside a greenlet: units of work, which leave SQLAlchemy out of statements
    whose text they have already.
    """

    __slots__ = ("_abandoned", "_announced", "_begin_due", "_cipher", "_failed", "_read_only", "autocommit")

    def __init__(self, dbapi: Any, connection: CipherConnection) -> None:
        super().__init__(dbapi, cast("Any", connection))  # aiosqlite does not declare SQLAlchemy's protocol
        self._cipher = connection
        self.autocommit = self._read_only = False
        self._abandoned = self._announced = self._begin_due = False
        self._failed: BaseException | None = None

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor; a server-side one fetches in chunks."""
        return ServerSideCursor(self) if server_side else Cursor(self)

    def begin(self) -> None:
        """Have the next statement open a transaction, unless one was announced before."""
        if not self._announced:
            self._announced = self._begin_due = not self.autocommit
            self._failed = None
            if self._abandoned and self.autocommit:
                self._cipher.post(self._roll_back_if_open)
            self._abandoned = False

    def commit(self) -> None:
        """Commit, where anything was sent."""
        answer = self.committing()
        if answer is not None:
            self._await(answer)

    def committing(self) -> Answer[object] | None:
        """Begin to commit, and return the answer to wait for; ``None`` where nothing was sent.

        Waiting for it cannot be given up: it is done when ``CancelledError`` is raised.
        """
        self._announced = False
        if self._failed is not None:
            self._refuse_failed()
        return self._cipher.finish(lambda: self._cipher.raw.execute("COMMIT")) if self._cipher.in_transaction else None

    def rollback(self) -> None:
        """Roll back, where anything was sent."""
        answer = self.rolling_back()
        if answer is not None:
            self._await(answer)

    def rolling_back(self) -> Answer[object] | None:
        """Begin to roll back, and return the answer to wait for, as :meth:`committing` does."""
        self._announced = False
        self._failed = None
        if self._abandoned or not self._cipher.in_transaction:
            return None
        return self._cipher.finish(lambda: self._cipher.raw.execute("ROLLBACK"))

    def abandon(self) -> None:
        """Roll back without waiting for it: enough for a transaction that only read.

        Where the next transaction begins at once, its first statement takes the ``ROLLBACK`` along.
        """
        self._announced = False
        self._failed = None
        self._abandoned = True
        loop = asyncio.get_running_loop()
        # Who waits for the connection runs in the turn after the next one.
        loop.call_soon(loop.call_soon, self._end_abandoned)

    def _end_abandoned(self) -> None:
        if self._abandoned:
            self._cipher.post(self._roll_back_if_open)

    def _roll_back_if_open(self) -> None:
        if self._cipher.raw.in_transaction:
            self._cipher.raw.execute("ROLLBACK")

    @property
    def failed(self) -> bool:
        """Whether SQLite has rolled the transaction back by itself."""
        return self._failed is not None

    @property
    def reads_only(self) -> bool:
        """Whether its transactions take no write lock."""
        return self._begin_statement == "BEGIN"

    @property
    def read_only(self) -> bool:
        """Whether writes are refused for a while, on a connection that is there for both."""
        return self._read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._read_only = value
        self._cipher.post(lambda: self._cipher.raw.execute(f"PRAGMA query_only = {value:d}"))

    @property
    def _begin_statement(self) -> str:
        return "BEGIN" if self._read_only else self._cipher.begin_statement

    def close(self) -> None:
        """Close the connection."""
        await_(self._cipher.close())

    async def _terminate_graceful_close(self) -> None:
        await self._cipher.close()

    def _terminate_force_close(self) -> None:
        self._cipher.stop()

    def run(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Do ``work`` on the thread, inside the transaction that was announced; cancellation interrupts it."""
        return await_(self.perform(work))

    def finish(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Do ``work`` on the thread to its end, whatever happens to the task."""
        try:
            answer = self._cipher.finish(lambda: work(self._cipher.raw))
        except ValueError as error:
            self._handle_exception(error)
        return self._await(answer)

    def _await(self, work: Awaitable[_T]) -> _T:
        try:
            return await_(work)
        except Exception as error:  # noqa: BLE001 - translated and raised again
            self._handle_exception(error)

    async def send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        """Execute a statement, inside the transaction that was announced; cancellation interrupts it."""
        _, rowcount, lastrowid, rows = await self.perform(
            partial(self.execute_and_fetch, lambda raw: raw.execute(sql, values))
        )
        return StatementResult(rows, rowcount, lastrowid)

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        """Execute a statement once for each row of values, and return how many rows it changed."""
        _, rowcount, _, _ = await self.perform(partial(self.execute_and_fetch, lambda raw: raw.executemany(sql, rows)))
        return int(rowcount)

    def execute_and_fetch(
        self, start: Callable[[sqlcipher.Cursor], object], connection: sqlcipher.Connection
    ) -> tuple[Any, int, Any, list[Any]]:
        """Execute a statement on the thread, and return its description, row count, last row number and rows."""
        raw = connection.cursor()
        try:
            start(raw)
            rows = raw.fetchall() if raw.description else []
            if rows:
                self.require_authentic()
            return raw.description, raw.rowcount, raw.lastrowid, rows
        finally:
            # An error's traceback would keep the cursor, and an open cursor the file, though the connection is closed.
            raw.close()

    async def perform(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Do ``work`` on the thread, inside the transaction that was announced; cancellation interrupts it."""
        try:
            if self._failed is not None:
                self._refuse_failed()
            cipher = self._cipher
            was_open = cipher.in_transaction
            if self._announced and (self._begin_due or not was_open):
                return await self._begin_with(work)
            try:
                return await cipher.call(partial(work, cipher.raw))
            except BaseException as error:
                if self._announced and was_open and not cipher.in_transaction:
                    self._failed = error
                raise
        except Exception as error:  # noqa: BLE001 - translated and raised again
            self._handle_exception(error)

    async def _begin_with(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        connection = self._cipher

        def begin_and_work() -> _T:
            raw = connection.raw
            self._roll_back_if_open()  # after a COMMIT that failed SQLAlchemy sends none; abandoning may fail, too
            try:
                raw.execute(self._begin_statement)
            except sqlcipher.OperationalError as error:
                if _is_busy(error):
                    raise _BeginBusyError from error
                raise
            return work(raw)

        deadline: float | None = None
        while True:
            try:
                return await connection.call(begin_and_work)
            except _BeginBusyError as busy:
                now = asyncio.get_running_loop().time()
                deadline = deadline or now + connection.busy_timeout_s
                if now >= deadline:
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
            case sqlcipher.OperationalError() if str(error).startswith(
                "Could not decode"
            ):  # its text carries the value
                raise sqlcipher.DataError("a stored text is not valid UTF-8") from None
            case ValueError() if "closed" in str(error) or "no active connection" in str(error):
                raise sqlcipher.OperationalError("Connection closed") from error
            case _:
                raise error


def _is_busy(error: sqlcipher.OperationalError) -> bool:
    return result_code(error) == sqlite3.SQLITE_BUSY
