"""Tables of a vault.

The repositories send Core statements over them. The ORM models of :mod:`zorivest_async.database.models` map the same
tables; mapping them takes longer than importing all else in this package, so only programs that use the models do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    event,
)

from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.types import (
    ConfidentialBytes,
    ConfidentialString,
    ConfidentialText,
    EnumText,
    Float64,
    ImageData,
    TagList,
    UTCDateTime,
)
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

    from sqlalchemy import Connection

__all__ = [
    "ACCOUNTS",
    "BALANCE_SNAPSHOTS",
    "FLOAT64",
    "IMAGES",
    "IMPORTS",
    "IMPORT_ROWS",
    "MARKET_PROVIDER_SETTINGS",
    "METADATA",
    "SCHEMA_VERSION",
    "SETTINGS",
    "SET_ASIDE",
    "TRADES",
    "TRADE_PLANS",
    "TRADE_REPORTS",
    "WATCHLISTS",
    "WATCHLIST_ITEMS",
    "is_set_aside",
]

SCHEMA_VERSION: Final = 4
"""Version of the schema with these tables, which a vault stores as its ``user_version``."""

SET_ASIDE: Final = "orphan:"
"""What ``owner_id`` begins with where the owner was gone already when these triggers came: before it had its images, a
new row under the same key would have inherited them."""

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""The tables of a vault; every constraint and index has a name, so that a migration can drop it."""

FLOAT64: Final = Float64().with_variant(Double(), "sqlite")
"""DOUBLE, as in the schema of every vault."""


def _one_of(column: str, vocabulary: type[StrEnum]) -> CheckConstraint:
    members = ", ".join(f"'{member}'" for member in vocabulary)
    return CheckConstraint(f"{column} IN ({members})", name=column)


def _rating(column: str) -> CheckConstraint:
    return CheckConstraint(f"{column} BETWEEN 1 AND 5", name=column)


