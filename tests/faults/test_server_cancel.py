"""Tasks that are cancelled at random points on a PostgreSQL server, also while COMMIT waits for a standby."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from journal_databases import journal_database_on
from journal_server import new_journal, runtime_url
from outcomes import Outcomes, require_full_pools
from servers import own_cluster
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from journal_databases import JournalDatabase
    from servers import Cluster

pytestmark = pytest.mark.asyncio

TASKS = 5
"""Tasks of one vault that are cancelled at the same time."""

JOURNALS = 25
"""Journals whose writers wait for the standby at the same time."""

BUSY_S = 1.5

RETURNS = "returns"
"""Beginning of the names of what is written while the standby comes back in time."""

TIMES = [50, pytest.param(1_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]


@pytest.fixture
def url() -> str:
    """The URL of a database with the schema."""
    return runtime_url()


@pytest.fixture
def replicated() -> Iterator[tuple[JournalDatabase, Cluster]]:
    """A database on a server of its own, and the standby that its commits wait for."""
    with own_cluster() as cluster, journal_database_on(cluster) as made, cluster.standby() as standby:
        yield made, standby


async def cancel_after(delay_s: float, work: Coroutine[None, None, None]) -> bool:
    """Run a task, cancel it after a time, and return whether it was cancelled."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=delay_s)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return task.cancelled()


@pytest.mark.parametrize("times", TIMES)
async def test_cancelled_tasks_have_true_outcomes(url: str, times: int, tell: Callable[[str], None]) -> None:
    """None is unknown, and the connection serves the next task."""
    chance, outcomes, cancelled = random.Random(times), Outcomes(), 0
    async with Vault.connect(url, journal=new_journal(), encryption="server") as vault:
        number = 0
        while cancelled < times:
            works = []
            for _ in range(TASKS):
                number += 1
                work = outcomes.write(vault, f"{number}", through_session=bool(number % 3 == 0))
                works.append(cancel_after(chance.uniform(0, 0.004 * TASKS), work))
            cancelled += sum(await asyncio.gather(*works))
        await require_full_pools(vault)
        found = await outcomes.check(vault)
    tell(f"{cancelled} of {number} cancelled, outcomes {dict(found)}")
    assert found["committed"]
    assert not found["unknown"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP is POSIX's")
@pytest.mark.parametrize("times", TIMES)
async def test_cancelled_commits_that_wait_for_a_standby_have_true_outcomes(
    replicated: tuple[JournalDatabase, Cluster], times: int, tell: Callable[[str], None]
) -> None:
    """The standby stands still, or comes back in time; only while it stands still may an outcome be unknown."""
    database, standby = replicated
    chance, cancelled, rounds, found = random.Random(times), 0, 0, Counter[str]()
    ledgers = [Outcomes() for _ in range(JOURNALS)]
    async with AsyncExitStack() as stack:
        vaults = [
            await stack.enter_async_context(
                Vault.connect(database.url, journal=f"j{number}", encryption="server", busy_timeout_s=BUSY_S)
            )
            for number in range(JOURNALS)
        ]
        while cancelled < times:
            rounds += 1
            returns = rounds % 2 == 1
            await asyncio.to_thread(standby.receive, wanted=False)
            name = f"{RETURNS if returns else ''}{rounds}"
            running = asyncio.gather(
                *(
                    cancel_after(chance.uniform(0, BUSY_S / 2), ledger.write(vault, name))
                    for vault, ledger in zip(vaults, ledgers, strict=True)
                )
            )
            if returns:
                await asyncio.sleep(chance.uniform(BUSY_S / 5, BUSY_S / 3))
                await asyncio.to_thread(standby.receive, wanted=True)
            cancelled += sum(await running)
            await asyncio.to_thread(standby.receive, wanted=True)
        for vault, ledger in zip(vaults, ledgers, strict=True):
            await require_full_pools(vault)
            found += await ledger.check(vault)
            assert not [name for name in ledger.unknown if name.startswith(RETURNS)]
    tell(f"{cancelled} of {rounds * JOURNALS} cancelled, outcomes {dict(found)}")
    assert found["committed"]
    assert found["unknown"]
