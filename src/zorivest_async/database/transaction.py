"""The transaction of one unit of work: the connection that it borrows, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.pool import QueuePool
from sqlalchemy.util.concurrency import greenlet_spawn

from zorivest_async.database.channel import send_on
from zorivest_async.database.dialect import SQLiteDialect_aiosqlcipher
from zorivest_async.database.failures import LOST
from zorivest_async.database.finishing import finish
from zorivest_async.database.savepoint import savepoint_on
from zorivest_async.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sqlalchemy.pool import Pool, PoolProxiedConnection

    from zorivest_async.database.adapter import CipherAdapter
    from zorivest_async.database.driver import StatementResult
    from zorivest_async.database.turns import TurnQueue

__all__ = ["Outcome", "Transaction"]

Outcome: TypeAlias = Literal["open", "committed", "rolled_back"]
"""How a transaction ended, if it has."""


class Transaction:
    """One transaction after another on an engine, each from its first statement to its end.

    Over the library's own dialect, statements go to the driver without SQLAlchemy, whose part in them would cost more
    than SQLite's. Once somebody asks for the :meth:`connection`, or listens to the engine's events or its echo,
    everything goes through SQLAlchemy.

    Args:
        engine: Any engine whose database has the schema.
        turns: Whose turn it is; without it, the engine's pool decides.
    """

    def __init__(self, engine: AsyncEngine, turns: TurnQueue | None) -> None:
        self._engine = engine
        self._turns = turns
        self._pool: Pool = engine.pool
        self._pooled: PoolProxiedConnection | None = None
        self._adapter: CipherAdapter | None = None
        self._connection: AsyncConnection | None = None
        self._lost: BaseException | None = None
        self.outcome: Outcome = "open"

    async def send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        """Send a statement, after beginning a transaction where none is open."""
        adapter = await self._direct()
        if adapter is None:
            return await send_on(await self.connection(), sql, values)
        try:
            return await adapter.send(sql, values)
        except BaseException as error:
            self._note_loss(error)
            raise

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        """Send a statement once for each row of values, and return how many rows it changed."""
        adapter = await self._direct()
        if adapter is None:
            return (await (await self.connection()).exec_driver_sql(sql, rows)).rowcount
        try:
            return await adapter.send_rows(sql, rows)
        except BaseException as error:
            self._note_loss(error)
            raise

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo the statements of the block, and no others, if it raises."""
        adapter = await self._direct()
        if adapter is None:
            async with savepoint_on(await self.connection()):
                yield
            return
        await self.send("SAVEPOINT block", ())
        try:
            yield
        except BaseException:
            if self._lost is None and not adapter.failed:
                await self.send("ROLLBACK TO block", ())
                await self.send("RELEASE block", ())
            raise
        await self.send("RELEASE block", ())

    async def connection(self) -> AsyncConnection:
        """Return the connection, in its transaction, after beginning one where none is open."""
        await self._begin()
        _require_kept(self._lost)
        if self._connection is None:
            connection = AsyncConnection(self._engine, Connection(self._engine.sync_engine, self._pooled))
            await connection.begin()  # joins the transaction that is open
            self._connection = connection
        return self._connection

    async def _direct(self) -> CipherAdapter | None:
        """Return the driver in its transaction, or ``None`` where SQLAlchemy wants to know of everything."""
        if self._adapter is None:
            await self._begin()
        if self._connection is not None or _is_heard(self._engine.sync_engine):
            return None
        _require_kept(self._lost)
        return self._adapter

    async def _begin(self) -> None:
        """Borrow a connection, where there is none; nothing is sent yet."""
        if self._adapter is not None or self._connection is not None:
            return
        if self._turns is not None:
            await self._turns.acquire()
        try:
            self._pool = self._engine.pool
            if isinstance(self._engine.dialect, SQLiteDialect_aiosqlcipher):
                self._pooled = await _checked_out(self._pool)
                self._adapter = cast("CipherAdapter", self._pooled.dbapi_connection)
                self._adapter.begin()
            else:
                connection = await self._engine.connect().start()
                await connection.begin()
                self._connection = connection
        except BaseException:
            if self._turns is not None:
                self._turns.release()
            raise
        self.outcome = "open"

    def _note_loss(self, error: BaseException) -> None:
        if not isinstance(error, Exception) or self._is_useless_after(error):
            self._lost = error

    def _is_useless_after(self, error: BaseException | None) -> bool:
        return error is not None and self._engine.dialect.is_disconnect(cast("Any", error), None, None)

    async def end(self, session: AsyncSession | None, *, commit: bool) -> None:
        """End the transaction, and give the connection back; this finishes even when the task is cancelled.

        Args:
            session: One that is on its connection, and ends with it.
            commit: Whether to commit first.
        """
        connection, pooled, adapter, lost = self._connection, self._pooled, self._adapter, self._lost
        self._connection = self._pooled = self._adapter = self._lost = None
        if connection is not None:
            await finish(self._end_on(connection, session, commit=commit))
            return
        if session is not None:
            session.sync_session.close()  # which was on no connection
        if pooled is not None and adapter is not None:
            await self._end_directly(pooled, adapter, lost, commit=commit)
        elif self.outcome == "open":
            self.outcome = "committed" if commit else "rolled_back"

    async def _end_directly(
        self, pooled: PoolProxiedConnection, adapter: CipherAdapter, lost: BaseException | None, *, commit: bool
    ) -> None:
        self.outcome = "rolled_back"
        try:
            if commit:
                _require_kept(lost)
                await self._commit(adapter)
        finally:
            try:
                if self._is_useless_after(lost) or self._pool is not self._engine.pool:  # which was disposed of
                    await finish(greenlet_spawn(pooled.invalidate))
                elif adapter.reads_only:
                    adapter.abandon()
                elif (answer := adapter.rolling_back()) is not None:
                    await answer
            finally:
                pooled.close()
                if self._turns is not None:
                    self._turns.release()

    async def _commit(self, adapter: CipherAdapter) -> None:
        answer = adapter.committing()
        try:
            if answer is not None:
                await answer
        except asyncio.CancelledError:
            if answer is None or answer.exception() is None:
                self.outcome = "committed"
            raise
        self.outcome = "committed"

    async def _end_on(self, connection: AsyncConnection, session: AsyncSession | None, *, commit: bool) -> None:
        self.outcome = "rolled_back"
        try:
            if session is not None:
                await session.close()
            if commit:
                await connection.commit()
                self.outcome = "committed"
        finally:
            try:
                if self._pool is not self._engine.pool:  # the engine was disposed of meanwhile, and its pool with it
                    await connection.invalidate()
                await connection.close()  # which rolls back what was not committed
            finally:
                if self._turns is not None:
                    self._turns.release()


def _require_kept(lost: BaseException | None) -> None:
    """Refuse to go on in a transaction that an error has lost."""
    if lost is not None:
        raise RepositoryError(problem=LOST)


def _is_heard(engine: Engine) -> bool:
    """Return whether somebody listens to an engine's statements."""
    # There is no public way to ask for events; echo=True enables the logger.
    has_events: bool = engine._has_events  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return has_events or engine.logger.isEnabledFor(logging.INFO)


async def _checked_out(pool: Pool) -> PoolProxiedConnection:
    """Return a connection of a pool; one that is idle costs no greenlet."""
    if isinstance(pool, QueuePool) and pool.checkedin():
        try:
            return pool.connect()
        except MissingGreenlet:  # it was idle, but has to be opened again
            pass
    return await greenlet_spawn(pool.connect)
