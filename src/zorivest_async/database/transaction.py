"""Transaction of a unit of work, from borrowing a connection to its end."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from sqlalchemy.exc import DBAPIError, MissingGreenlet
from sqlalchemy.pool import QueuePool
from sqlalchemy.util.concurrency import greenlet_spawn

from zorivest_async._finishing import finish, start_unstoppable
from zorivest_async.database.backend import BACKENDS, Loss
from zorivest_async.database.channel import DirectChannel, SqlAlchemyChannel
from zorivest_async.database.lent import LentConnection
from zorivest_async.database.sqlalchemy_internals import is_heard
from zorivest_async.errors import CommitOutcomeUnknownError, VaultForkedError, VaultReplacedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.pool import Pool, PoolProxiedConnection

    from zorivest_async.database.backend import Adapter, StatementResult, Written
    from zorivest_async.database.queueing import TurnQueue

__all__ = ["Outcome", "Transaction"]

Outcome: TypeAlias = Literal["open", "committed", "rolled_back", "unknown"]
"""Outcome of a transaction; ``"unknown"`` while it is being committed, and after an error that does not show it."""


class _State(Enum):
    """State of a unit of work's transaction: the way of its statements."""

    IDLE = "no connection is borrowed"
    DIRECT = "statements go to the driver, without SQLAlchemy"
    JOINED = "statements go through SQLAlchemy, in the driver's transaction"
    FOREIGN = "statements go through SQLAlchemy, over a driver that is not the library's"


