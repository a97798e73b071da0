"""ORM models of a vault's tables, for migrations and for your own queries.

The repositories send Core statements over these tables; the relationships are for ORM queries on ``uow.session``.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, LargeBinary, MetaData, String, Text, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.types import EnumText, Float64, TagList, UTCDateTime
from zorivest_async.domain.enums import (
    AccountType,
    AssetClass,
    ConvictionLevel,
    ImageOwnerType,
    PlanStatus,
    TradeAction,
)

if TYPE_CHECKING:
    from collections.abc import Collection
    from enum import StrEnum

    from sqlalchemy import Connection, Table

__all__ = [
    "ACCOUNTS",
    "BALANCE_SNAPSHOTS",
    "IMAGES",
    "MARKET_PROVIDER_SETTINGS",
    "SCHEMA_VERSION",
    "SETTINGS",
    "SET_ASIDE",
    "TRADES",
    "TRADE_PLANS",
    "TRADE_REPORTS",
    "WATCHLISTS",
    "WATCHLIST_ITEMS",
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
    "is_set_aside",
]

SCHEMA_VERSION: Final = 4
"""Version of the schema with these tables, which a vault stores as its ``user_version``."""


SET_ASIDE: Final = "orphan:"
"""What ``owner_id`` begins with where the owner was gone already when these triggers came: before it had its images, a
new row under the same key would have inherited them."""


class Base(DeclarativeBase):
    """Declarative base of all models; every constraint and index has a name, so that a migration can drop it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        dt.datetime: UTCDateTime(),
        float: Float64().with_variant(Double(), "sqlite"),  # DOUBLE, as in the schema of every vault
    }


def _one_of(column: str, vocabulary: type[StrEnum]) -> CheckConstraint:
    members = ", ".join(f"'{member}'" for member in vocabulary)
    return CheckConstraint(f"{column} IN ({members})", name=column)


def _rating(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} BETWEEN 1 AND 5", name=column)


class TradeModel(Base):
    """Executions."""

    __tablename__ = "trades"

    exec_id: Mapped[str] = mapped_column(String, primary_key=True)
    time: Mapped[dt.datetime]
    instrument: Mapped[str]
    action: Mapped[TradeAction] = mapped_column(EnumText(TradeAction, 3))
    quantity: Mapped[float]
    price: Mapped[float]
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"))
    commission: Mapped[float | None] = mapped_column(default=0.0)
    realized_pnl: Mapped[float | None] = mapped_column(default=0.0)
    currency: Mapped[str | None] = mapped_column(String(12))
    # Other programs insert rows without these two columns, so the database has their defaults, too.
    multiplier: Mapped[float] = mapped_column(default=1.0, server_default="1.0")
    asset_class: Mapped[AssetClass | None] = mapped_column(EnumText(AssetClass, 10), _one_of("asset_class", AssetClass))
    fees: Mapped[float] = mapped_column(default=0.0, server_default="0.0")
    commission_currency: Mapped[str | None] = mapped_column(String(12))
    notes: Mapped[str | None] = mapped_column(Text)
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

    __table_args__ = (
        _one_of("action", TradeAction),
        # Listings are newest first, with exec_id as the last key, which gives a total order for keyset paging.
        Index(None, "time", "exec_id"),
        Index(None, "account_id", "time", "exec_id"),
        Index(None, "instrument", "time", "exec_id"),
    )


class ImageModel(Base):
    """Images of trades, reports and plans."""

    __tablename__ = "images"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    owner_type: Mapped[ImageOwnerType] = mapped_column(EnumText(ImageOwnerType, 20))
    owner_id: Mapped[str]
    # The original comes after what a gallery shows: SQLite reads a row from its start. An upgrade could not put the
    # preview before it without writing every original again.
    thumbnail: Mapped[bytes | None] = mapped_column(LargeBinary)
    mime_type: Mapped[str | None] = mapped_column(String(50), default="image/png")
    caption: Mapped[str | None] = mapped_column(Text)
    width: Mapped[int | None]
    height: Mapped[int | None]
    file_size: Mapped[int | None]
    created_at: Mapped[dt.datetime]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    preview: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        _one_of("owner_type", ImageOwnerType),
        Index(None, "owner_type", "owner_id", "id"),
        {"sqlite_autoincrement": True},
    )


class AccountModel(Base):
    """Accounts that hold money."""

    __tablename__ = "accounts"

    account_id: Mapped[str] = mapped_column(String, primary_key=True)
    name: Mapped[str]
    account_type: Mapped[AccountType] = mapped_column(EnumText(AccountType, 20))
    institution: Mapped[str | None]
    currency: Mapped[str | None] = mapped_column(String(12), default="USD")
    is_tax_advantaged: Mapped[bool | None] = mapped_column(default=False)
    notes: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime]

    trades: Mapped[list[TradeModel]] = relationship(back_populates="account_rel")
    balance_snapshots: Mapped[list[BalanceSnapshotModel]] = relationship(back_populates="account_rel")

    __table_args__ = (_one_of("account_type", AccountType),)


class TradeReportModel(Base):
    """Reviews of trades, at most one each."""

    __tablename__ = "trade_reports"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    trade_id: Mapped[str] = mapped_column(ForeignKey("trades.exec_id"), unique=True)
    setup_quality: Mapped[int | None]
    execution_quality: Mapped[int | None]
    followed_plan: Mapped[bool | None]
    emotional_state: Mapped[str | None]
    lessons_learned: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[tuple[str, ...] | None] = mapped_column(TagList)
    created_at: Mapped[dt.datetime]

    trade: Mapped[TradeModel] = relationship(back_populates="report")

    __table_args__ = (_rating("setup_quality"), _rating("execution_quality"), {"sqlite_autoincrement": True})


