"""Repositories, one for each aggregate, over an ``AsyncSession`` or an ``AsyncConnection``."""

from zorivest_async.database.repositories.accounts import SqlAlchemyAccountRepository
from zorivest_async.database.repositories.balance_snapshots import SqlAlchemyBalanceSnapshotRepository
from zorivest_async.database.repositories.images import SqlAlchemyImageRepository
from zorivest_async.database.repositories.imports import SqlAlchemyImportRepository
from zorivest_async.database.repositories.market_provider_settings import SqlAlchemyMarketProviderSettingRepository
from zorivest_async.database.repositories.rows import SqlAlchemyRowRepository
from zorivest_async.database.repositories.search import SqlAlchemySearchRepository
from zorivest_async.database.repositories.settings import SqlAlchemySettingRepository
from zorivest_async.database.repositories.trade_plans import SqlAlchemyTradePlanRepository
from zorivest_async.database.repositories.trade_reports import SqlAlchemyTradeReportRepository
from zorivest_async.database.repositories.trades import SqlAlchemyTradeRepository
from zorivest_async.database.repositories.watchlists import SqlAlchemyWatchlistRepository

__all__ = [
    "SqlAlchemyAccountRepository",
    "SqlAlchemyBalanceSnapshotRepository",
    "SqlAlchemyImageRepository",
    "SqlAlchemyImportRepository",
    "SqlAlchemyMarketProviderSettingRepository",
    "SqlAlchemyRowRepository",
    "SqlAlchemySearchRepository",
    "SqlAlchemySettingRepository",
    "SqlAlchemyTradePlanRepository",
    "SqlAlchemyTradeReportRepository",
    "SqlAlchemyTradeRepository",
    "SqlAlchemyWatchlistRepository",
]
