"""Connections to a PostgreSQL server that are lost around a COMMIT: every outcome is what is stored."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from journal_server import new_journal, runtime_url, superuser_url
from outcomes import Outcomes, require_full_pools
from server_proxy import Proxy, vault_behind
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from server_proxy import Fault

pytestmark = pytest.mark.asyncio

LONG = [pytest.mark.soak, pytest.mark.timeout(900)]

LOSSES: list[Any] = [
    ("commit", 5),
    ("answer", 5),
    ("swallowed", 2),
    ("silence", 2),
    *(pytest.param(fault, 100, marks=LONG) for fault in ("commit", "answer")),
    *(pytest.param(fault, 20, marks=LONG) for fault in ("swallowed", "silence")),
]
"""What is lost of a COMMIT, and how often; a silent connection is waited for."""

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'zorivest-async' AND datname = current_database()"

WRITERS = 8


@pytest.fixture(autouse=True)
def server() -> None:
    """Start the server, which blocks, and create its database."""
    runtime_url()


@asynccontextmanager
async def writing(outcomes: Outcomes, vault: Vault, name: str) -> AsyncGenerator[None]:
    """Write continuously as another machine does."""

    async def write() -> None:
        number = 0
        while True:
            await outcomes.write(vault, f"{name}{number}")
            number += 1
            await asyncio.sleep(0.001)

    task = asyncio.ensure_future(write())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(("fault", "times"), LOSSES)
async def test_a_lost_commit_and_a_lost_answer_have_true_outcomes(
    fault: Fault, times: int, tell: Callable[[str], None]
) -> None:
    """While another machine commits in the same journal, too; none is unknown, as the server answers."""
    is_stored = fault in ("answer", "silence")
    proxy, outcomes, journal = Proxy(), Outcomes(), new_journal()
    async with (
        Vault.connect(runtime_url(), journal=journal, encryption="server") as other,
        vault_behind(proxy, journal=journal, busy_timeout_s=4.0) as vault,
    ):
        async with writing(outcomes, other, "other"):
            for number in range(times):
                proxy.fault = fault
                await outcomes.write(vault, f"{number}", through_session=bool(number % 2))
                assert proxy.fault == "none"
                assert (f"{number}" in outcomes.acknowledged) is is_stored
        await require_full_pools(vault)
        await require_full_pools(other)
        found = await outcomes.check(vault)
    tell(f"{times} COMMITs, outcomes {dict(found)}")
    assert found["committed"] > len(outcomes.acknowledged & {*map(str, range(times))})  # the other machine wrote, too
    assert not found["unknown"]


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=LONG)])
async def test_terminated_connections_have_true_outcomes(times: int, tell: Callable[[str], None]) -> None:
    """They end at any time: idle, in a statement, in a transaction or in its COMMIT."""
    chance, outcomes, journal = random.Random(times), Outcomes(), new_journal()
    admin = await asyncpg.connect(superuser_url(), ssl=False)

    async def write(vault: Vault, writer: int) -> None:
        number = 0
        while not stopped.is_set():
            await outcomes.write(vault, f"{writer}-{number}", through_session=bool(writer % 2))
            number += 1

    try:
        async with AsyncExitStack() as stack:
            vaults = [
                await stack.enter_async_context(Vault.connect(runtime_url(), journal=journal, encryption="server"))
                for _ in range(WRITERS)
            ]
            stopped = asyncio.Event()
            writers = [asyncio.ensure_future(write(vault, number)) for number, vault in enumerate(vaults)]
            terminated = 0
            while terminated < times:
                await asyncio.sleep(chance.uniform(0.0, 0.05))
                if backends := await admin.fetch(BACKENDS):
                    one = chance.choice(backends)["pid"]
                    terminated += await admin.fetchval("SELECT pg_terminate_backend($1)", one)
            stopped.set()
            await asyncio.gather(*writers)
            found = await outcomes.check(vaults[0])
            for vault in vaults:
                await require_full_pools(vault)
    finally:
        await admin.close()
    tell(f"{terminated} terminated, {len(outcomes.acknowledged)} acknowledged, outcomes {dict(found)}")
    assert outcomes.acknowledged
    assert not found["unknown"]
