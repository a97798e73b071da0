"""A small journal around some executions: everything a trader would write beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from zorivest_async import (
    Account,
    AccountType,
    BalanceSnapshot,
    ConvictionLevel,
    MarketProviderSetting,
    PlanStatus,
    Trade,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.demo.samples import ACCOUNT_ID, INSTRUMENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zorivest_async.demo.samples import Picture

__all__ = ["PROVIDER_KEY", "Story", "tell_story"]

PROVIDER_KEY: Final = "demo-K7QX2M-opens-nothing"
"""What the demo stores as an API key; it is never shown, as a real one would not be."""


@dataclass(frozen=True, slots=True)
class Story:
    """What the demo stores.

    Attributes:
        account: The account of all executions.
        trades: The executions, each with an identifier of its own.
        pictures: Images to attach, at least one.
        report: A review of one of the executions.
        plan: The plan that led to it.
        watchlist: A list with items.
        balances: Snapshots, newest first.
        settings: A value of each type.
        provider: A market-data provider with an API key.
    """

    account: Account
    trades: Sequence[Trade]
    pictures: Sequence[Picture]
    report: TradeReport
    plan: TradePlan
    watchlist: Watchlist
    balances: Sequence[BalanceSnapshot]
    settings: Mapping[str, Any]
    provider: MarketProviderSetting


def tell_story(trades: Sequence[Trade], pictures: Sequence[Picture]) -> Story:
    """Write the journal around executions and images.

    Args:
        trades: At least one; the one in the middle is planned and reviewed.
        pictures: At least one.
    """
    reviewed = trades[len(trades) // 2]
    return Story(
        account=Account(
            ACCOUNT_ID, "Demo account", AccountType.BROKER, institution="A crypto exchange", currency="USD"
        ),
        trades=trades,
        pictures=pictures,
        report=_report(reviewed),
        plan=_plan(reviewed),
        watchlist=Watchlist(
            "Candidates",
            "What to look at before the open",
            items=(
                WatchlistItem("AAPL", notes="Broke out of its range on high volume"),
                WatchlistItem("SPY"),
                WatchlistItem(INSTRUMENT, notes="Only with a plan: été, 夏, 🙂"),
            ),
        ),
        balances=(
            BalanceSnapshot(ACCOUNT_ID, datetime(2023, 2, 3, tzinfo=UTC), 25_310.07),
            BalanceSnapshot(ACCOUNT_ID, datetime(2023, 2, 2, tzinfo=UTC), 25_018.4),
            BalanceSnapshot(ACCOUNT_ID, datetime(2023, 2, 1, tzinfo=UTC), 25_000.0),
        ),
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


def _report(trade: Trade) -> TradeReport:
    return TradeReport(
        trade.exec_id,
        setup_quality=4,
        execution_quality=3,
        followed_plan=True,
        emotional_state="calm",
        lessons_learned="Wait for the close of the bar: the first touch of the level was a false start.",
        tags=("breakout", "patience", "size ok"),
    )


def _plan(trade: Trade) -> TradePlan:
    return TradePlan(
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
    )
