"""What a keyed read, and a save with its commit, cost: counted exactly, so that nothing is added by accident."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import zorivest_async
from factories import make_account, make_trade

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

    from zorivest_async import Vault

pytestmark = pytest.mark.asyncio

LIBRARY = str(Path(zorivest_async.__file__).parent)
WARM_UP = 3
"""How often it is read before that is counted: statements are compiled, and connections opened, when first used."""


async def read(vault: Vault, exec_id: str) -> None:
    """Look one trade up in a unit of work of its own."""
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.trades.get(exec_id)


async def save(vault: Vault, exec_id: str) -> None:
    """Store one trade in a unit of work of its own."""
    async with vault.unit_of_work() as uow:
        await uow.trades.save(make_trade(exec_id))
        await uow.commit()


async def count_calls(work: Callable[[], Awaitable[None]]) -> int:
    """Return how many of the library's functions are called, resumed coroutines included, on the event loop."""
    count = 0

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(LIBRARY)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        await work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    ("work", "hand_offs_of_it", "texts", "calls"),
    [
        (read, ["statement"], ["BEGIN", "SELECT"], 42),
        (save, ["statement", "finish"], ["BEGIN", "INSERT", "COMMIT"], 75),
    ],
    ids=["read", "save and commit"],
)
async def test_it_costs_what_it_did(
    vault: Vault,
    hand_offs: list[str],
    *,
    work: Callable[[Vault, str], Awaitable[None]],
    hand_offs_of_it: list[str],
    texts: list[str],
    calls: int,
) -> None:
    """Hand-offs to the thread, statements to SQLite, and calls on the event loop."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("counted"))
        await uow.commit()
    await save(vault, "first")
    for _ in range(WARM_UP):
        await read(vault, "counted")
    sent: list[str] = []
    for engine in (vault.engine, vault.read_engine):
        async with engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.call(partial(driver.raw.set_trace_callback, sent.append))
    hand_offs.clear()
    await work(vault, "counted" if work is read else "traced")
    await asyncio.sleep(0.01)  # a read's ROLLBACK is not waited for
    assert hand_offs == hand_offs_of_it
    # SQLite names a statement again for its triggers, and what FTS5 reads, after two hyphens.
    assert [word for word, _ in groupby(text.split()[0] for text in sent if not text.startswith("--"))] == texts
    assert await count_calls(lambda: work(vault, "counted" if work is read else "second")) == calls
