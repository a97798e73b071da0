"""DB-API connection and cursors of the driver, for SQLAlchemy's greenlets."""

from __future__ import annotations

import re
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, TypeVar, cast

from sqlalchemy.connectors.asyncio import AsyncAdapt_dbapi_connection
from sqlalchemy.util.concurrency import await_, in_greenlet
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.driver_transaction import DriverTransaction, raise_driver_error
from zorivest_async.database.sqlcipher.raw_connection import described

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from zorivest_async.database.sqlcipher.driver import CipherConnection

__all__ = ["CipherAdapter"]

_T = TypeVar("_T")

_ISOLATION_LEVELS: Final = (None, "", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")

_BEGINS: Final = re.compile(
    r"\s*BEGIN(?:\s+(?:DEFERRED|IMMEDIATE|EXCLUSIVE))?(?:\s+TRANSACTION)?\s*;?\s*", re.IGNORECASE | re.ASCII
)


class CipherAdapter(AsyncAdapt_dbapi_connection):
    """DB-API connection over a :class:`CipherConnection`.

    Attributes:
        transaction: The transaction, which units of work use without SQLAlchemy.
    """

    __slots__ = ("_cipher", "transaction")

    def __init__(self, dbapi: Any, connection: CipherConnection) -> None:
        super().__init__(dbapi, cast("Any", connection))  # aiosqlite does not declare SQLAlchemy's protocol
        self._cipher = connection
        self.transaction = DriverTransaction(connection)

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor; a server-side one fetches in chunks."""
        return _ServerSideCursor(self) if server_side else _Cursor(self)

    def commit(self) -> None:
        """Commit, if anything was sent."""
        answer = self.transaction.committing()
        if answer is not None:
            self._await(answer)

    def rollback(self) -> None:
        """Roll back, if anything was sent."""
        answer = self.transaction.rolling_back()
        if answer is not None:
            self._await(answer)

    @property
    def isolation_level(self) -> None:
        """``None``, as the driver opens no transactions itself: the dialect does, with their first statement."""
        return

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        # Listeners for SQLAlchemy's own dialect set it. With None they begin transactions themselves (see take_over).
        # No other level needs more than a writer's BEGIN IMMEDIATE, which in WAL mode is as strict as EXCLUSIVE.
        if level not in _ISOLATION_LEVELS:
            self.refuse('isolation_level must be None, "", "DEFERRED", "IMMEDIATE" or "EXCLUSIVE"')

    def create_function(
        self, name: str, narg: int, func: Callable[..., Any] | None, *, deterministic: bool = False
    ) -> None:
        """Create an SQL function like :meth:`sqlite3.Connection.create_function`; for "connect" listeners."""
        self.run(lambda raw: raw.create_function(name, narg, func, deterministic=deterministic))

    def take_over(self, operation: str) -> bool:
        """Return whether a statement is a BEGIN for the transaction that was announced; the dialect's is sent instead.

        SQLAlchemy's documentation recommends "begin" listeners that send it, because other drivers begin too late.
        """
        return self.transaction.is_due and _BEGINS.fullmatch(operation) is not None

    def close(self) -> None:
        """Close the connection."""
        await_(self._cipher.close())

    def terminate(self) -> None:
        """Close the connection despite any cancellation; in a greenlet, wait until it is closed."""
        if in_greenlet():
            self.close()
        else:
            self._cipher.stop()

    def run(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Run ``work`` on the thread, inside the transaction that was announced; cancellation interrupts it."""
        return await_(self.transaction.perform(work))

    def finish(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Run ``work`` on the thread to its end, even if the task is cancelled."""
        try:
            answer = self._cipher.finish(lambda: work(self._cipher.raw))
        except ValueError as error:
            raise_driver_error(error)
        return self._await(answer)

    def _await(self, work: Awaitable[_T]) -> _T:
        try:
            return await_(work)
        except Exception as error:  # noqa: BLE001 - translated and raised again
            raise_driver_error(error)

    def lend(self) -> None:
        """Note that a statement may stay open after the call that opens it."""
        self._cipher.lent = True

    def execute_and_fetch(
        self, start: Callable[[sqlcipher.Cursor], object], connection: sqlcipher.Connection
    ) -> tuple[Any, int, Any, list[Any]]:
        """Execute a statement on the thread, and return its description, row count, last row number and rows."""
        raw = connection.cursor(sqlcipher.Cursor)
        try:
            start(raw)
            rows = raw.fetchall() if raw.description else []
            if rows:
                self.require_authentic()
            return raw.description, raw.rowcount, raw.lastrowid, rows
        finally:
            raw.close()

    def require_authentic(self) -> None:
        """Check, on the thread, that every page read so far authenticated."""
        self._cipher.require_authentic()

    def refuse(self, problem: str) -> NoReturn:
        """Raise a driver error with a message."""
        raise sqlcipher.ProgrammingError(problem)

    @classmethod
    def _handle_exception_no_connection(cls, dbapi: Any, error: Exception) -> NoReturn:  # noqa: ARG003
        raise_driver_error(error)


class _Cursor:
    """A DB-API cursor whose ``execute`` fetches all rows in one hand-off."""

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
        if self._adapter.take_over(operation):
            operation = "SELECT NULL LIMIT 0"
        self._run(lambda raw: raw.execute(operation, () if parameters is None else parameters))

    def executemany(self, operation: str, seq_of_parameters: Any) -> None:
        self._run(lambda raw: raw.executemany(operation, seq_of_parameters))

    def _run(self, start: Callable[[sqlcipher.Cursor], Any]) -> None:
        work = partial(self._adapter.execute_and_fetch, start)
        description, self.rowcount, self.lastrowid, rows = self._adapter.run(work)
        self.description = described(description)
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return list(islice(self._rows, self.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def setinputsizes(self, *inputsizes: Any) -> None:
        """Do nothing, as SQLite needs no sizes."""

    async def _async_soft_close(self) -> None:
        """Do nothing, as no cursor is open on the thread."""

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
            self._adapter.lend()
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
