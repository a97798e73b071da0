"""Positions of very many executions leave the event loop free, and memory small."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from contextlib import aclosing
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from factories import OPENING_BELL, make_account, make_trade
from loop_watch import Watch, is_quiet
from zorivest_async import TradeAction
from zorivest_async.analytics import positions
from zorivest_async.analytics.position_asking import folding_for, round_trips
from zorivest_async.analytics.selecting import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zorivest_async import Trade, Vault

ROWS = 100_000
LONGEST_STALL_S = 0.025
MOST_BYTES = 3_000_000
"""What 20 open positions and the known decimals take; 20,000 executions take seven times as much."""


def executions(rows: int, books: int) -> Iterator[Trade]:
    """Make executions of many instruments, each of which is flat again and again."""
    random = Random(20240308)  # noqa: S311 - the same every time
    held = [0] * books
    for n in range(rows):
        book = random.randrange(books)
        quantity = random.randrange(1, 9) if abs(held[book]) < 30 else abs(held[book])
        sold = held[book] > 0 if abs(held[book]) >= 30 else random.random() < 0.5
        held[book] += -quantity if sold else quantity
        yield make_trade(
            f"{n:06}",
            time=OPENING_BELL + timedelta(minutes=n),
            instrument=f"O{book}",
            action=TradeAction.SLD if sold else TradeAction.BOT,
            quantity=quantity,
            price=random.randrange(100, 50_000) / 100,
            commission=1.02,
            realized_pnl=None,
        )


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.asyncio
async def test_the_loop_is_never_held_while_100_000_executions_are_folded(vault: Vault) -> None:
    """With each method it is never late by 25 ms, nor as long at work on one callback.

    How late the loop is, is only asked where other programs leave it a processor.
    """
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(executions(ROWS, 500))
        await uow.commit()
    for method in ("fifo", "lifo", "average"):
        gc.collect()  # the garbage of the test run, and of the method before
        quiet = is_quiet()
        async with vault.unit_of_work(read_only=True) as uow, Watch() as watch:
            found = await positions(uow, open=True, method=method)
        quiet = quiet and is_quiet()
        assert sum(position.executions for position in found) > ROWS  # some serve two positions
        assert max(watch.busy_s) < LONGEST_STALL_S
        if quiet:
            assert max(watch.late_s) < LONGEST_STALL_S


@pytest.mark.skipif(sys.gettrace() is not None, reason="what measures coverage allocates memory, too")
@pytest.mark.parametrize("rows", [20_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
@pytest.mark.asyncio
async def test_memory_grows_with_what_is_open(vault: Vault, rows: int) -> None:
    """Round trips that are looked at and let go leave nothing behind, however many executions there were."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(executions(rows, 20))
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        selection = Selection(None, with_open=True)
        folding = await folding_for(uow, selection)
        gc.collect()
        tracemalloc.start()
        try:
            count = 0
            async with aclosing(round_trips(uow, folding, selection)) as slices:
                async for trips in slices:
                    count += sum(trip.executions for trip in trips)
            gc.collect()
            left, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert count > rows
    assert left < MOST_BYTES