class Transaction:
    """Transactions on an engine, one after another, each from its first statement to its end.

    Over the library's own drivers, statements go to the driver without SQLAlchemy, which would take more time than
    SQLite. After the first call of :meth:`connection`, or if the engine has listeners or an echo, all statements go
    through SQLAlchemy. In both cases the driver ends the transaction, and never SQLAlchemy.

    If something else has ended the transaction, or it has lost a statement, it refuses further statements and commits.

    Args:
        engine: Any engine whose database has the schema.
        turns: The queue for the engine's connections; ``None`` leaves the waiting to the engine's pool.

    Attributes:
        loop: The event loop of the task that sends the statements; ``None`` before it is known.
        task: The task; ``None`` before it is known.
        thread: The thread of the event loop.
        backend: The backend of the engine.
        process: The process that created it.
        outcome: The outcome of the last transaction.

    Raises:
        ConfigurationError: There is no backend for the engine's dialect.
    """

    def __init__(self, engine: AsyncEngine, turns: TurnQueue | None) -> None:
        self._channel: DirectChannel | SqlAlchemyChannel | None = None
        self._engine = engine
        self._sync_engine = sync_engine = engine.sync_engine
        self._turns = turns
        self.loop: asyncio.AbstractEventLoop | None = None
        self.task: asyncio.Task[Any] | None = None
        self.thread = 0
        self.backend = backend = BACKENDS[sync_engine.dialect.name]
        self.process = backend.owner()
        self._state = _State.IDLE
        self._direct: DirectChannel | None = None  # the channel, while the state is DIRECT
        self.outcome: Outcome = "open"

    def at_once(self) -> DirectChannel | None:
        """Return the channel to the driver, if there is nothing to wait for and SQLAlchemy is not involved.

        Raises:
            RepositoryError: The transaction has lost a statement.
        """
        if is_heard(self._sync_engine):
            return None
        channel = self._direct
        if channel is None:
            if self._state is not _State.IDLE:
                return None
            turns = self._turns
            if turns is not None and not turns.try_acquire():
                return None
            channel = self._take()
            if channel is None and turns is not None:
                turns.release()
        elif channel.adapter.loss is not Loss.NONE:
            channel.require_kept()
        return channel

    async def send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        """Send a statement, after beginning a transaction if none is open."""
        return await (await self._opened()).send(sql, values)

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        """Send a statement once for each row of values, and return the number of rows that it changed."""
        return await (await self._opened()).send_rows(sql, rows)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo only the statements of the block if it raises an exception."""
        async with (await self._opened()).savepoint():
            yield

    def keep_turn(self) -> None:
        """Let others wait for the end of the open transaction, however long it takes."""
        if self._turns is not None and not self.is_idle:
            self._turns.keep()

    @property
    def is_idle(self) -> bool:
        """Whether it holds no connection."""
        return self._state is _State.IDLE

    @property
    def kept(self) -> bool:
        """Whether the transaction has lost nothing, so that its savepoints still exist."""
        return self._channel is None or self._channel.kept

    async def connection(self) -> LentConnection:
        """Return the connection in its transaction, after beginning one if none is open."""
        return await (await self._joined()).connection()

    async def _opened(self) -> DirectChannel | SqlAlchemyChannel:
        """Return the channel of the transaction, after beginning one if none is open."""
        if self._state is _State.IDLE:
            await self._begin()
        return self.at_once() or await self._joined()

    async def _joined(self) -> SqlAlchemyChannel:
        """Return the channel through SQLAlchemy, which all later statements of the transaction use."""
        if self._state is _State.IDLE:
            await self._begin()
        channel = cast("DirectChannel | SqlAlchemyChannel", self._channel)
        channel.require_kept()
        if isinstance(channel, DirectChannel):
            self._channel = channel = await channel.join(self._engine)
            self._state, self._direct = _State.JOINED, None
        return channel

    def _take(self) -> DirectChannel | None:
        """Borrow an idle connection without SQLAlchemy; return its channel, or ``None`` if there is none."""
        pool: Any = self._sync_engine.pool  # a DirectPool, if it has take()
        if not hasattr(pool, "take") or (entry := pool.take(self.task)) is None:
            return None
        adapter: Adapter = entry.dbapi_connection.transaction
        adapter.begin(self.loop, self._turns, pool)
        self._channel = self._direct = channel = DirectChannel(pool, adapter, entry=entry)
        self._state, self.outcome = _State.DIRECT, "open"
        return channel

    async def _begin(self) -> None:
        """Borrow a connection, without sending anything yet."""
        if self._turns is not None:
            await self._turns.acquire()
        try:
            if self._take() is not None:
                return
            pool = self._engine.pool
            if self.backend.drives(self._engine.dialect):
                pooled = await _checked_out(pool)
                adapter = cast("Adapter", cast("Any", pooled.dbapi_connection).transaction)
                adapter.begin(self.loop, self._turns, pool)
                self._channel = self._direct = DirectChannel(pool, adapter, pooled=pooled)
                self._state = _State.DIRECT
            else:
                connection = LentConnection(self._engine, await greenlet_spawn(self._engine.sync_engine.connect))
                await connection.join()
                self._channel, self._state = SqlAlchemyChannel(connection, pool), _State.FOREIGN
        except BaseException:
            if self._turns is not None:
                self._turns.release()
            raise
        self.outcome = "open"

    def end_at_once(self) -> bool:
        """Roll back without waiting, if nothing was sent, or only reads without SQLAlchemy; return whether it did."""
        if self._state is _State.IDLE:
            if self.outcome == "open":
                self.outcome = "rolled_back"
            return True
        channel = self._direct
        if channel is None:
            return False
        adapter, entry = channel.adapter, channel.entry
        if entry is None or not adapter.reads_only or adapter.loss is Loss.USELESS:
            return False
        if channel.pool is not self._sync_engine.pool:
            return False  # a pool that was disposed of meanwhile would never close the connection
        self._channel, self._direct, self._state, self.outcome = None, None, _State.IDLE, "rolled_back"
        adapter.abandon()
        channel.give_back()
        if self._turns is not None:
            self._turns.release()
        return True

    async def end(self, session: AsyncSession | None, *, commit: bool) -> None:
        """End the transaction, and give the connection back; it finishes even when every task is cancelled.

        Args:
            session: The session on the connection, which ends with it.
            commit: Whether to commit first.
        """
        channel = self._channel
        if channel is None:
            self._end_nothing(session, commit=commit)
            return
        self._channel, self._direct, self._state = None, None, _State.IDLE
        direct, lent = (channel, None) if isinstance(channel, DirectChannel) else (channel.origin, channel.lent)
        if direct is None:
            await finish(self._end_foreign(cast("SqlAlchemyChannel", channel), session, commit=commit))
            return
        self.outcome = "rolled_back"
        has_ended = False
        syncing: asyncio.Future[None] | None = None
        try:
            try:
                if commit:
                    if lent is not None or direct.adapter.loss is not Loss.NONE:
                        channel.require_kept()
                    if (answer := direct.adapter.committing(self._turns, direct.pool)) is None:
                        self.outcome = "committed"
                    else:
                        self.outcome = "unknown"  # until it is acknowledged
                        try:
                            await answer
                        finally:
                            syncing = self._note_outcome(answer)
                    has_ended = True
            finally:
                if not (has_ended and session is None and self._give_back_at_once(direct, lent)):
                    await self._roll_back_and_give_back(direct, lent, session, has_ended=has_ended)
        except (Exception, asyncio.CancelledError):
            if syncing is not None:
                with suppress(CommitOutcomeUnknownError):
                    await self._synced(syncing)
            raise
        if syncing is not None:
            await self._synced(syncing)

    def _end_nothing(self, session: AsyncSession | None, *, commit: bool) -> None:
        if session is not None:
            session.sync_session.close()  # it had no connection
        if self.outcome == "open":
            self.outcome = "committed" if commit else "rolled_back"

    def _note_outcome(self, commit: asyncio.Future[Written | None]) -> asyncio.Future[None] | None:
        """Set the outcome of a commit, even if its task only raises ``CancelledError``.

        Returns:
            The sync to wait for, if the commit is only written; its outcome is unknown until then.
        """
        error = commit.exception() if commit.done() else CommitOutcomeUnknownError()
        if error is None:
            if (written := commit.result()) is not None:
                return written.synced()
            self.outcome = "committed"
        elif not isinstance(error, CommitOutcomeUnknownError | VaultReplacedError | VaultForkedError):
            self.outcome = "rolled_back"
        return None

    async def _synced(self, syncing: asyncio.Future[None]) -> None:
        """Wait for the sync of a written commit, even if the task is cancelled, and set the outcome."""
        try:
            await syncing
        finally:
            if syncing.done() and syncing.exception() is None:
                self.outcome = "committed"

    async def _roll_back_and_give_back(
        self, direct: DirectChannel, lent: LentConnection | None, session: AsyncSession | None, *, has_ended: bool
    ) -> None:
        adapter = direct.adapter
        damaged = adapter.loss is Loss.USELESS
        try:
            if not damaged and (lent is None or not (lent.closed or lent.invalidated)):
                if adapter.reads_only:
                    adapter.abandon()
                elif not has_ended:
                    if adapter.ended_elsewhere:
                        self.outcome, damaged = "unknown", True
                    if (answer := adapter.rolling_back()) is not None:
                        await answer
        finally:
            if session is not None or damaged or not self._give_back_at_once(direct, lent):
                try:
                    await finish(greenlet_spawn(self._give_back, direct, lent, session, damaged=damaged))
                finally:
                    if self._turns is not None:
                        self._turns.release()

    def _give_back_at_once(self, direct: DirectChannel, lent: LentConnection | None) -> bool:
        """Give the connection back, if SQLAlchemy is not involved; return whether it was given back."""
        if lent is not None or direct.adapter.loss is Loss.USELESS:
            return False
        pool, entry = direct.pool, direct.entry
        if pool is not self._sync_engine.pool:  # a pool that was disposed of would never close the connection
            return False
        try:
            if entry is not None:
                direct.pool.give(entry)
            else:
                direct.give_back()
        finally:
            if self._turns is not None:
                self._turns.release()
        return True

    def _give_back(
        self,
        direct: DirectChannel,
        lent: LentConnection | None,
        session: AsyncSession | None,
        *,
        damaged: bool,
    ) -> None:
        """Make SQLAlchemy forget a transaction that the driver has ended; runs in a greenlet."""
        try:
            if session is not None:
                session.sync_session.close()
        finally:
            if damaged or direct.pool is not self._engine.pool:  # it may have been disposed of meanwhile
                direct.throw_away()
            if lent is not None:
                lent.close_now()
            else:
                direct.give_back()

    async def _end_foreign(self, channel: SqlAlchemyChannel, session: AsyncSession | None, *, commit: bool) -> None:
        connection = channel.lent
        self.outcome = "rolled_back"
        try:
            if not connection.closed and not connection.invalidated:
                await connection.close_handles()
            if commit:
                channel.require_kept()
                try:
                    await greenlet_spawn(connection.commit_now)
                except DBAPIError as error:
                    if self.backend.leaves_outcome_unknown(error):
                        self.outcome = "unknown"
                        raise CommitOutcomeUnknownError from error
                    raise
                self.outcome = "committed"
        finally:
            try:
                if session is not None:
                    await session.close()
                if channel.pool is not self._engine.pool and not connection.closed:
                    await connection.invalidate()
                await greenlet_spawn(connection.roll_back_and_close)
            finally:
                if self._turns is not None:
                    self._turns.release()

    def __del__(self) -> None:
        if self._channel is not None and self.loop is not None and not self.process.left_behind:
            with suppress(RuntimeError):  # the loop is closed, and so are its connections
                self.loop.call_soon_threadsafe(_reclaim, self._channel, self._turns)
            warnings.warn("a unit of work was never left; use 'async with'", ResourceWarning, stacklevel=2)


def _reclaim(channel: DirectChannel | SqlAlchemyChannel, turns: TurnQueue | None) -> None:
    """Give back the connection and the turn of a forgotten unit of work; runs on the event loop."""
    direct = channel if isinstance(channel, DirectChannel) else channel.origin
    if direct is not None:
        direct.adapter.give_up()
        direct.give_back()
    elif isinstance(channel, SqlAlchemyChannel):
        start_unstoppable(greenlet_spawn(channel.lent.roll_back_and_close))
    if turns is not None:
        turns.release()


async def _checked_out(pool: Pool) -> PoolProxiedConnection:
    """Return a connection of a pool; an idle one needs no greenlet."""
    if isinstance(pool, QueuePool) and pool.checkedin():
        try:
            return pool.connect()
        except MissingGreenlet:  # the idle connection must be opened again
            pass
    return await greenlet_spawn(pool.connect)