TRADES: Final = Table(
    "trades",
    METADATA,
    Column("exec_id", String, primary_key=True),
    Column("time", UTCDateTime, nullable=False),
    Column("instrument", String, nullable=False),
    Column("action", EnumText(TradeAction, 3), nullable=False),
    Column("quantity", FLOAT64, nullable=False),
    Column("price", FLOAT64, nullable=False),
    Column("account_id", String, ForeignKey("accounts.account_id"), nullable=False),
    Column("commission", FLOAT64, default=0.0),
    Column("realized_pnl", FLOAT64, default=0.0),
    Column("currency", String(12)),
    # Other programs insert rows without these two columns, so the database has their defaults, too.
    Column("multiplier", FLOAT64, default=1.0, server_default="1.0", nullable=False),
    Column("asset_class", EnumText(AssetClass, 10), _one_of("asset_class", AssetClass)),
    Column("fees", FLOAT64, default=0.0, server_default="0.0", nullable=False),
    Column("commission_currency", String(12)),
    Column("notes", ConfidentialText),
    Column("order_id", ConfidentialString),
    Column("result_after_costs", Boolean),
    Column("sequence", Integer),
    _one_of("action", TradeAction),
    # Listings are newest first, with exec_id as the last key, which gives a total order for keyset paging.
    Index(None, "time", "exec_id"),
    Index(None, "account_id", "time", "exec_id"),
    Index(None, "instrument", "time", "exec_id"),
)
IMAGES: Final = Table(
    "images",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("owner_type", EnumText(ImageOwnerType, 20), nullable=False),
    Column("owner_id", String, nullable=False),
    # The original comes after what a gallery shows: SQLite reads a row from its start. An upgrade could not put the
    # preview before it without writing every original again.
    Column("thumbnail", ConfidentialBytes),
    Column("mime_type", String(50), default="image/png"),
    Column("caption", ConfidentialText),
    Column("width", Integer),
    Column("height", Integer),
    Column("file_size", Integer),
    Column("created_at", UTCDateTime, nullable=False),
    Column("data", ImageData, nullable=False),
    Column("preview", ConfidentialBytes),
    _one_of("owner_type", ImageOwnerType),
    Index(None, "owner_type", "owner_id", "id"),
    sqlite_autoincrement=True,
)
ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    Column("account_id", String, primary_key=True),
    Column("name", ConfidentialString, nullable=False),
    Column("account_type", EnumText(AccountType, 20), nullable=False),
    Column("institution", ConfidentialString),
    Column("currency", String(12), default="USD"),
    Column("is_tax_advantaged", Boolean, default=False),
    Column("notes", ConfidentialText),
    Column("created_at", UTCDateTime, nullable=False),
    _one_of("account_type", AccountType),
)
TRADE_REPORTS: Final = Table(
    "trade_reports",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("trade_id", String, ForeignKey("trades.exec_id"), unique=True, nullable=False),
    Column("setup_quality", Integer),
    Column("execution_quality", Integer),
    Column("followed_plan", Boolean),
    Column("emotional_state", ConfidentialString),
    Column("lessons_learned", ConfidentialText),
    Column("tags", TagList),
    Column("created_at", UTCDateTime, nullable=False),
    _rating("setup_quality"),
    _rating("execution_quality"),
    sqlite_autoincrement=True,
)
TRADE_PLANS: Final = Table(
    "trade_plans",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ticker", String, index=True, nullable=False),
    Column("direction", EnumText(TradeAction, 3), nullable=False),
    Column("conviction", EnumText(ConvictionLevel, 10), nullable=False),
    Column("strategy_name", ConfidentialString),
    Column("strategy_description", ConfidentialText),
    Column("entry_price", FLOAT64),
    Column("stop_loss", FLOAT64),
    Column("target_price", FLOAT64),
    Column("entry_conditions", ConfidentialText),
    Column("exit_conditions", ConfidentialText),
    Column("timeframe", String),
    Column("status", EnumText(PlanStatus, 15), default=PlanStatus.DRAFT),
    Column("linked_trade_id", String, ForeignKey("trades.exec_id"), index=True),
    Column("account_id", String, ForeignKey("accounts.account_id"), index=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime),
    _one_of("direction", TradeAction),
    _one_of("conviction", ConvictionLevel),
    _one_of("status", PlanStatus),
    sqlite_autoincrement=True,
)
WATCHLISTS: Final = Table(
    "watchlists",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", ConfidentialString, index=True, nullable=False),
    Column("description", ConfidentialText),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime),
    sqlite_autoincrement=True,
)
WATCHLIST_ITEMS: Final = Table(
    "watchlist_items",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("watchlist_id", Integer, ForeignKey("watchlists.id"), index=True, nullable=False),
    Column("ticker", String, nullable=False),
    Column("added_at", UTCDateTime, nullable=False),
    Column("notes", ConfidentialText),
    sqlite_autoincrement=True,
)
BALANCE_SNAPSHOTS: Final = Table(
    "balance_snapshots",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account_id", String, ForeignKey("accounts.account_id"), nullable=False),
    Column("datetime", UTCDateTime, nullable=False),
    Column("balance", FLOAT64, nullable=False),
    Index(None, "account_id", "datetime", "id"),
    sqlite_autoincrement=True,
)
IMPORTS: Final = Table(
    "zorivest_imports",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("source", ConfidentialString, nullable=False),
    Column("sha256", ConfidentialString(64), index=True, nullable=False),
    Column("profile", String),
    Column("imported_at", UTCDateTime, nullable=False),
    Column("inserted", Integer, nullable=False),
    Column("duplicate", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    sqlite_autoincrement=True,
)
IMPORT_ROWS: Final = Table(
    "zorivest_import_rows",
    METADATA,
    Column("import_id", Integer, ForeignKey("zorivest_imports.id"), primary_key=True),
    Column("kind", String(30), primary_key=True),
    Column("key", String, primary_key=True, index=True),
    Column("before", ConfidentialText),
    Column("hash_after", ConfidentialString(64)),
)
SETTINGS: Final = Table(
    "settings",
    METADATA,
    Column("key", String, primary_key=True),
    Column("value", ConfidentialText),
    Column("value_type", String(20)),
    Column("updated_at", UTCDateTime),
    CheckConstraint("value_type IN ('str', 'int', 'float', 'bool', 'json')", name="value_type"),
)
MARKET_PROVIDER_SETTINGS: Final = Table(
    "market_provider_settings",
    METADATA,
    Column("provider_name", String, primary_key=True),
    Column("encrypted_api_key", ConfidentialText),
    Column("rate_limit", Integer, default=5),
    Column("timeout", Integer, default=30),
    Column("is_enabled", Boolean, default=False),
    Column("last_tested_at", UTCDateTime),
    Column("last_test_status", String(50)),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime),
    CheckConstraint("encrypted_api_key LIKE 'ENC:%'", name="encrypted_api_key"),
)


def is_set_aside(owner_id: str) -> bool:
    """Return whether an image is meant to have no owner, as its own was gone when the triggers came."""
    return owner_id.startswith(SET_ASIDE)


@event.listens_for(METADATA, "after_create")
def _after_create(_metadata: MetaData, connection: Connection, tables: Collection[Table], **_: Any) -> None:
    BACKENDS[connection.dialect.name].after_create(connection, tables)


@event.listens_for(METADATA, "after_drop")
def _after_drop(_metadata: MetaData, connection: Connection, tables: Collection[Table], **_: Any) -> None:
    BACKENDS[connection.dialect.name].after_drop(connection, tables)
