"""ORM models of a vault's tables, for your own queries on ``uow.session``.

The columns are declared in ``zorivest_async.database.tables``, which the repositories use without the ORM. The
annotations here are their types in Python.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import FromClause
from sqlalchemy.orm import DeclarativeBase, Mapped, relationship

from zorivest_async.database.tables import (
    ACCOUNTS,
    BALANCE_SNAPSHOTS,
    FLOAT64,
    IMAGES,
    IMPORT_ROWS,
    IMPORTS,
    MARKET_PROVIDER_SETTINGS,
    METADATA,
    SCHEMA_VERSION,
    SETTINGS,
    TRADE_PLANS,
    TRADE_REPORTS,
    TRADES,
    WATCHLIST_ITEMS,
    WATCHLISTS,
)
from zorivest_async.database.types import UTCDateTime
from zorivest_async.domain.enums import (
    AccountType,
    AssetClass,
    ConvictionLevel,
    ImageOwnerType,
    PlanStatus,
    TradeAction,
)

__all__ = [
    "SCHEMA_VERSION",
    "AccountModel",
    "BalanceSnapshotModel",
    "Base",
    "ImageModel",
    "ImportModel",
    "ImportRowModel",
    "MarketProviderSettingModel",
    "SettingModel",
    "TradeModel",
    "TradePlanModel",
    "TradeReportModel",
    "WatchlistItemModel",
    "WatchlistModel",
]


class Base(DeclarativeBase):
    """Declarative base of all models."""

    metadata = METADATA
    type_annotation_map: ClassVar[dict[Any, Any]] = {dt.datetime: UTCDateTime(), float: FLOAT64}


class TradeModel(Base):
    """Executions."""

    __tablename__ = "trades"
    __table__: ClassVar[FromClause] = TRADES

    exec_id: Mapped[str]
    time: Mapped[dt.datetime]
    instrument: Mapped[str]
    action: Mapped[TradeAction]
    quantity: Mapped[float]
    price: Mapped[float]
    account_id: Mapped[str]
    commission: Mapped[float | None]
    realized_pnl: Mapped[float | None]
    currency: Mapped[str | None]
    multiplier: Mapped[float]
    asset_class: Mapped[AssetClass | None]
    fees: Mapped[float]
    commission_currency: Mapped[str | None]
    notes: Mapped[str | None]
    order_id: Mapped[str | None]
    result_after_costs: Mapped[bool | None]
    sequence: Mapped[int | None]

    images: Mapped[list[ImageModel]] = relationship(
        primaryjoin="and_(ImageModel.owner_type=='trade', foreign(ImageModel.owner_id)==TradeModel.exec_id)",
        viewonly=True,
    )
    report: Mapped[TradeReportModel | None] = relationship(
        back_populates="trade", cascade="all, delete-orphan", uselist=False
    )
    account_rel: Mapped[AccountModel] = relationship(back_populates="trades")


class ImageModel(Base):
    """Images of trades, reports and plans."""

    __tablename__ = "images"
    __table__: ClassVar[FromClause] = IMAGES

    id: Mapped[int]
    owner_type: Mapped[ImageOwnerType]
    owner_id: Mapped[str]
    thumbnail: Mapped[bytes | None]
    mime_type: Mapped[str | None]
    caption: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    file_size: Mapped[int | None]
    created_at: Mapped[dt.datetime]
    data: Mapped[bytes]
    preview: Mapped[bytes | None]


class AccountModel(Base):
    """Accounts that hold money."""

    __tablename__ = "accounts"
    __table__: ClassVar[FromClause] = ACCOUNTS

    account_id: Mapped[str]
    name: Mapped[str]
    account_type: Mapped[AccountType]
    institution: Mapped[str | None]
    currency: Mapped[str | None]
    is_tax_advantaged: Mapped[bool | None]
    notes: Mapped[str | None]
    created_at: Mapped[dt.datetime]

    trades: Mapped[list[TradeModel]] = relationship(back_populates="account_rel")
    balance_snapshots: Mapped[list[BalanceSnapshotModel]] = relationship(back_populates="account_rel")


class TradeReportModel(Base):
    """Reviews of trades, at most one each."""

    __tablename__ = "trade_reports"
    __table__: ClassVar[FromClause] = TRADE_REPORTS

    id: Mapped[int]
    trade_id: Mapped[str]
    setup_quality: Mapped[int | None]
    execution_quality: Mapped[int | None]
    followed_plan: Mapped[bool | None]
    emotional_state: Mapped[str | None]
    lessons_learned: Mapped[str | None]
    tags: Mapped[tuple[str, ...] | None]
    created_at: Mapped[dt.datetime]

    trade: Mapped[TradeModel] = relationship(back_populates="report")


class TradePlanModel(Base):
    """Plans of trades."""

    __tablename__ = "trade_plans"
    __table__: ClassVar[FromClause] = TRADE_PLANS

    id: Mapped[int]
    ticker: Mapped[str]
    direction: Mapped[TradeAction]
    conviction: Mapped[ConvictionLevel]
    strategy_name: Mapped[str | None]
    strategy_description: Mapped[str | None]
    entry_price: Mapped[float | None]
    stop_loss: Mapped[float | None]
    target_price: Mapped[float | None]
    entry_conditions: Mapped[str | None]
    exit_conditions: Mapped[str | None]
    timeframe: Mapped[str | None]
    status: Mapped[PlanStatus | None]
    linked_trade_id: Mapped[str | None]
    account_id: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime | None]


class WatchlistModel(Base):
    """Named collections of tickers."""

    __tablename__ = "watchlists"
    __table__: ClassVar[FromClause] = WATCHLISTS

    id: Mapped[int]
    name: Mapped[str]
    description: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime | None]

    items: Mapped[list[WatchlistItemModel]] = relationship(
        back_populates="watchlist", cascade="all, delete-orphan", order_by=lambda: WatchlistItemModel.id
    )


class WatchlistItemModel(Base):
    """Tickers on watchlists."""

    __tablename__ = "watchlist_items"
    __table__: ClassVar[FromClause] = WATCHLIST_ITEMS

    id: Mapped[int]
    watchlist_id: Mapped[int]
    ticker: Mapped[str]
    added_at: Mapped[dt.datetime]
    notes: Mapped[str | None]

    watchlist: Mapped[WatchlistModel] = relationship(back_populates="items")


class BalanceSnapshotModel(Base):
    """Balances of accounts over time."""

    __tablename__ = "balance_snapshots"
    __table__: ClassVar[FromClause] = BALANCE_SNAPSHOTS

    id: Mapped[int]
    account_id: Mapped[str]
    datetime: Mapped[dt.datetime]
    balance: Mapped[float]

    account_rel: Mapped[AccountModel] = relationship(back_populates="balance_snapshots")


class ImportModel(Base):
    """Imports of files; a table of your own may have the name ``imports``."""

    __tablename__ = "zorivest_imports"
    __table__: ClassVar[FromClause] = IMPORTS

    id: Mapped[int]
    source: Mapped[str]
    sha256: Mapped[str]
    profile: Mapped[str | None]
    imported_at: Mapped[dt.datetime]
    inserted: Mapped[int]
    duplicate: Mapped[int]
    updated: Mapped[int]
    failed: Mapped[int]


class ImportRowModel(Base):
    """What an import inserted, changed or deleted: how it was before, and a hash of what the import left."""

    __tablename__ = "zorivest_import_rows"
    __table__: ClassVar[FromClause] = IMPORT_ROWS

    import_id: Mapped[int]
    kind: Mapped[str]
    key: Mapped[str]
    before: Mapped[str | None]
    hash_after: Mapped[str | None]


class SettingModel(Base):
    """Settings: small typed values."""

    __tablename__ = "settings"
    __table__: ClassVar[FromClause] = SETTINGS

    key: Mapped[str]
    value: Mapped[str | None]
    value_type: Mapped[str | None]
    updated_at: Mapped[dt.datetime | None]


class MarketProviderSettingModel(Base):
    """Credentials and limits of market-data providers; an API key is encrypted, after ``ENC:2:``."""

    __tablename__ = "market_provider_settings"
    __table__: ClassVar[FromClause] = MARKET_PROVIDER_SETTINGS

    provider_name: Mapped[str]
    encrypted_api_key: Mapped[str | None]
    rate_limit: Mapped[int | None]
    timeout: Mapped[int | None]
    is_enabled: Mapped[bool | None]
    last_tested_at: Mapped[dt.datetime | None]
    last_test_status: Mapped[str | None]
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime | None]
