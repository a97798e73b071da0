"""Channels, which send the statements of a transaction to the library's own driver, or through SQLAlchemy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from zorivest_async.database.backend import BACKENDS, Loss, StatementResult
from zorivest_async.database.error_mapping import LOST
from zorivest_async.database.lent import LentConnection
from zorivest_async.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection

    from zorivest_async.database.backend import Adapter, Backend

__all__ = ["BorrowedChannel", "DirectChannel", "SqlAlchemyChannel"]

ROLLED_BACK: Final = (
    "the transaction was rolled back through its session or connection; roll the unit of work back to go on"
)
"""Message for every later statement and commit."""


class DirectChannel:
    """The transaction of a unit of work on a connection of the library's own driver, without SQLAlchemy.

    Args:
        pool: The pool that the connection was taken from.
        adapter: The connection, as a transaction uses it.
        entry: The pool's entry, if the connection was taken without SQLAlchemy.
        pooled: SQLAlchemy's proxy, if it was taken through SQLAlchemy.
    """

    __slots__ = ("adapter", "entry", "pool", "pooled", "send", "send_rows")

    def __init__(
        self,
        pool: Pool,
        adapter: Adapter,
        *,
        entry: ConnectionPoolEntry | None = None,
        pooled: PoolProxiedConnection | None = None,
    ) -> None:
        self.pool: Any = pool  # a DirectPool, if the connection was taken without SQLAlchemy
        self.adapter = adapter
        self.entry = entry
        self.pooled = pooled
        self.send = adapter.send
        self.send_rows = adapter.send_rows

    @property
    def kept(self) -> bool:
        """Whether the transaction is open and has lost nothing, so that its savepoints still exist."""
        return self.adapter.has_savepoints and self.adapter.loss is Loss.NONE

    def require_kept(self) -> None:
        """Check that the transaction has lost nothing.

        Raises:
            RepositoryError: The transaction has lost a statement.
        """
        if self.adapter.loss is not Loss.NONE:
            raise RepositoryError(problem=LOST)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo only the statements of the block if it raises an exception."""
        await self.send("SAVEPOINT block", ())
        try:
            yield
        except BaseException:
            if self.kept:
                await self.send("ROLLBACK TO block", ())
                await self.send("RELEASE block", ())
            raise
        await self.send("RELEASE block", ())

    async def join(self, engine: AsyncEngine) -> SqlAlchemyChannel:
        """Hand the open transaction to SQLAlchemy, until it ends."""
        self._leave_to_sqlalchemy()
        connection = LentConnection(engine, Connection(engine.sync_engine, self.pooled))
        await connection.join()
        return SqlAlchemyChannel(connection, self.pool, self)

    def _leave_to_sqlalchemy(self) -> None:
        """Have the connection as SQLAlchemy has it, where it was taken past SQLAlchemy."""
        if self.entry is not None:
            self.pooled, self.entry = self.pool.proxy(self.entry), None

    def give_back(self) -> None:
        """Give the connection back to its pool in the way it was taken, after its transaction has ended."""
        if self.entry is not None:
            self.pool.give(self.entry)
        elif self.pooled is not None:
            self.pooled.close()

    def throw_away(self) -> None:
        """Make the pool close the connection, before it is given back; runs in a greenlet."""
        self._leave_to_sqlalchemy()
        if self.pooled is not None and self.pooled.is_valid:
            self.pooled.invalidate()


class _ThroughSqlAlchemy(ABC):
    """Base of the channels that send through a connection of SQLAlchemy."""

    __slots__ = ()

    @abstractmethod
    async def connection(self) -> AsyncConnection:
        """Return the connection, in its transaction."""

    async def send(self, sql: str, values: Sequence[Any], /) -> StatementResult:
        """Send a statement."""
        result = await (await self.connection()).exec_driver_sql(sql, tuple(values))
        rows = list(result.cursor.fetchall()) if result.cursor is not None and result.returns_rows else []
        return StatementResult(rows, result.rowcount)

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]], /) -> int:
        """Send a statement once for each row of values, and return the number of rows that it changed."""
        return (await (await self.connection()).exec_driver_sql(sql, rows)).rowcount

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo only the statements of the block if it raises an exception."""
        connection = await self.connection()
        await connection.run_sync(BACKENDS[connection.dialect.name].keep_transaction_open)
        async with connection.begin_nested():
            yield


class SqlAlchemyChannel(_ThroughSqlAlchemy):
    """The transaction of a unit of work on a connection of SQLAlchemy.

    Args:
        lent: The connection.
        pool: The pool that it was taken from.
        origin: The channel to the library's own driver whose transaction it has joined; ``None`` over another driver.
    """

    __slots__ = ("lent", "origin", "pool")

    def __init__(self, lent: LentConnection, pool: Pool, origin: DirectChannel | None = None) -> None:
        self.lent = lent
        self.pool = pool
        self.origin = origin

    @property
    def kept(self) -> bool:
        """Whether the transaction is open and has lost nothing, so that its savepoints still exist."""
        return self.lent.kept and (self.origin is None or self.origin.kept)

    def require_kept(self) -> None:
        """Check that the transaction has lost nothing.

        Raises:
            RepositoryError: The transaction has lost a statement, or was rolled back.
        """
        if self.origin is not None:
            self.origin.require_kept()
        if not self.lent.kept:
            raise RepositoryError(problem=LOST if self.lent.invalidated else ROLLED_BACK)

    async def connection(self) -> LentConnection:
        """Return the connection, in its transaction."""
        self.require_kept()
        return self.lent


class BorrowedChannel(_ThroughSqlAlchemy):
    """The transaction of a user's own session or connection.

    Args:
        source: The session or the connection.
    """

    def __init__(self, source: AsyncSession | AsyncConnection) -> None:
        self._source = source

    @property
    def backend(self) -> Backend:
        """The backend of the connection."""
        source = self._source
        bind = source.get_bind() if isinstance(source, AsyncSession) else source
        return BACKENDS[bind.dialect.name]

    @property
    def is_idle(self) -> bool:
        """Whether it holds no connection: it is a session outside a transaction, over an engine."""
        source = self._source
        return isinstance(source, AsyncSession) and isinstance(source.bind, AsyncEngine) and not source.in_transaction()

    def whole(self) -> AbstractAsyncContextManager[None]:
        """Undo only the statements of the block if it raises an exception."""
        return self.savepoint()

    def keep_turn(self) -> None:
        """Do nothing: who lends the transaction decides who waits for it."""

    async def connection(self) -> AsyncConnection:
        """Return the connection, after flushing the session's changes, as before an ORM query."""
        source = self._source
        if isinstance(source, AsyncConnection):
            return source
        if source.new or source.dirty or source.deleted:
            await source.flush()
        return await source.connection()
