"""The demo's journal: an example of every other kind of entity around some executions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from zorivest_async import (
    Account,
    AccountType,
    BalanceSnapshot,
    ConvictionLevel,
    MarketProviderSetting,
    PlanStatus,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.cli.demo.samples import ACCOUNT_ID, INSTRUMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zorivest_async import Trade
    from zorivest_async.cli.demo.samples import Picture

__all__ = ["PROVIDER_KEY", "Story", "tell_story"]

PROVIDER_KEY: Final = "demo-K7QX2M-opens-nothing"
"""The API key that the demo stores; like a real one, it is never shown."""


class Story(NamedTuple):
    """Everything that the demo stores: executions, the file that they are from, images, and the other entities.

    There is at least one execution and one image. Balances are newest first; the settings have a value of each type.
    """

    executions: Path
    trades: Sequence[Trade]
    pictures: Sequence[Picture]
    account: Account
    report: TradeReport
    plan: TradePlan
    watchlist: Watchlist
    balances: Sequence[BalanceSnapshot]
    settings: Mapping[str, Any]
    provider: MarketProviderSetting


def tell_story(executions: Path, trades: Sequence[Trade], pictures: Sequence[Picture]) -> Story:
    """Return the journal for some executions and images; the plan and the report are of the execution in the middle."""
    trade = trades[len(trades) // 2]
    days = ((3, 25_310.07), (2, 25_018.4), (1, 25_000.0))
    return Story(
        executions,
        trades,
        pictures,
        account=Account(
            ACCOUNT_ID, "Demo account", AccountType.BROKER, institution="A crypto exchange", currency="USD"
        ),
        report=TradeReport(
            trade.exec_id,
            setup_quality=4,
            execution_quality=3,
            followed_plan=True,
            emotional_state="calm",
            lessons_learned="Wait for the close of the bar: the first touch of the level was a false start.",
            tags=("breakout", "patience", "size ok"),
        ),
        plan=TradePlan(
            trade.instrument,
            trade.action,
            ConvictionLevel.HIGH,
            strategy_name="Breakout",
            strategy_description="Trade the first close beyond the range, on rising volume.",
            entry_price=trade.price,
            stop_loss=trade.price * 0.99,
            target_price=trade.price * 1.03,
            entry_conditions="A close beyond the range",
            exit_conditions="The target, the stop, or the end of the session",
            timeframe="1m",
            status=PlanStatus.EXECUTED,
            linked_trade_id=trade.exec_id,
            account_id=trade.account_id,
        ),
        watchlist=Watchlist(
            "Candidates",
            "What to look at before the open",
            items=(
                WatchlistItem("AAPL", notes="Broke out of its range on high volume"),
                WatchlistItem("SPY"),
                WatchlistItem(INSTRUMENT, notes="Only with a plan: été, 夏, 🙂"),
            ),
        ),
        balances=[BalanceSnapshot(ACCOUNT_ID, datetime(2023, 2, day, tzinfo=UTC), balance) for day, balance in days],
        settings={
            "display.theme": "dark",
            "display.rows": 50,
            "risk.per_trade": 0.0075,
            "risk.confirm_orders": True,
            "chart.default": {"timeframe": "1d", "indicators": ["volume", "vwap"], "zoom": 1.25},
            "last_import": None,
        },
        provider=MarketProviderSetting(
            "Alpha Vantage", api_key=PROVIDER_KEY, rate_limit=5, timeout=30, is_enabled=True
        ),
    )
