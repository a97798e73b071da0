"""Positions over every implementation of a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factories import make_account, make_plan, make_report, make_trade, minutes_later
from zorivest_async import AssetClass, TradeAction, TradeFilter
from zorivest_async.analytics import positions, positions_of

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio


async def test_positions_are_those_of_the_trades_at_hand(empty_journal: Journal) -> None:
    """With their units, reports and plans, in slices, whatever the engine."""
    account = make_account("E1", currency="EUR")
    trades = [
        make_trade(
            f"{n}", time=minutes_later(n // 3), account_id="E1", action=[*TradeAction][n % 5 % 2], quantity=1 + n % 4,
            price=100 + n % 7, multiplier=(1.0, 100.0)[n > 900], asset_class=(None, AssetClass.STOCK)[n % 2],
            currency=(None, "SEK")[n % 11 == 0], realized_pnl=(None, 0.0, 1.5)[n % 3], commission=n % 2 / 4,
            result_after_costs=(None, True, False)[n % 3],
        )
        for n in range(1_000)
    ]  # fmt: skip
    reports = [make_report("17", tags=("late", "gap")), make_report("250", tags=())]
    plans = [make_plan(linked_trade_id="17", strategy_name="fade", stop_loss=90.0)]
    async with empty_journal.unit_of_work() as uow:
        await uow.accounts.save(account)
        await uow.trades.save_many(trades)
        for report in reports:
            await uow.trade_reports.save(report)
        for plan in plans:
            await uow.trade_plans.save(plan)
        await uow.commit()
    filters = [
        TradeFilter(),
        TradeFilter(tag="gap"),
        TradeFilter(strategy="fade"),
        TradeFilter(currency="SEK", asset_class=AssetClass.STOCK),
    ]
    async with empty_journal.unit_of_work(read_only=True) as uow:
        for wanted in filters:
            found = await positions(uow, wanted, open=True)
            at_hand = positions_of(trades, [account], trade_filter=wanted, open=True, reports=reports, plans=plans)
            assert found == at_hand
            assert len(found) > 0
            assert [conflict.multipliers for conflict in found.conflicts] == [(1.0, 100.0)]
