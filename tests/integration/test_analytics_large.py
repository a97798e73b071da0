"""Questions about very many executions leave the event loop free."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from factories import OPENING_BELL, make_account, make_trade
from loop_watch import Watch, is_quiet
from zorivest_async.analytics import GroupBy, equity_curve, performance

if TYPE_CHECKING:
    from zorivest_async import Vault

ROWS = 100_000
LONGEST_STALL_S = 0.025


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.asyncio
async def test_the_loop_is_never_held_while_100_000_executions_are_added_up(vault: Vault) -> None:
    """By day, by 2,000 instruments and along a curve, it is never late by 25 ms, nor as long at work on one callback.

    How late the loop is, is only asked where other programs leave it a processor.
    """
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(
            make_trade(
                f"{n:06}",
                time=OPENING_BELL + timedelta(minutes=n),
                instrument=f"O{n % 2_000}",
                commission=1.02,
                realized_pnl=n % 7 - 2.75,
            )
            for n in range(ROWS)
        )
        await uow.commit()
    gc.collect()  # the test run's own garbage
    quiet = is_quiet()
    async with vault.unit_of_work(read_only=True) as uow, Watch() as watch:
        days = await performance(uow, by=GroupBy.DAY, time_zone="America/New_York")
        instruments = await performance(uow, by=GroupBy.INSTRUMENT)
        (curve,) = await equity_curve(uow)
    quiet = quiet and is_quiet()
    assert sum(answer.executions for answer in days) == sum(answer.executions for answer in instruments) == ROWS
    assert (len(instruments), len(curve.values)) == (2_000, ROWS)
    assert max(watch.busy_s) < LONGEST_STALL_S
    if quiet:
        assert max(watch.late_s) < LONGEST_STALL_S
