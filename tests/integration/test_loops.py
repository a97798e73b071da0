"""A vault belongs to the event loop that opened it: on another one it says so at once, and nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from conftest import PASSPHRASE
from factories import make_account, make_png, make_trade
from zorivest_async import ImageOwnerType, KdfProfile, SqlAlchemyUnitOfWork, UnitOfWorkError, Vault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

OTHER_LOOP = "another event loop"


def open_vault(path: Path) -> Coroutine[Any, Any, Vault]:
    """Open the vault of a test as a coroutine, which ``asyncio.run`` takes."""

    async def opening() -> Vault:
        return await Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)

    return opening()


async def fill(vault: Vault) -> None:
    """Commit an account and a trade, with connections of both engines left in their pools."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.trades.exists("0001")


async def enter(vault: Vault, *, read_only: bool = False) -> None:
    """Enter a unit of work."""
    async with vault.unit_of_work(read_only=read_only) as uow:
        await uow.accounts.count_all()


async def elsewhere(work: Callable[[], Awaitable[object]]) -> None:
    """Run something on an event loop of another thread, and see it refused."""

    async def use() -> None:
        with pytest.raises(UnitOfWorkError, match=OTHER_LOOP):
            await asyncio.wait_for(work(), 10)

    await asyncio.to_thread(asyncio.run, use())


USES: dict[str, Callable[[Vault, Path], Coroutine[Any, Any, Any]]] = {
    "a thumbnail": lambda vault, _: vault.thumbnail(1),
    "a unit of work": lambda vault, _: enter(vault),
    "a read-only unit of work": lambda vault, _: enter(vault, read_only=True),
    "backup": lambda vault, folder: vault.backup(folder / "copy.vault"),
    "rekey": lambda vault, _: vault.rekey("another", profile=KdfProfile.CHEAPEST),
    "verify": lambda vault, _: vault.verify(),
}
"""What a vault does on the event loop that opened it."""

WORK: dict[str, Callable[[SqlAlchemyUnitOfWork], Coroutine[Any, Any, Any]]] = {
    "commit": lambda uow: uow.commit(),
    "rollback": lambda uow: uow.rollback(),
    "leaving": lambda uow: uow.__aexit__(None, None, None),
    "connection": lambda uow: uow.connection(),
    "saving": lambda uow: uow.trades.save(make_trade("0002")),
    "saving many": lambda uow: uow.trades.save_many([make_trade("0002"), make_trade("0003")]),
    "listing": lambda uow: uow.trades.list_all(),
    "streaming": lambda uow: anext(uow.trades.stream()),
    "reading a setting": lambda uow: uow.settings.get("absent"),
}
"""What a unit of work does in the task that entered it."""


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_vault_whose_loop_has_ended_says_so(
    vault_path: Path, tmp_path: Path, use: Callable[[Vault, Path], Coroutine[Any, Any, Any]]
) -> None:
    """In a second asyncio.run each use is refused at once, and closing the vault still works and leaves no lock."""
    vault = asyncio.run(open_vault(vault_path))

    async def go_on() -> None:
        with pytest.raises(UnitOfWorkError, match=OTHER_LOOP):
            await use(vault, tmp_path)
        await vault.aclose()
        async with Vault.open(vault_path, passphrase=PASSPHRASE, create=False) as again:
            await again.rekey("nobody else has it open", profile=KdfProfile.CHEAPEST)

    asyncio.run(go_on())
    assert not (tmp_path / "copy.vault").exists()


@pytest.mark.parametrize("in_memory", [False, True], ids=["file", "memory"])
def test_a_vault_is_closed_after_its_loop(vault_path: Path, *, in_memory: bool) -> None:
    """Its idle connections are closed with it, their threads end, and nothing is said."""

    async def open_and_fill() -> Vault:
        vault = await (Vault.in_memory() if in_memory else open_vault(vault_path))
        await fill(vault)
        async with vault.unit_of_work() as uow:
            await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
            await uow.commit()
        return vault

    vault = asyncio.run(open_and_fill())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(vault.aclose())
        asyncio.run(vault.aclose())
        del vault
        gc.collect()
    assert [str(warning.message) for warning in said] == []


