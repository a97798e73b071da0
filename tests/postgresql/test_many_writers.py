"""Writers of several processes in one journal lose no update, and journals do not wait for each other."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from factories import make_account
from journal_databases import journal_database_on
from journal_server import new_journal, runtime_url
from workers.increment import JOURNAL
from workers.launch import read_line, say, started
from zorivest_async import Vault, VaultBusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journal_databases import JournalDatabase
    from servers import Cluster

PROCESSES, TASKS = 4, 8

LONGEST_WAIT_S = 20.0
"""Below the busy timeout, of 30 seconds, so that it is the order of the writers that keeps waits short."""


@pytest.fixture
def database(postgresql_server: Cluster) -> Iterator[JournalDatabase]:
    """A database with an empty journal."""
    with journal_database_on(postgresql_server) as made:
        made.sql(f"SELECT zorivest_open_journal('{JOURNAL}', true)")
        yield made


async def count(url: str) -> int:
    """Return what the processes left."""
    async with Vault.connect(url, journal=JOURNAL, encryption="server") as vault, vault.unit_of_work() as uow:
        return int(await uow.settings.get("counter"))


@pytest.mark.parametrize("increments", [5, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_increments_of_several_processes_are_exact(
    database: JournalDatabase, increments: int, tell: Callable[[str], None]
) -> None:
    """A unit of work reads and writes back; no busy error escapes, and nothing is run again."""
    with ExitStack() as stack:
        running = [stack.enter_context(started("increment", database.url, TASKS, increments)) for _ in range(PROCESSES)]
        assert [read_line(process) for process in running] == ["ready"] * PROCESSES
        begun = time.monotonic()
        for process in running:
            say(process)
        ended = [process.communicate(timeout=600) for process in running]
        took_s = time.monotonic() - begun
    assert [errors for _, errors in ended] == [""] * PROCESSES
    assert asyncio.run(count(database.url)) == PROCESSES * TASKS * increments
    longest_s = max(float(printed) for printed, _ in ended)
    tell(f"{PROCESSES} x {TASKS} x {increments} increments in {took_s:.2f} s, longest wait {longest_s:.2f} s")
    assert longest_s < LONGEST_WAIT_S


@pytest.fixture
def url() -> str:
    """The URL of a database with the schema."""
    return runtime_url()


@pytest.mark.asyncio
@pytest.mark.parametrize("times", [25, pytest.param(500, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_what_two_writers_have_read_is_still_so_when_they_write(url: str, times: int) -> None:
    """Each takes from its own account only while both together have enough: no write skew."""
    journal = new_journal()

    async def take(vault: Vault, own: str) -> None:
        async with vault.unit_of_work() as uow:
            left = await uow.settings.get("a"), await uow.settings.get("b")
            await asyncio.sleep(0)
            if sum(left) > 1:
                await uow.settings.set(own, 0)
                await uow.commit()

    async with (
        Vault.connect(url, journal=journal, encryption="server") as first,
        Vault.connect(url, journal=journal, encryption="server") as second,
    ):
        for _ in range(times):
            async with first.unit_of_work() as uow:
                await uow.settings.set("a", 1)
                await uow.settings.set("b", 1)
                await uow.commit()
            await asyncio.gather(take(first, "a"), take(second, "b"))
            async with second.unit_of_work(read_only=True) as uow:
                assert await uow.settings.get("a") + await uow.settings.get("b") == 1


@pytest.mark.asyncio
async def test_journals_do_not_wait_for_each_other(url: str) -> None:
    """While one is written, another one is, too; only the same one is busy."""
    journal = new_journal()
    async with (
        Vault.connect(url, journal=journal, encryption="server") as vault,
        Vault.connect(url, journal=journal, encryption="server", busy_timeout_s=0.2) as same,
        Vault.connect(url, journal=new_journal(), encryption="server", busy_timeout_s=0.2) as other,
        vault.unit_of_work() as writing,
    ):
        await writing.accounts.save(make_account("U1"))
        for _ in range(20):
            async with other.unit_of_work() as uow:
                await uow.accounts.save(make_account("U1"))
                await uow.accounts.delete("U1")
                await uow.commit()
        async with same.unit_of_work() as uow:
            with pytest.raises(VaultBusyError):
                await uow.accounts.save(make_account("U2"))
        async with same.unit_of_work(read_only=True) as uow:
            assert not await uow.accounts.exists("U1")
        await writing.commit()
        async with same.unit_of_work() as uow:
            await uow.accounts.save(make_account("U2"))
            await uow.commit()
