"""The unit of work: one transaction, the repositories that take part in it, and the truth about how it ended."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from zorivest_async.database.failures import translated
from zorivest_async.database.repositories import (
    SqlAlchemyAccountRepository,
    SqlAlchemyBalanceSnapshotRepository,
    SqlAlchemyImageRepository,
    SqlAlchemyMarketProviderSettingRepository,
    SqlAlchemySearchRepository,
    SqlAlchemySettingRepository,
    SqlAlchemyTradePlanRepository,
    SqlAlchemyTradeReportRepository,
    SqlAlchemyTradeRepository,
    SqlAlchemyWatchlistRepository,
)
from zorivest_async.database.session import JoinedSession
from zorivest_async.database.transaction import Outcome, Transaction
from zorivest_async.errors import UnitOfWorkError
from zorivest_async.images import ImageOffload, ImagePolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from types import TracebackType

    from zorivest_async.database.driver import StatementResult
    from zorivest_async.database.turns import TurnQueue
    from zorivest_async.security import ApiKeyCipher

__all__ = ["Outcome", "SqlAlchemyUnitOfWork"]


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
        turns: Whose turn it is to use the engine; the default is for its pool to say.
        check_usable: Called on entering; raises where the engine must not be used.

    Example:
        >>> from zorivest_async import Vault
        >>> async with Vault.in_memory() as vault, vault.unit_of_work() as uow:
        ...     await uow.settings.set("theme", "dark")
        ...     await uow.commit()
        >>> uow.outcome
        'committed'
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        api_key_cipher: ApiKeyCipher | None = None,
        images: ImageOffload | None = None,
        turns: TurnQueue | None = None,
        check_usable: Callable[[], None] | None = None,
    ) -> None:
        self._transaction = Transaction(engine, turns)
        self._channel = _Channel(self._transaction, self._prepare)
        self._api_key_cipher = api_key_cipher
        self._image_offload = images if images is not None else ImageOffload(ImagePolicy())
        self._check_usable = check_usable
        self._task: asyncio.Task[Any] | None = None
        self._left = False
        self._session: AsyncSession | None = None

    @property
    def outcome(self) -> Outcome:
        """Say ``"open"``, or how the last transaction ended, ``"committed"`` or ``"rolled_back"``."""
        return self._transaction.outcome

    @property
    def trades(self) -> SqlAlchemyTradeRepository:
        """Executions."""
        return SqlAlchemyTradeRepository(self._channel)

    @property
    def images(self) -> SqlAlchemyImageRepository:
        """Images of trades, reports and plans."""
        return SqlAlchemyImageRepository(self._channel, self._image_offload)

    @property
    def accounts(self) -> SqlAlchemyAccountRepository:
        """Accounts."""
        return SqlAlchemyAccountRepository(self._channel)

    @property
    def balance_snapshots(self) -> SqlAlchemyBalanceSnapshotRepository:
        """What accounts held at moments."""
        return SqlAlchemyBalanceSnapshotRepository(self._channel)

    @property
    def trade_reports(self) -> SqlAlchemyTradeReportRepository:
        """Reviews of trades."""
        return SqlAlchemyTradeReportRepository(self._channel)

    @property
    def trade_plans(self) -> SqlAlchemyTradePlanRepository:
        """Trades thought through before they are made."""
        return SqlAlchemyTradePlanRepository(self._channel)

    @property
    def watchlists(self) -> SqlAlchemyWatchlistRepository:
        """Named collections of tickers."""
        return SqlAlchemyWatchlistRepository(self._channel)

    @property
    def settings(self) -> SqlAlchemySettingRepository:
        """Small typed values."""
        return SqlAlchemySettingRepository(self._channel)

    @property
    def market_provider_settings(self) -> SqlAlchemyMarketProviderSettingRepository:
        """Credentials and limits of market-data providers."""
        return SqlAlchemyMarketProviderSettingRepository(self._channel, self._api_key_cipher)

    @property
    def search(self) -> SqlAlchemySearchRepository:
        """The words of all texts."""
        return SqlAlchemySearchRepository(self._channel)

    @property
    def session(self) -> AsyncSession:
        """An ``AsyncSession`` on the same transaction, for ORM queries over the declared models.

        What is added to it is flushed before the next statement of a repository and by :meth:`commit`; committing or
        rolling back is the unit of work's to do, after which the session has forgotten its objects and goes on.

        Raises:
            UnitOfWorkError: Outside the block, or in another task.
        """
        self._require_own_task()
        if self._session is None:
            self._session = AsyncSession(
                sync_session_class=JoinedSession,
                open_connection=self._connection_of_session,
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
        if self._task is not None:
            _require_loop_of(self._task)
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
        await self.connection()  # which everything goes through from now on, the session's part included
        with translated():
            async with self._transaction.savepoint():
                try:
                    yield
                    await self.connection()
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
        if (flushing := self._prepare()) is not None:
            await flushing
        with translated():
            return await self._transaction.connection()

    def _prepare(self) -> Awaitable[None] | None:
        """Check who asks, and return what is to be awaited before a statement: what was added to the session."""
        self._require_own_task()
        session = self._session
        if session is not None and (session.new or session.dirty or session.deleted):
            return self._flush(session)
        return None

    async def _connection_of_session(self) -> AsyncConnection:
        # Somebody may have kept the session, and would begin a transaction here that nobody ends.
        self._require_own_task()
        return await self._transaction.connection()

    async def _flush(self, session: AsyncSession) -> None:
        with translated():
            await session.flush()

    def _require_own_task(self) -> None:
        if self._task is None:
            raise UnitOfWorkError("enter the unit of work first: async with vault.unit_of_work() as uow")
        if self._left:
            raise UnitOfWorkError("this unit of work has been left; make another one")
        if self._task is not asyncio.current_task():
            _require_loop_of(self._task)
            raise UnitOfWorkError("this unit of work belongs to another task; give each task its own")

    async def _end(self, *, commit: bool) -> None:
        with translated():
            await self._transaction.end(self._session, commit=commit)


def _require_loop_of(task: asyncio.Task[Any]) -> None:
    if task.get_loop() is not asyncio.get_running_loop():
        raise UnitOfWorkError("this unit of work was entered on another event loop; use a vault and one of this loop's")


class _Channel:
    """The transaction as repositories have it: for the unit of work's own task, after what its session has to send."""

    def __init__(self, transaction: Transaction, prepare: Callable[[], Awaitable[None] | None]) -> None:
        self._transaction = transaction
        self._prepare = prepare

    async def connection(self) -> AsyncConnection:
        if (flushing := self._prepare()) is not None:
            await flushing
        return await self._transaction.connection()

    async def send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        if (flushing := self._prepare()) is not None:
            await flushing
        return await self._transaction.send(sql, values)

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        if (flushing := self._prepare()) is not None:
            await flushing
        return await self._transaction.send_rows(sql, rows)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        if (flushing := self._prepare()) is not None:
            await flushing
        async with self._transaction.savepoint():
            yield