def test_a_forgotten_vault_is_told_of_once(vault_path: Path) -> None:
    """Its loop has ended without aclose: that is what the warning is for, and what was committed is there."""

    async def open_and_fill() -> Vault:
        vault = await open_vault(vault_path)
        await fill(vault)
        return vault

    others = {*threading.enumerate()}
    vault = asyncio.run(open_and_fill())
    with pytest.raises(UnitOfWorkError, match=OTHER_LOOP):
        asyncio.run(enter(vault))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        del vault
        while {*threading.enumerate()} - others:  # one may not yet have let go of what it did last
            gc.collect()
    assert sum("vault" in str(warning.message) for warning in said) == 1
    assert {warning.category for warning in said} == {ResourceWarning}

    async def read() -> bool:
        async with Vault.open(vault_path, passphrase=PASSPHRASE, create=False) as again, again.unit_of_work() as uow:
            return await uow.trades.exists("0001")

    assert asyncio.run(read())


def test_a_loop_that_ends_rolls_back(vault_path: Path) -> None:
    """asyncio.run cancels what is left: an open unit of work gives its transaction up, and the file is free."""
    left: list[SqlAlchemyUnitOfWork] = []
    tasks: list[asyncio.Task[None]] = []

    async def write_on(vault: Vault, written: asyncio.Event) -> None:
        async with vault.unit_of_work() as uow:
            left.append(uow)
            await uow.accounts.save(make_account("lost"))
            written.set()
            await asyncio.Event().wait()

    async def open_and_go() -> Vault:
        vault = await open_vault(vault_path)
        written = asyncio.Event()
        tasks.append(asyncio.create_task(write_on(vault, written)))
        await written.wait()
        return vault

    vault = asyncio.run(open_and_go())
    assert tasks[0].cancelled()
    assert left[0].outcome == "rolled_back"

    async def go_on() -> int:
        async with Vault.open(vault_path, passphrase=PASSPHRASE, create=False, busy_timeout_s=1) as again:
            await fill(again)
            await vault.aclose()
            async with again.unit_of_work() as uow:
                return await uow.accounts.count_all()

    assert asyncio.run(go_on()) == 1


def test_image_work_of_an_ended_loop_is_not_waited_for(vault_path: Path) -> None:
    """A loop was closed over its tasks: their thread may go on, and the vault is closed without them."""
    end = threading.Event()

    async def open_and_begin() -> tuple[Vault, asyncio.Task[bool]]:
        vault = await open_vault(vault_path)
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def work() -> bool:
            loop.call_soon_threadsafe(begun.set)
            return end.wait(20)

        task = asyncio.create_task(vault._image_offload.run(work))
        await begun.wait()
        return vault, task

    loop = asyncio.new_event_loop()
    vault, task = loop.run_until_complete(open_and_begin())
    loop.close()
    try:
        asyncio.run(asyncio.wait_for(vault.aclose(), 10))
    finally:
        end.set()
    assert not task.done()


def test_a_loop_that_may_go_on_keeps_its_vault(vault_path: Path) -> None:
    """A loop that only stands still can run again, so nobody else closes its vault; it goes on, and closes it."""
    with asyncio.Runner() as runner:
        vault = runner.run(open_vault(vault_path))
        runner.run(fill(vault))
        with pytest.raises(UnitOfWorkError, match="close it there"):
            asyncio.run(vault.aclose())
        runner.run(enter(vault))
        runner.run(vault.aclose())
        asyncio.run(vault.aclose())  # which does nothing, and is allowed anywhere


@pytest.mark.asyncio
@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_another_threads_loop_is_refused(
    vault: Vault, tmp_path: Path, use: Callable[[Vault, Path], Coroutine[Any, Any, Any]]
) -> None:
    """Also while the vault's own loop writes, and without waiting for that."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await elsewhere(lambda: use(vault, tmp_path))
        await elsewhere(vault.aclose)
        await uow.commit()
    await enter(vault)


@pytest.mark.asyncio
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
async def test_a_unit_of_work_stays_on_its_loop(
    vault: Vault, work: Callable[[SqlAlchemyUnitOfWork], Coroutine[Any, Any, Any]]
) -> None:
    """Nothing of it works on another one, not even its end, and it commits undisturbed where it was entered."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await elsewhere(lambda: work(uow))
        assert uow.outcome == "open"
        await uow.commit()
    async with vault.unit_of_work() as uow:
        assert [trade.exec_id for trade in await uow.trades.list_all()] == ["0001"]


@pytest.mark.asyncio
async def test_images_stay_on_their_loop(vault: Vault) -> None:
    """Their threads are shared by the tasks of one loop; another one's image is refused before it is decoded."""
    await fill(vault)
    async with vault.unit_of_work() as uow:
        first = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
        await elsewhere(lambda: uow.images.attach(ImageOwnerType.TRADE, "0001", b"which nobody gets to look at"))
        await elsewhere(lambda: uow.images.get_thumbnail(first, max_size=50))
        await uow.commit()
    async with vault.unit_of_work() as uow:
        assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, "0001")) == 1
