"""The unit of work: one transaction, its repositories, and its outcome."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from zorivest_async._opening import require_asyncio
from zorivest_async.database.error_mapping import translated, translation_of
from zorivest_async.database.lent import JoinedSession
from zorivest_async.database.repositories import (
    SqlAlchemyAccountRepository,
    SqlAlchemyBalanceSnapshotRepository,
    SqlAlchemyImageRepository,
    SqlAlchemyImportRepository,
    SqlAlchemyMarketProviderSettingRepository,
    SqlAlchemyRowRepository,
    SqlAlchemySearchRepository,
    SqlAlchemySettingRepository,
    SqlAlchemyTradePlanRepository,
    SqlAlchemyTradeReportRepository,
    SqlAlchemyTradeRepository,
    SqlAlchemyWatchlistRepository,
)
from zorivest_async.database.transaction import Outcome, Transaction
from zorivest_async.errors import UnitOfWorkError, VaultForkedError
from zorivest_async.images import ImageOffload, ImagePolicy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
    from types import TracebackType

    from zorivest_async.database.backend import Backend, StatementResult
    from zorivest_async.database.queueing import TurnQueue
    from zorivest_async.security import ApiKeyCipher

__all__ = ["Outcome", "SqlAlchemyUnitOfWork"]

ANOTHER_TASKS: Final = (
    "this unit of work belongs to another task; give each task its own. asyncio.shield(), asyncio.gather(), "
    "asyncio.create_task() and, before Python 3.12, asyncio.wait_for() run a coroutine in a new task: "
    "limit a call's time with 'async with asyncio.timeout(...)'; commit() and rollback() need no shield, as they "
    "finish when their task is cancelled"
)
"""Message if another task uses it than the one that entered it."""


class SqlAlchemyUnitOfWork:
    """A transaction and its repositories.

    Leaving the block rolls back unless :meth:`commit` was awaited. The first statement borrows a connection and begins
    the transaction, after waiting for its turn if it writes; committing, rolling back and leaving give both back. A
    block that sends nothing costs nothing. After a commit the same unit of work can be used again, in a new
    transaction.

    It belongs to the task that entered it. Another task's statements would become part of its transaction, so they
    raise :class:`~zorivest_async.UnitOfWorkError`. Cancelling a statement interrupts it; committing, rolling back and
    leaving finish first, and :attr:`outcome` then says what happened.

    Args:
        engine: Any engine whose database has the schema; ``vault.unit_of_work()`` passes a vault's.
        api_key_cipher: Encrypts provider API keys; without it they are not stored.
        images: Decodes images; the default is a new one.
        turns: The queue for the engine; by default, its pool decides.
        check_usable: Called on entering; raises an error if the engine must not be used.

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
        self._channel = _Channel(self._transaction)
        self._engine = engine
        self._api_key_cipher = api_key_cipher
        self._image_offload = images if images is not None else ImageOffload(ImagePolicy())
        self._check_usable = check_usable

    @property
    def outcome(self) -> Outcome:
        """The outcome of the last transaction, one of ``"open"``, ``"committed"``, ``"rolled_back"`` and ``"unknown"``.

        It is ``"unknown"`` if the disk failed during the commit, the file was moved or replaced, or a statement that
        bypassed the unit of work (a ``COMMIT`` of the driver) ended the transaction; and while a commit is under way.
        """
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
        """Balances of accounts over time."""
        return SqlAlchemyBalanceSnapshotRepository(self._channel)

    @property
    def trade_reports(self) -> SqlAlchemyTradeReportRepository:
        """Reviews of trades."""
        return SqlAlchemyTradeReportRepository(self._channel)

    @property
    def trade_plans(self) -> SqlAlchemyTradePlanRepository:
        """Plans of trades."""
        return SqlAlchemyTradePlanRepository(self._channel)

    @property
    def watchlists(self) -> SqlAlchemyWatchlistRepository:
        """Named lists of tickers."""
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
    def imports(self) -> SqlAlchemyImportRepository:
        """Imports of executions, and their undoing."""
        return SqlAlchemyImportRepository(self._channel)

    @property
    def search(self) -> SqlAlchemySearchRepository:
        """Full-text search."""
        return SqlAlchemySearchRepository(self._channel)

    @property
    def rows(self) -> SqlAlchemyRowRepository:
        """All rows of each table, unchanged."""
        return SqlAlchemyRowRepository(self._channel)

    @property
    def session(self) -> AsyncSession:
        """An ``AsyncSession`` on the same transaction, for ORM queries over the declared models.

        Its changes are flushed before the next statement of a repository and by :meth:`commit`. If the database refuses
        a flush, only the flush is undone. Only the unit of work ends the transaction; the session then forgets its
        objects, and can be used again. ``session.commit()`` only flushes. After ``session.rollback()`` the unit of work
        refuses further statements and commits until :meth:`rollback`.

        Raises:
            UnitOfWorkError: Outside the block, or in another task.
        """
        channel = self._channel
        channel.require_own_task()
        if channel.session is None:
            channel.session = AsyncSession(
                self._engine,
                sync_session_class=JoinedSession,
                open_connection=channel.connection_of_session,
                expire_on_commit=False,
                join_transaction_mode="rollback_only",
            )
        return channel.session

    async def __aenter__(self) -> Self:
        transaction = self._transaction
        if transaction.task is not None:
            raise UnitOfWorkError("a unit of work can only be entered once; create another one")
        try:
            transaction.loop = loop = asyncio.get_running_loop()
        except RuntimeError:
            require_asyncio()
            raise
        if self._check_usable is not None:
            self._check_usable()
        transaction.task, transaction.thread = asyncio.current_task(loop), get_ident()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._channel.process.left_behind:
            if exc is None:
                raise VaultForkedError
            return  # so that the block's own exception is raised
        channel, transaction = self._channel, self._transaction
        task = transaction.task
        if task is not asyncio.current_task(transaction.loop) or transaction.thread != get_ident():
            _require_loop_of(task)
        channel.left = True
        if channel.session is not None or not transaction.end_at_once():
            await self._roll_back()

    async def commit(self) -> None:
        """Commit all changes since the block began, or since the last commit: all of them or none.

        With ``durability="full"`` it returns when the commit is synced to the disk. The connection is given back when
        the commit is written, so that commits of several tasks share a sync. It finishes even when its task is
        cancelled, and raises ``CancelledError`` afterwards; :attr:`outcome` says whether it did commit.

        Raises:
            UnitOfWorkError: It is called outside the block, or in another task.
            RepositoryError: The transaction has lost something: a statement was cancelled, or the session or the
                connection was rolled back; everything was rolled back. Or a change of the session cannot be stored;
                then the transaction is still open, without that change.
            VaultFullError: The disk is full; everything was rolled back.
            VaultError: The vault could not be written; everything was rolled back.
            VaultUnreachableError: The connection to the server was lost before the commit; everything was rolled back.
            CommitOutcomeUnknownError: The disk failed during the commit, or during a sync that it shared, or no server
                told within the busy timeout whether it is stored, or a statement of the driver has ended the
                transaction; :attr:`outcome` is ``"unknown"``.
            VaultReplacedError: The file was moved, deleted or replaced during the transaction, which is in the file
                that was moved away; :attr:`outcome` is ``"unknown"``.
            VaultForkedError: The unit of work was created before the process forked.
        """
        channel = self._channel
        channel.require_own_task()
        if channel.session is not None and (flushing := channel.prepare()) is not None:
            await flushing
        try:
            await self._transaction.end(channel.session, commit=True)
        except channel.backend.errors as error:
            raise translation_of(channel.backend, error) from error

    async def rollback(self) -> None:
        """Undo all changes since the block began, or since the last commit; finishes even when its task is cancelled.

        Raises:
            UnitOfWorkError: It is called outside the block, or in another task.
        """
        self._channel.require_own_task()
        await self._roll_back()

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo only the statements of the block if it raises an exception: ``async with uow.savepoint()``.

        Blocks may be nested. Changes of a finished block are permanent only after :meth:`commit`. Cancelling a
        statement loses the whole transaction, not only the block.

        Raises:
            UnitOfWorkError: It is called outside the unit of work's block, or in another task.
        """
        await self.connection()  # from now on all statements go through SQLAlchemy, including the session's
        session = self._channel.session
        with translated(self._transaction.backend):
            if session is None:
                async with self._transaction.savepoint():
                    try:
                        yield
                        await self.connection()
                    except BaseException:
                        if self._channel.session is not None:
                            self._channel.session.expunge_all()  # the changes that were flushed in the block are undone
                        raise
                return
            savepoint = await session.begin_nested()
            try:
                yield
                await self.connection()
                await savepoint.commit()
            except BaseException:
                if self._transaction.kept:
                    await savepoint.rollback()
                session.expire_all()  # repositories may have changed its objects
                raise

    async def connection(self) -> AsyncConnection:
        """Return the connection of the transaction, after beginning one if none is open, for your own SQL.

        It ends with the transaction, and so do the results that it streams. Only the unit of work ends the transaction:
        the connection's ``commit()`` is refused, its ``close()`` does nothing, and after its ``rollback()`` the unit of
        work refuses further statements and commits until :meth:`rollback`.

        Raises:
            UnitOfWorkError: It is called outside the block, in another task, or while this task writes in another unit
                of work.
            VaultBusyError: Another writer held the vault for the whole busy timeout.
        """
        with translated(self._transaction.backend):
            return await self._channel.connection()

    async def _roll_back(self) -> None:
        with translated(self._transaction.backend):
            await self._transaction.end(self._channel.session, commit=False)


def _require_loop_of(task: asyncio.Task[Any] | None) -> None:
    if task is not None and task.get_loop() is not asyncio.get_running_loop():
        raise UnitOfWorkError("this unit of work was entered on another event loop; open a vault on this loop")


class _Channel:
    """The channel of a unit of work's repositories, which checks the task and flushes the session first.

    It has no reference to the unit of work. Therefore a forgotten unit of work is freed at once, and gives back its
    connection.
    """

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.left = False
        self.session: AsyncSession | None = None
        self.backend = transaction.backend
        self.process = transaction.process

    def require_own_task(self) -> None:
        if self.process.left_behind:
            raise VaultForkedError
        task = self._transaction.task
        if task is None:
            raise UnitOfWorkError("enter the unit of work first: async with vault.unit_of_work() as uow")
        if self.left:
            raise UnitOfWorkError("this unit of work has been left; create another one")
        if task is not asyncio.current_task():
            _require_loop_of(task)
            raise UnitOfWorkError(ANOTHER_TASKS)

    def prepare(self) -> Awaitable[None] | None:
        """Check the task, and return the flush of the session's changes to await before a statement, if any."""
        self.require_own_task()
        session = self.session
        if session is not None and (session.new or session.dirty or session.deleted):
            return _flush(session, self.backend)
        return None

    @property
    def is_idle(self) -> bool:
        return self._transaction.is_idle

    @asynccontextmanager
    async def whole(self) -> AsyncGenerator[None]:
        if self.session is not None or not self._transaction.is_idle:
            async with self.savepoint():
                yield
            return
        self.require_own_task()
        try:
            yield
        except BaseException:
            await self._transaction.end(self.session, commit=False)
            raise

    def keep_turn(self) -> None:
        self._transaction.keep_turn()

    async def connection_of_session(self) -> AsyncConnection:
        # Without this check, a session that is used after the block would begin a transaction that nothing ends.
        self.require_own_task()
        return await self._transaction.connection()

    async def connection(self) -> AsyncConnection:
        if (flushing := self.prepare()) is not None:
            await flushing
        return await self._transaction.connection()

    def send(self, sql: str, values: Sequence[Any]) -> Awaitable[StatementResult]:
        transaction = self._transaction
        # Before Python 3.12, asyncio needs a system call to look up the running loop, but not for a given loop's task.
        is_own = transaction.task is asyncio.current_task(transaction.loop) and transaction.thread == get_ident()
        if self.process.left_behind or self.left or not is_own:
            self.require_own_task()
        if self.session is None and (channel := transaction.at_once()) is not None:
            return channel.send(sql, values)
        return self._send(sql, values)

    async def _send(self, sql: str, values: Sequence[Any]) -> StatementResult:
        if (flushing := self.prepare()) is not None:
            await flushing
        return await self._transaction.send(sql, values)

    async def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        if (flushing := self.prepare()) is not None:
            await flushing
        return await self._transaction.send_rows(sql, rows)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        if (flushing := self.prepare()) is not None:
            await flushing
        async with self._transaction.savepoint():
            yield


async def _flush(session: AsyncSession, backend: Backend) -> None:
    with translated(backend):
        await session.flush()
