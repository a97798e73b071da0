"""The tables of the declared models, for Core statements, which need no mapper to be configured first."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zorivest_async.database.models import (
    AccountModel,
    BalanceSnapshotModel,
    Base,
    ImageModel,
    MarketProviderSettingModel,
    SettingModel,
    TradeModel,
    TradePlanModel,
    TradeReportModel,
    WatchlistItemModel,
    WatchlistModel,
)

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = [
    "ACCOUNTS",
    "BALANCE_SNAPSHOTS",
    "IMAGES",
    "MARKET_PROVIDER_SETTINGS",
    "SETTINGS",
    "TRADES",
    "TRADE_PLANS",
    "TRADE_REPORTS",
    "WATCHLISTS",
    "WATCHLIST_ITEMS",
]


def _table_of(model: type[Base]) -> Table:
    return cast("Table", model.__table__)


ACCOUNTS = _table_of(AccountModel)
BALANCE_SNAPSHOTS = _table_of(BalanceSnapshotModel)
IMAGES = _table_of(ImageModel)
MARKET_PROVIDER_SETTINGS = _table_of(MarketProviderSettingModel)
SETTINGS = _table_of(SettingModel)
TRADES = _table_of(TradeModel)
TRADE_PLANS = _table_of(TradePlanModel)
TRADE_REPORTS = _table_of(TradeReportModel)
WATCHLISTS = _table_of(WatchlistModel)
WATCHLIST_ITEMS = _table_of(WatchlistItemModel)
