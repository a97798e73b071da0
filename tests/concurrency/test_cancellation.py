"""Cancelling: a statement is interrupted, what must finish finishes, and nothing is left checked out or running."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import anyio
import pytest
from sqlalchemy import text

from factories import make_account, make_png, make_trade
from files import names_in
from zorivest_async import ImageOwnerType, RepositoryError, Vault
from zorivest_async.database.sqlcipher import blob
from zorivest_async.database.sqlcipher.answer import Answer
from zorivest_async.database.sqlcipher.driver import CipherConnection
from zorivest_async.database.statements import Statement

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zorivest_async import SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio

Way: TypeAlias = Literal["repository", "SQLAlchemy"]
"""How a statement reaches the driver."""

ENDLESS = text("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r")
PROMPT_S = 0.5
"""A cancelled statement returns within this time."""


async def run_endless_statement(vault: Vault, started: asyncio.Event, way: Way = "repository") -> None:
    """Hold the write lock in a statement that never ends."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(account_id="unseen"))
        started.set()
        await send_endless_statement(uow, way)


async def send_endless_statement(uow: SqlAlchemyUnitOfWork, way: Way) -> None:
    """Send a statement that never ends."""
    if way == "repository":
        await uow.accounts._execute(Statement(ENDLESS))
    else:
        await (await uow.connection()).execute(ENDLESS)


async def assert_untouched_and_writable(vault: Vault) -> None:
    """The lock is free, nothing is checked out, and the cancelled work is not there."""
    async with asyncio.timeout(1):
        async with vault.unit_of_work() as uow:
            assert not await uow.accounts.exists("unseen")
            await uow.accounts.save(make_account(account_id="seen"))
            await uow.commit()
    assert vault.engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the queue pool


@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_native_cancellation_interrupts_the_statement(vault: Vault, cancellations: int, way: Way) -> None:
    """task.cancel(), once or insisting, ends the statement at once and frees the lock."""
    started = asyncio.Event()
    task = asyncio.create_task(run_endless_statement(vault, started, way))
    await started.wait()
    for _ in range(cancellations):
        await asyncio.sleep(0.01)
        task.cancel()
    async with asyncio.timeout(PROMPT_S):
        await asyncio.wait({task})
    assert task.cancelled()
    await assert_untouched_and_writable(vault)


@pytest.mark.parametrize("way", get_args(Way))
async def test_a_timeout_interrupts_the_statement(vault: Vault, way: Way) -> None:
    """asyncio.timeout() turns into TimeoutError, not into a lost cancellation."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await run_endless_statement(vault, asyncio.Event(), way)
    await assert_untouched_and_writable(vault)


@pytest.mark.parametrize("way", get_args(Way))
async def test_an_anyio_cancel_scope_interrupts_the_statement(vault: Vault, way: Way) -> None:
    """Level cancellation, which strikes at every await, ends the statement and frees the lock too."""
    with anyio.move_on_after(0.05) as scope:
        await run_endless_statement(vault, asyncio.Event(), way)
    assert scope.cancelled_caught
    await assert_untouched_and_writable(vault)


async def test_a_commit_finishes_though_its_task_is_cancelled(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome tells what the file holds, whenever the cancellation strikes."""
    committing, proceed = asyncio.Event(), threading.Event()
    original = CipherConnection.hand_over

    def finish_slowly(self: CipherConnection, function: Callable[[], object], *more: Any) -> object:
        def wait_and_finish() -> object:
            loop.call_soon_threadsafe(committing.set)
            proceed.wait(5)
            return function()

        return original(self, wait_and_finish, *more)

    loop = asyncio.get_running_loop()
    outcomes: list[str] = []

    async def save_and_commit() -> None:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(account_id="seen"))
            monkeypatch.setattr(CipherConnection, "hand_over", finish_slowly)
            try:
                await uow.commit()
            finally:
                outcomes.append(uow.outcome)

    task = asyncio.create_task(save_and_commit())
    await committing.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    proceed.set()
    await asyncio.wait({task})
    monkeypatch.undo()
    assert task.cancelled()
    assert outcomes == ["committed"]
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.accounts.exists("seen")