class TradePlanModel(Base):
    """Plans of trades."""

    __tablename__ = "trade_plans"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    ticker: Mapped[str] = mapped_column(index=True)
    direction: Mapped[TradeAction] = mapped_column(EnumText(TradeAction, 3))
    conviction: Mapped[ConvictionLevel] = mapped_column(EnumText(ConvictionLevel, 10))
    strategy_name: Mapped[str | None]
    strategy_description: Mapped[str | None] = mapped_column(Text)
    entry_price: Mapped[float | None]
    stop_loss: Mapped[float | None]
    target_price: Mapped[float | None]
    entry_conditions: Mapped[str | None] = mapped_column(Text)
    exit_conditions: Mapped[str | None] = mapped_column(Text)
    timeframe: Mapped[str | None]
    status: Mapped[PlanStatus | None] = mapped_column(EnumText(PlanStatus, 15), default=PlanStatus.DRAFT)
    linked_trade_id: Mapped[str | None] = mapped_column(ForeignKey("trades.exec_id"), index=True)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.account_id"), index=True)
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime | None]

    __table_args__ = (
        _one_of("direction", TradeAction),
        _one_of("conviction", ConvictionLevel),
        _one_of("status", PlanStatus),
        {"sqlite_autoincrement": True},
    )


class WatchlistModel(Base):
    """Named collections of tickers."""

    __tablename__ = "watchlists"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(index=True)
    description: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime | None]

    items: Mapped[list[WatchlistItemModel]] = relationship(
        back_populates="watchlist", cascade="all, delete-orphan", order_by=lambda: WatchlistItemModel.id
    )

    __table_args__ = ({"sqlite_autoincrement": True},)


class WatchlistItemModel(Base):
    """Tickers on watchlists."""

    __tablename__ = "watchlist_items"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    watchlist_id: Mapped[int] = mapped_column(ForeignKey("watchlists.id"), index=True)
    ticker: Mapped[str]
    added_at: Mapped[dt.datetime]
    notes: Mapped[str | None] = mapped_column(Text)

    watchlist: Mapped[WatchlistModel] = relationship(back_populates="items")

    __table_args__ = ({"sqlite_autoincrement": True},)


class BalanceSnapshotModel(Base):
    """Balances of accounts over time."""

    __tablename__ = "balance_snapshots"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.account_id"))
    datetime: Mapped[dt.datetime]
    balance: Mapped[float]

    account_rel: Mapped[AccountModel] = relationship(back_populates="balance_snapshots")

    __table_args__ = (Index(None, "account_id", "datetime", "id"), {"sqlite_autoincrement": True})


class ImportModel(Base):
    """Imports of files; a table of your own may have the name ``imports``."""

    __tablename__ = "zorivest_imports"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    source: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    profile: Mapped[str | None]
    imported_at: Mapped[dt.datetime]
    inserted: Mapped[int]
    duplicate: Mapped[int]
    updated: Mapped[int]
    failed: Mapped[int]

    __table_args__ = ({"sqlite_autoincrement": True},)


class ImportRowModel(Base):
    """What an import inserted, changed or deleted: how it was before, and a hash of what the import left."""

    __tablename__ = "zorivest_import_rows"

    import_id: Mapped[int] = mapped_column(ForeignKey("zorivest_imports.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(30), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True, index=True)
    before: Mapped[str | None] = mapped_column(Text)
    hash_after: Mapped[str | None] = mapped_column(String(64))


class SettingModel(Base):
    """Settings: small typed values."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)
    value_type: Mapped[str | None] = mapped_column(String(20))
    updated_at: Mapped[dt.datetime | None]

    __table_args__ = (CheckConstraint("value_type IN ('str', 'int', 'float', 'bool', 'json')", name="value_type"),)


class MarketProviderSettingModel(Base):
    """Credentials and limits of market-data providers; an API key is encrypted, after ``ENC:2:``."""

    __tablename__ = "market_provider_settings"

    provider_name: Mapped[str] = mapped_column(String, primary_key=True)
    encrypted_api_key: Mapped[str | None] = mapped_column(Text)
    rate_limit: Mapped[int | None] = mapped_column(default=5)
    timeout: Mapped[int | None] = mapped_column(default=30)
    is_enabled: Mapped[bool | None] = mapped_column(default=False)
    last_tested_at: Mapped[dt.datetime | None]
    last_test_status: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime | None]

    __table_args__ = (CheckConstraint("encrypted_api_key LIKE 'ENC:%'", name="encrypted_api_key"),)


def is_set_aside(owner_id: str) -> bool:
    """Return whether an image is meant to have no owner, as its own was gone when the triggers came."""
    return owner_id.startswith(SET_ASIDE)


def _table_of(model: type[Base]) -> Table:
    # Core statements need no mapper to be configured first.
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


@event.listens_for(Base.metadata, "after_create")
def _after_create(_metadata: MetaData, connection: Connection, tables: Collection[Table], **_: Any) -> None:
    BACKENDS[connection.dialect.name].after_create(connection, tables)


@event.listens_for(Base.metadata, "after_drop")
def _after_drop(_metadata: MetaData, connection: Connection, tables: Collection[Table], **_: Any) -> None:
    BACKENDS[connection.dialect.name].after_drop(connection, tables)
