"""``kill -9`` of a PostgreSQL server while eight vaults write in one journal: what was acknowledged is there."""

from __future__ import annotations

import asyncio
import random
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from journal_databases import journal_database_on
from outcomes import Outcomes, require_full_pools
from servers import own_cluster
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journal_databases import JournalDatabase
    from servers import Cluster

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL of a process group is POSIX's"),
]

WRITERS = 8


@pytest.fixture
def database() -> Iterator[JournalDatabase]:
    """A database on a server that only this test uses."""
    with own_cluster() as cluster, journal_database_on(cluster) as made:
        yield made


def crash_and_start(cluster: Cluster) -> None:
    """Kill every process of a server, and start it again, which recovers."""
    cluster.kill()
    cluster.start()


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_a_killed_server_keeps_what_it_acknowledged(
    database: JournalDatabase, kills: int, tell: Callable[[str], None]
) -> None:
    """And every outcome is true; none is unknown, as the server answers again in time."""
    chance = random.Random(kills)
    outcomes = Outcomes()

    async def write(vault: Vault, writer: int) -> None:
        number = 0
        while not stopped.is_set():
            name = f"{writer}-{number}"
            await outcomes.write(vault, name, through_session=writer == 0)
            number += 1
            if name not in outcomes.acknowledged:
                await asyncio.sleep(0.01)  # the server is starting

    async with AsyncExitStack() as stack:
        vaults = [
            await stack.enter_async_context(
                Vault.connect(database.url, journal="j", encryption="server", busy_timeout_s=30.0)
            )
            for _ in range(WRITERS)
        ]
        stopped = asyncio.Event()
        writers = [asyncio.ensure_future(write(vault, number)) for number, vault in enumerate(vaults)]
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.3, 0.8))
            await asyncio.to_thread(crash_and_start, database.cluster)
        await asyncio.sleep(0.3)
        stopped.set()
        await asyncio.gather(*writers)
        found = await outcomes.check(vaults[0])
        for vault in vaults:
            await require_full_pools(vault)
    tell(f"{kills} kills, {len(outcomes.acknowledged)} acknowledged, 0 missing, outcomes {dict(found)}")
    assert len(outcomes.acknowledged) > kills * WRITERS
    assert not found["unknown"]
