"""A journal as the synchronous project keeps it: a plaintext SQLite file with the tables of its declared models."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
)

if TYPE_CHECKING:
    from pathlib import Path

Rows: TypeAlias = dict[str, list[dict[str, Any]]]

_METADATA = MetaData()

# The columns are those of the seed's models, in their order and with their types and constraints.
_TABLES = (
    Table(
        "trades",
        _METADATA,
        Column("exec_id", String, primary_key=True),
        Column("time", DateTime, nullable=False),
        Column("instrument", String, nullable=False),
        Column("action", String(3), nullable=False),
        Column("quantity", Float, nullable=False),
        Column("price", Float, nullable=False),
        Column("account_id", String, ForeignKey("accounts.account_id"), nullable=False),
        Column("commission", Float, default=0.0),
        Column("realized_pnl", Float, default=0.0),
    ),
    Table(
        "images",
        _METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("owner_type", String(20), nullable=False, index=True),
        Column("owner_id", String, nullable=False, index=True),
        Column("data", LargeBinary, nullable=False),
        Column("thumbnail", LargeBinary, nullable=True),
        Column("mime_type", String(50), default="image/png"),
        Column("caption", Text, nullable=True),
        Column("width", Integer, nullable=True),
        Column("height", Integer, nullable=True),
        Column("file_size", Integer, nullable=True),
        Column("created_at", DateTime, nullable=False),
    ),
    Table(
        "accounts",
        _METADATA,
        Column("account_id", String, primary_key=True),
        Column("name", String, nullable=False),
        Column("account_type", String(20), nullable=False),
        Column("institution", String, nullable=True),
        Column("currency", String(3), default="USD"),
        Column("is_tax_advantaged", Boolean, default=False),
        Column("notes", Text, nullable=True),
        Column("created_at", DateTime, nullable=False),
    ),
    Table(
        "trade_reports",
        _METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("trade_id", String, ForeignKey("trades.exec_id"), unique=True, nullable=False),
        Column("setup_quality", Integer, nullable=True),
        Column("execution_quality", Integer, nullable=True),
        Column("followed_plan", Boolean, nullable=True),
        Column("emotional_state", String, nullable=True),
        Column("lessons_learned", Text, nullable=True),
        Column("tags", Text, nullable=True),
        Column("created_at", DateTime, nullable=False),
    ),
    Table(
        "trade_plans",
        _METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("ticker", String, nullable=False, index=True),
        Column("direction", String(3), nullable=False),
        Column("conviction", String(10), nullable=False),
        Column("strategy_name", String, nullable=True),
        Column("strategy_description", Text, nullable=True),
        Column("entry_price", Float, nullable=True),
        Column("stop_loss", Float, nullable=True),
        Column("target_price", Float, nullable=True),
        Column("entry_conditions", Text, nullable=True),
        Column("exit_conditions", Text, nullable=True),
        Column("timeframe", String, nullable=True),
        Column("status", String(15), default="draft"),
        Column("linked_trade_id", String, ForeignKey("trades.exec_id"), nullable=True),
        Column("account_id", String, ForeignKey("accounts.account_id"), nullable=True),
        Column("created_at", DateTime, nullable=False),
        Column("updated_at", DateTime, nullable=True),
    ),
    Table(
        "watchlists",
        _METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("name", String, nullable=False),
        Column("description", Text, nullable=True),
        Column("created_at", DateTime, nullable=False),
        Column("updated_at", DateTime, nullable=True),
    ),
    Table(
        "watchlist_items",
        _METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("watchlist_id", Integer, ForeignKey("watchlists.id"), nullable=False),
        Column("ticker", String, nullable=False),
        Column("added_at", DateTime, nullable=False),
        Column("notes", Text, nullable=True),
    ),
    Table(
        "balance_snapshots",
        _METADATA,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("account_id", String, ForeignKey("accounts.account_id"), nullable=False),
        Column("datetime", DateTime, nullable=False),
        Column("balance", Float, nullable=False),
    ),
    Table(
        "settings",
        _METADATA,
        Column("key", String, primary_key=True),
        Column("value", Text),
        Column("value_type", String(20)),
        Column("updated_at", DateTime),
    ),
    Table(
        "market_provider_settings",
        _METADATA,
        Column("provider_name", String, primary_key=True),
        Column("encrypted_api_key", Text, nullable=True),
        Column("rate_limit", Integer, default=5),
        Column("timeout", Integer, default=30),
        Column("is_enabled", Boolean, default=False),
        Column("last_tested_at", DateTime, nullable=True),
        Column("last_test_status", String(50), nullable=True),
        Column("created_at", DateTime, nullable=False),
        Column("updated_at", DateTime, nullable=True),
    ),
)

NOON = "2024-03-08 12:00:00.000000"
"""As SQLAlchemy writes a naive datetime to SQLite."""

SOUND: Rows = {
    "accounts": [
        {"account_id": "U1", "name": "Margin", "account_type": "broker", "currency": "EUR", "is_tax_advantaged": 1}
    ],
    "trades": [
        {"exec_id": "T1", "instrument": "SPY", "action": "BOT", "quantity": 100, "price": 513.07, "account_id": "U1"},
        {"exec_id": "T2", "instrument": "SPY", "action": "SLD", "quantity": 0.5, "price": -1.5, "account_id": "U1"},
    ],
    "trade_reports": [{"id": 7, "trade_id": "T1", "setup_quality": 4, "followed_plan": 0, "tags": '["gap", "ü"]'}],
    "trade_plans": [{"id": 8, "ticker": "QQQ", "direction": "BOT", "conviction": "max", "linked_trade_id": "T2"}],
    "watchlists": [{"id": 9, "name": "Chips"}],
    "watchlist_items": [{"id": 5, "watchlist_id": 9, "ticker": "NVDA"}, {"id": 6, "watchlist_id": 9, "ticker": "AMD"}],
    "balance_snapshots": [{"id": 3, "account_id": "U1", "balance": -0.1}],
    "settings": [
        {"key": "theme", "value": "dark", "value_type": "str"},
        {"key": "risk", "value": "0.1", "value_type": "float"},
        {"key": "panes", "value": '{"a": [1, null]}', "value_type": "json"},
    ],
    "market_provider_settings": [{"provider_name": "Alpha", "rate_limit": 3, "timeout": 9, "is_enabled": 1}],
    "zorivest_imports": [],
    "zorivest_import_rows": [],
    "images": [],
}
"""Rows that a vault takes as they are, times apart."""

_FILLED: dict[str, dict[str, Any]] = {
    "trades": {"time": NOON, "commission": 1.25, "realized_pnl": 0.0},
    "trade_plans": {"created_at": NOON, "status": "active"},
    "watchlist_items": {"added_at": NOON},
    "balance_snapshots": {"datetime": NOON},
    "settings": {"updated_at": NOON},
}


def make_plaintext(path: Path, *more: Rows) -> Path:
    """Make a file with the sound rows and more; of a row that is there already, given columns are changed."""
    engine = create_engine(f"sqlite:///{path}")
    _METADATA.create_all(engine)
    engine.dispose()
    with closing(sqlite3.connect(path)) as raw, raw:
        for rows in (SOUND, *more):
            for table, changes in rows.items():
                for row in changes:
                    _write(raw, table, row)
    return path


def _write(raw: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    key = next(iter(row))
    changes = ", ".join(f'"{column}" = ?' for column in row)
    if not raw.execute(f"UPDATE {table} SET {changes} WHERE {key} = ?", [*row.values(), row[key]]).rowcount:  # noqa: S608
        filled = _FILLED.get(table, {"created_at": NOON}) | row
        columns = ", ".join(f'"{column}"' for column in filled)
        marks = ", ".join("?" * len(filled))
        raw.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(filled.values()))  # noqa: S608
