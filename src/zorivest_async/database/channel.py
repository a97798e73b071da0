"""What repositories send their statements through."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from zorivest_async.database.driver import StatementResult
from zorivest_async.database.savepoint import savepoint_on

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager

__all__ = ["BorrowedChannel", "Channel", "send_on"]


class Channel(Protocol):
    """One transaction, statement by statement."""

    async def send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        """Send a statement."""
        ...

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        """Send a statement once for each row of values, and return how many rows it changed."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo the statements of the block, and no others, if it raises."""
        ...

    async def connection(self) -> AsyncConnection:
        """Return the connection, in its transaction."""
        ...


class BorrowedChannel:
    """The transaction of somebody else's session or connection.

    Args:
        source: Whose.
    """

    def __init__(self, source: AsyncSession | AsyncConnection) -> None:
        self._source = source

    async def connection(self) -> AsyncConnection:
        """Return the connection; what was added to the session is flushed first, as before ORM queries."""
        source = self._source
        if isinstance(source, AsyncConnection):
            return source
        if source.new or source.dirty or source.deleted:
            await source.flush()
        return await source.connection()

    async def send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        """Send a statement."""
        return await send_on(await self.connection(), sql, values)

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        """Send a statement once for each row of values, and return how many rows it changed."""
        return (await (await self.connection()).exec_driver_sql(sql, rows)).rowcount

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo the statements of the block, and no others, if it raises."""
        async with savepoint_on(await self.connection()):
            yield


async def send_on(connection: AsyncConnection, sql: str, values: Sequence[Any]) -> StatementResult:
    """Send a statement through SQLAlchemy."""
    result = await connection.exec_driver_sql(sql, tuple(values))
    rows = list(result.cursor.fetchall()) if result.cursor is not None and result.returns_rows else []
    return StatementResult(rows, result.rowcount, result.lastrowid)