async def test_a_statement_that_was_cancelled_before_it_began_is_lost(vault_path: Path) -> None:
    """It waited for another program's writer; what the caller caught would otherwise be missing from a commit."""
    async with (
        Vault.open(vault_path, key=bytes(32)) as vault,
        Vault.open(vault_path, key=bytes(32)) as other,
        other.unit_of_work() as writing,
        vault.unit_of_work() as uow,
    ):
        await writing.settings.set("other", value=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await uow.settings.set("unseen", value=True)
        with pytest.raises(RepositoryError, match="cancelled"):
            await uow.commit()
        assert uow.outcome == "rolled_back"
        await writing.rollback()
        await uow.settings.set("seen", value=True)
        await uow.commit()


async def test_a_statement_whose_task_is_cancelled_as_the_answer_comes_is_lost(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is there, but the task never takes it."""
    task = asyncio.current_task()
    assert task is not None
    settle = Answer.settle

    def settle_and_cancel(self: Answer[object], result: object, error: BaseException | None) -> None:
        settle(self, result, error)
        task.cancel()

    async with vault.unit_of_work() as uow:
        await uow.settings.set("unseen", value=True)
        monkeypatch.setattr(Answer, "settle", settle_and_cancel)
        with pytest.raises(asyncio.CancelledError):
            await uow.settings.set("unseen", value=False)
        monkeypatch.undo()
        task.uncancel()
        with pytest.raises(RepositoryError, match="cancelled"):
            await uow.commit()
        assert uow.outcome == "rolled_back"


async def test_a_waiting_writer_that_is_cancelled_leaves_the_queue(vault: Vault) -> None:
    """The next in line gets its turn as if the cancelled one had never waited."""
    order: list[str] = []

    async def write(name: str) -> None:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account(account_id=name))
            order.append(name)
            await uow.commit()

    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(account_id="first"))
        waiting = [asyncio.create_task(write(name)) for name in ("second", "third", "fourth")]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        await asyncio.wait({waiting[0]})
        await uow.commit()
    await asyncio.wait(waiting)
    assert order == ["third", "fourth"]


@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("end", ["rollback", "commit"])
async def test_after_a_cancelled_statement_the_end_makes_the_unit_of_work_usable(
    vault: Vault, end: str, way: Way
) -> None:
    """The statement's transaction is lost, which every use before that says, committing among them."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(account_id="lost"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await send_endless_statement(uow, way)
        with pytest.raises(RepositoryError, match=r"cancelled .* roll back"):
            await uow.accounts.count_all()
        with pytest.raises(RepositoryError, match=r"cancelled .* roll back"):
            await uow.trades.save_many([])
        with pytest.raises(RepositoryError, match=r"cancelled .* roll back"):
            await uow.connection()
        if end == "commit":
            with pytest.raises(RepositoryError, match=r"cancelled .* roll back"):
                await uow.commit()
        else:
            await uow.rollback()
        assert uow.outcome == "rolled_back"
        await uow.accounts.save(make_account(account_id="kept"))
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert [account.account_id for account in await uow.accounts.list_all()] == ["kept"]


@pytest.mark.parametrize("way", get_args(Way))
async def test_cancellations_leave_no_threads_behind(vault: Vault, way: Way) -> None:
    """A connection that is discarded takes its thread with it."""
    await assert_untouched_and_writable(vault)
    before = threading.active_count()
    for _ in range(20):
        with anyio.move_on_after(0.005):
            async with vault.unit_of_work() as uow:
                await send_endless_statement(uow, way)
    async with asyncio.timeout(5):
        while threading.active_count() > before:  # noqa: ASYNC110 - threads set no asyncio.Event
            await asyncio.sleep(0.01)


async def test_a_stream_that_is_given_up_with_its_unit_of_work_reports_nothing(
    vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement of the same unit of work is cancelled while the stream is open, and nobody closes that."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        image_id = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(300, 200))
        await uow.commit()
    started, reported = asyncio.Event(), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))

    async def watch() -> None:
        async with vault.unit_of_work(read_only=True) as uow:
            await anext(uow.images.stream(image_id, 100))
            started.set()
            await send_endless_statement(uow, "SQLAlchemy")

    task = asyncio.create_task(watch())
    await started.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert (reported, caplog.records) == ([], [])


async def test_a_stream_that_is_cancelled_as_it_opens_rolls_back(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A BLOB that nobody got would keep the interrupt for the ROLLBACK, which then fails in the log."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        image_id = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
        await uow.commit()
    on_thread = blob._on_thread

    async def cancelled_once_done(connection: Any, driver: Any, function: Callable[[], Any]) -> Any:
        task, done = asyncio.current_task(), threading.Event()
        assert task is not None

        def run() -> Any:
            result = function()
            done.set()
            return result

        def cancel() -> None:
            while not done.is_set():  # the event loop hears of the result only after this
                pass
            task.cancel()

        asyncio.get_running_loop().call_soon(cancel)
        return await on_thread(connection, driver, run)

    async def stream() -> None:
        async with vault.unit_of_work(read_only=True) as uow, aclosing(uow.images.stream(image_id)) as chunks:
            await anext(chunks)

    monkeypatch.setattr(blob, "_on_thread", cancelled_once_done)
    for _ in range(20):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(stream())
    assert caplog.records == []


async def test_a_connection_that_was_interrupted_writes_the_wal_back_when_it_is_closed(vault_path: Path) -> None:
    """An open stream keeps the interrupt in force, under which SQLite would leave the WAL beside the file."""
    async with Vault.open(vault_path, key=bytes(32)) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await uow.trades.save(make_trade("0001"))
            image_id = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
            await uow.commit()
        async with vault.unit_of_work() as uow, aclosing(uow.images.stream(image_id, 10)) as chunks:
            await anext(chunks)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await send_endless_statement(uow, "SQLAlchemy")
    assert await names_in(vault_path.parent) == [vault_path.name]
