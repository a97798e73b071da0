"""Many tasks on one vault: writers take turns, readers see snapshots, and misuse is an error rather than a deadlock."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from factories import make_account
from zorivest_async import KdfProfile, ReadOnlyError, UnitOfWorkError, Vault, VaultBusyError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def increment(vault: Vault) -> None:
    """Read a counter and write it back, one larger."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("counter", await uow.settings.get("counter", 0) + 1)
        await uow.commit()


async def test_concurrent_increments_are_exact(vault: Vault) -> None:
    """Two hundred read-modify-write units lose none of their updates."""
    await asyncio.gather(*(increment(vault) for _ in range(200)))
    async with vault.unit_of_work(read_only=True) as uow:
        assert await uow.settings.get("counter") == 200


async def test_two_vaults_on_one_file_lose_no_update(vault: Vault, vault_path: Path) -> None:
    """Writers that do not share a queue, as in two processes, wait for each other's lock."""
    async with Vault.open(vault_path, passphrase="correct horse battery staple") as other:
        await asyncio.gather(*(increment(owner) for owner in (vault, other) for _ in range(50)))
        async with other.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("counter") == 100


async def test_writers_take_turns_in_order_of_arrival(vault: Vault) -> None:
    """The queue is first come, first served."""
    order: list[int] = []

    async def write(number: int) -> None:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("last", number)
            order.append(number)
            await uow.commit()

    await asyncio.gather(*(write(number) for number in range(20)))
    assert order == list(range(20))


async def test_a_reader_neither_waits_for_the_writer_nor_sees_its_work(vault: Vault) -> None:
    """It reads the last committed state, and goes on doing so after a commit."""
    async with vault.unit_of_work() as writer, vault.unit_of_work(read_only=True) as reader:
        await writer.accounts.save(make_account())
        assert await reader.accounts.count_all() == 0
        await writer.commit()
        assert await reader.accounts.count_all() == 0
    async with vault.unit_of_work(read_only=True) as reader:
        assert await reader.accounts.count_all() == 1


async def test_more_readers_than_connections_take_turns(vault: Vault) -> None:
    """Readers beyond the pool wait for a connection."""

    async def read() -> int:
        async with vault.unit_of_work(read_only=True) as uow:
            return await uow.accounts.count_all()

    assert await asyncio.gather(*(read() for _ in range(50))) == [0] * 50


async def test_writing_inside_ones_own_write_is_refused(vault: Vault) -> None:
    """The inner unit of work would wait for the outer one forever; both stay usable."""
    async with vault.unit_of_work() as outer:
        await outer.accounts.save(make_account(account_id="outer"))
        async with vault.unit_of_work() as inner:
            with pytest.raises(UnitOfWorkError, match="already writing"):
                await inner.accounts.count_all()
        await outer.commit()
        async with vault.unit_of_work() as next_one:
            assert await next_one.accounts.exists("outer")


async def test_another_tasks_unit_of_work_is_refused(vault: Vault) -> None:
    """A statement from another task would end up in the wrong transaction."""
    async with vault.unit_of_work() as uow:
        for misuse in (uow.accounts.count_all, uow.commit, uow.rollback, uow.connection):
            with pytest.raises(UnitOfWorkError, match="another task"):
                await asyncio.create_task(misuse())
        assert await uow.accounts.count_all() == 0


async def test_gathering_over_one_unit_of_work_is_refused(vault: Vault) -> None:
    """asyncio.gather() makes tasks, and each needs a unit of work of its own."""
    async with vault.unit_of_work() as uow:
        with pytest.raises(UnitOfWorkError):
            await asyncio.gather(uow.accounts.count_all(), uow.trades.list_all())


async def test_a_writer_gives_up_after_the_busy_timeout(vault_path: Path) -> None:
    """Within one vault and between two, the error is the same."""
    options = {"passphrase": "x", "profile": KdfProfile.CHEAPEST, "busy_timeout_s": 0.1}
    async with Vault.open(vault_path, **options) as vault, Vault.open(vault_path, **options) as other:  # type: ignore[arg-type]
        held, done = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with vault.unit_of_work() as uow:
                await uow.accounts.save(make_account())
                held.set()
                await done.wait()

        holder = asyncio.create_task(hold())
        await held.wait()
        for waiting in (vault, other):
            async with waiting.unit_of_work() as uow:
                with pytest.raises(VaultBusyError) as caught:
                    await uow.accounts.count_all()
                assert isinstance(caught.value, TimeoutError)
        done.set()
        await holder
        async with other.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            await uow.commit()


async def test_a_read_only_unit_of_work_refuses_writes(vault: Vault) -> None:
    """It says so, and reads on."""
    async with vault.unit_of_work(read_only=True) as uow:
        with pytest.raises(ReadOnlyError):
            await uow.accounts.save(make_account())
        assert await uow.accounts.count_all() == 0


async def test_in_memory_units_of_work_take_turns() -> None:
    """The one connection is shared by readers and writers alike."""
    async with Vault.in_memory() as vault:
        await asyncio.gather(*(increment(vault) for _ in range(20)))
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("counter") == 20
            async with vault.unit_of_work() as inner:
                with pytest.raises(UnitOfWorkError):
                    await inner.settings.get("counter")
