"""The unit of work: one transaction, the repositories that take part in it, and the truth about how it ended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, cast

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util.concurrency import await_

from zorivest_async.database.failures import translated
from zorivest_async.database.finishing import finish
from zorivest_async.database.repositories import (
    SqlAlchemyAccountRepository,
    SqlAlchemyBalanceSnapshotRepository,
    SqlAlchemyImageRepository,
    SqlAlchemyMarketProviderSettingRepository,
    SqlAlchemySettingRepository,
    SqlAlchemyTradePlanRepository,
    SqlAlchemyTradeReportRepository,
    SqlAlchemyTradeRepository,
    SqlAlchemyWatchlistRepository,
)
from zorivest_async.database.savepoint import savepoint_on
from zorivest_async.errors import UnitOfWorkError
from zorivest_async.images import ImageOffload, ImagePolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from types import TracebackType

    from sqlalchemy import Connection

    from zorivest_async.database.write_queue import WriteQueue
    from zorivest_async.security import ApiKeyCipher

__all__ = ["Outcome", "SqlAlchemyUnitOfWork"]

Outcome: TypeAlias = Literal["open", "committed", "rolled_back"]


class SqlAlchemyUnitOfWork:
    """A transaction and the repositories that take part in it.

    Leaving the block rolls back unless :meth:`commit` was awaited. The first statement borrows a connection and begins
    the transaction, waiting for its turn if it writes; committing, rolling back and leaving give both back. A block
    that sends nothing costs nothing. After a commit the same unit of work may go on, in a new transaction.

    It belongs to the task that entered it: another task's statements would end up in this one's transaction, so they
    raise :class:`~zorivest_async.UnitOfWorkError`. Cancelling a statement interrupts it; committing, rolling back and
    leaving finish first, and :attr:`outcome` then tells what happened.

    Args:
        engine: Any engine whose database has the schema; ``vault.unit_of_work()`` brings a vault's.
        api_key_cipher: Encrypts provider API keys; without one they are not stored.
        images: Where images are decoded; the default is one of its own.
        write_queue: Gives writers their turns; the default is the engine's pool.
        check_usable: Called on entering; raises where the engine must not be used.

    Example:
        >>> async def count_trades(engine):
        ...     async with SqlAlchemyUnitOfWork(engine) as uow:
        ...         return len(await uow.trades.list_all())
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        api_key_cipher: ApiKeyCipher | None = None,
        images: ImageOffload | None = None,
        write_queue: WriteQueue | None = None,
        check_usable: Callable[[], None] | None = None,
    ) -> None:
        self._engine = engine
        self._api_key_cipher = api_key_cipher
        self._image_offload = images if images is not None else ImageOffload(ImagePolicy())
        self._write_queue = write_queue
        self._check_usable = check_usable
        self._task: asyncio.Task[Any] | None = None
        self._left = False
        self._connection: AsyncConnection | None = None
        self._pool = engine.pool
        self._session: AsyncSession | None = None
        self._outcome: Outcome = "open"

    @property
    def outcome(self) -> Outcome:
        """``"open"``, or how the last transaction ended: ``"committed"`` or ``"rolled_back"``."""
        return self._outcome

    @property
    def trades(self) -> SqlAlchemyTradeRepository:
        """Executions."""
        return SqlAlchemyTradeRepository(self)

    @property
    def images(self) -> SqlAlchemyImageRepository:
        """Images of trades, reports and plans."""
        return SqlAlchemyImageRepository(self, self._image_offload)

    @property
    def accounts(self) -> SqlAlchemyAccountRepository:
        """Accounts."""
        return SqlAlchemyAccountRepository(self)

    @property
    def balance_snapshots(self) -> SqlAlchemyBalanceSnapshotRepository:
        """What accounts held at moments."""
        return SqlAlchemyBalanceSnapshotRepository(self)

    @property
    def trade_reports(self) -> SqlAlchemyTradeReportRepository:
        """Reviews of trades."""
        return SqlAlchemyTradeReportRepository(self)

    @property
    def trade_plans(self) -> SqlAlchemyTradePlanRepository:
        """Trades thought through before they are made."""
        return SqlAlchemyTradePlanRepository(self)

    @property
    def watchlists(self) -> SqlAlchemyWatchlistRepository:
        """Named collections of tickers."""
        return SqlAlchemyWatchlistRepository(self)

    @property
    def settings(self) -> SqlAlchemySettingRepository:
        """Small typed values."""
        return SqlAlchemySettingRepository(self)

    @property
    def market_provider_settings(self) -> SqlAlchemyMarketProviderSettingRepository:
        """Credentials and limits of market-data providers."""
        return SqlAlchemyMarketProviderSettingRepository(self, self._api_key_cipher)

    @property
    def session(self) -> AsyncSession:
        """An ``AsyncSession`` on the same transaction, for ORM queries over the declared models.

        What is added to it is flushed before the next statement of a repository and by :meth:`commit`; committing or
        rolling back is the unit of work's to do.

        Raises:
            UnitOfWorkError: Outside the block, or in another task.
        """
        self._require_own_task()
        if self._session is None:
            self._session = AsyncSession(
                sync_session_class=_JoinedSession,
                open_connection=self._open_connection,
                expire_on_commit=False,
                join_transaction_mode="rollback_only",
            )
        return self._session

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise UnitOfWorkError("a unit of work is entered once; make another one")
        if self._check_usable is not None:
            self._check_usable()
        self._task = asyncio.current_task()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left = True
        await self._end(commit=False)

    async def commit(self) -> None:
        """Make everything since the block began, or since the last commit, permanent: all of it or nothing.

        Finishes even when its task is cancelled, and raises ``CancelledError`` afterwards; :attr:`outcome` tells
        whether it did commit.

        Raises:
            UnitOfWorkError: Outside the block, or in another task.
            VaultFullError: The disk is full; everything was rolled back.
            VaultError: The vault could not be written; everything was rolled back.
        """
        self._require_own_task()
        if self._session is not None:
            with translated():
                await self._session.flush()
        await self._end(commit=True)

    async def rollback(self) -> None:
        """Undo everything since the block began, or since the last commit; finishes even when its task is cancelled.

        Raises:
            UnitOfWorkError: Outside the block, or in another task.
        """
        self._require_own_task()
        await self._end(commit=False)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo the statements of a block, and no others, if it raises: ``async with uow.savepoint()``.

        Blocks may be nested. What was kept is as temporary as the rest until :meth:`commit`. A statement that is
        cancelled takes the whole transaction with it.

        Raises:
            UnitOfWorkError: Outside the unit of work's block, or in another task.
        """
        with translated():
            async with savepoint_on(await self.connection()):
                try:
                    yield
                    await self.connection()  # which flushes what was added to the session
                except BaseException:
                    if self._session is not None:
                        self._session.expire_all()
                    raise

    async def connection(self) -> AsyncConnection:
        """Return the connection of the transaction, after beginning one where none is open, for SQL of your own.

        Raises:
            UnitOfWorkError: Outside the block, in another task, or while this task writes in another unit of work.
            VaultBusyError: Another writer held the vault for the whole busy timeout.
        """
        self._require_own_task()
        session = self._session
        if session is not None and (session.new or session.dirty or session.deleted):
            with translated():
                await session.flush()
        return await self._open_connection()

    async def _open_connection(self) -> AsyncConnection:
        if self._connection is None:
            if self._write_queue is not None:
                await self._write_queue.acquire()
            self._pool = self._engine.pool
            try:
                with translated():
                    self._connection = await self._engine.connect().start()
            except BaseException:
                if self._write_queue is not None:
                    self._write_queue.release()
                raise
            await self._connection.begin()  # which sends nothing yet
            self._outcome = "open"
        return self._connection

    def _require_own_task(self) -> None:
        if self._task is None:
            raise UnitOfWorkError("enter the unit of work first: async with vault.unit_of_work() as uow")
        if self._left:
            raise UnitOfWorkError("this unit of work has been left; make another one")
        if self._task is not asyncio.current_task():
            raise UnitOfWorkError("this unit of work belongs to another task; give each task its own")

    async def _end(self, *, commit: bool) -> None:
        connection, session = self._connection, self._session
        self._connection = self._session = None
        if connection is not None:
            await finish(self._end_transaction(connection, session, commit=commit))
        elif self._outcome == "open":
            self._outcome = "committed" if commit else "rolled_back"

    async def _end_transaction(
        self, connection: AsyncConnection, session: AsyncSession | None, *, commit: bool
    ) -> None:
        self._outcome = "rolled_back"
        try:
            with translated():
                if session is not None:
                    await session.close()
                if commit:
                    await connection.commit()
                    self._outcome = "committed"
        finally:
            try:
                if self._pool is not self._engine.pool:  # the engine was disposed of meanwhile, and its pool with it
                    await connection.invalidate()
                await connection.close()  # which rolls back what was not committed
            finally:
                if self._write_queue is not None:
                    self._write_queue.release()


class _JoinedSession(Session):
    """A session that finds the unit of work's connection when it first needs one, inside SQLAlchemy's greenlet."""

    def __init__(self, *, open_connection: Callable[[], Coroutine[Any, Any, AsyncConnection]], **options: Any) -> None:
        super().__init__(**options)
        self._open_connection = open_connection

    def get_bind(self, *_args: Any, **_options: Any) -> Connection:
        return cast("Connection", await_(self._open_connection()).sync_connection)
