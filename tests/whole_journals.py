"""A journal with something in every table, and all of what a journal has."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from sources import Given, booked
from zorivest_async import (
    Account,
    AccountType,
    AssetClass,
    BalanceSnapshot,
    ConvictionLevel,
    ImageOwnerType,
    MarketProviderSetting,
    Trade,
    TradeAction,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.entities import SequencedTrade
from zorivest_async.transfer.importers import import_trades
from zorivest_async.transfer.journal_tables import journal_tables

if TYPE_CHECKING:
    from zorivest_async import Vault

MOMENT = datetime(2024, 3, 8, 14, 30, 0, 123456, tzinfo=UTC)


UNITS = [
    SequencedTrade(
        "U1",
        MOMENT,
        "ES",
        TradeAction.SLD,
        1,
        5_000,
        "A",
        realized_pnl=None,
        currency="EUR",
        multiplier=50,
        asset_class=AssetClass.FUTURE,
        fees=0.1,
        commission_currency="USD",
        notes="note",
        order_id="O",
        sequence=3,
    ),
    SequencedTrade(
        "U2", MOMENT, "ES", TradeAction.BOT, 1, 5_000, "A", realized_pnl=-0.0, result_after_costs=True, sequence=1
    ),
    SequencedTrade("U3", MOMENT, "ES", TradeAction.BOT, 1, 5_000, "A", result_after_costs=False),
]
"""Executions with all units, and positions in their source."""


def picture() -> bytes:
    """Return an image."""
    buffer = BytesIO()
    Image.new("RGB", (300, 200), (10, 20, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


async def fill(vault: Vault) -> None:
    """Store something in every table, with gaps between row numbers and text that is hard to write."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("A", 'naïve "株"\n🚀', AccountType.IRA, notes="", is_tax_advantaged=True))
        await uow.trades.save_many(
            Trade(f"{number:04}", MOMENT, "SPY", TradeAction.BOT, 0.1, 1 / 3, "A", -5e-324) for number in range(447)
        )
        await uow.trades.save_many(UNITS)
        await uow.trades.delete("0007")
        report_id = await uow.trade_reports.save(TradeReport("0001", 5, followed_plan=False, tags=("a", "b,\u2028c")))
        plan = TradePlan("SPY", TradeAction.SLD, ConvictionLevel.MAX, linked_trade_id="0002", account_id="A")
        plan_id = await uow.trade_plans.save(plan)
        await uow.images.attach(ImageOwnerType.TRADE, "0001", picture(), caption="entry")
        doomed = await uow.images.attach(ImageOwnerType.TRADE, "0001", picture())
        await uow.images.attach(ImageOwnerType.REPORT, report_id, picture())
        await uow.images.attach(ImageOwnerType.PLAN, plan_id, picture())
        await uow.images.delete(doomed)
        await uow.watchlists.save(Watchlist("w", items=(WatchlistItem("SPY"), WatchlistItem("QQQ", notes="n"))))
        await uow.balance_snapshots.save(BalanceSnapshot("A", MOMENT, -12.5))
        await uow.settings.bulk_upsert({"a": "x", "b": 10**30, "c": 0.1, "d": True, "e": {"f": [None]}, "g": None})
        await uow.market_provider_settings.save(MarketProviderSetting("p", api_key="canary-5e7a91", rate_limit=7))
        await uow.commit()
    changed = replace(UNITS[0], price=UNITS[0].price + 1)
    report = await import_trades(vault, Given((booked(1, changed, 3), booked(2, "new"))), on_conflict="update")
    assert (len(report.updated), len(report.failed)) == (1, 1)


async def everything(vault: Vault) -> dict[str, list[Any]]:
    """Return all rows of all tables, in their order, with the row numbers that take no part in ``==``."""
    found: dict[str, list[Any]] = {}
    async with vault.unit_of_work(read_only=True) as uow:
        for table in journal_tables():
            rows, after = list[Any](), None
            while page := await uow.rows.page(table.entity, after):
                rows += [(table.aggregate.key_of(entity), entity) for entity in page]
                after = rows[-1][0]
            found[table.name] = rows
    return found
