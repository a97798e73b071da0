"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables in an empty database."""
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("account_type", sa.String(20), nullable=False),
        sa.Column("institution", sa.String()),
        sa.Column("currency", sa.String(3)),
        sa.Column("is_tax_advantaged", sa.Boolean()),
        sa.Column("notes", sa.Text()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_accounts")),
        sa.CheckConstraint(
            "account_type IN ('broker', 'bank', 'revolving', 'installment', 'ira', '401k')",
            name=op.f("ck_accounts_account_type"),
        ),
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("owner_type", sa.String(20), nullable=False),
        sa.Column("owner_id", sa.String(), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary()),
        sa.Column("mime_type", sa.String(50)),
        sa.Column("caption", sa.Text()),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("file_size", sa.Integer()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.CheckConstraint("owner_type IN ('trade', 'report', 'plan')", name=op.f("ck_images_owner_type")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "market_provider_settings",
        sa.Column("provider_name", sa.String(), nullable=False),
        sa.Column("encrypted_api_key", sa.Text()),
        sa.Column("rate_limit", sa.Integer()),
        sa.Column("timeout", sa.Integer()),
        sa.Column("is_enabled", sa.Boolean()),
        sa.Column("last_tested_at", sa.DateTime()),
        sa.Column("last_test_status", sa.String(50)),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("provider_name", name=op.f("pk_market_provider_settings")),
        sa.CheckConstraint(
            "encrypted_api_key LIKE 'ENC:%'", name=op.f("ck_market_provider_settings_encrypted_api_key")
        ),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.Column("value_type", sa.String(20)),
        sa.Column("updated_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
        sa.CheckConstraint(
            "value_type IN ('str', 'int', 'float', 'bool', 'json')", name=op.f("ck_settings_value_type")
        ),
    )
    op.create_table(
        "watchlists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watchlists")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "balance_snapshots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("datetime", sa.DateTime(), nullable=False),
        sa.Column("balance", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_snapshots")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_balance_snapshots_account_id_accounts")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trades",
        sa.Column("exec_id", sa.String(), nullable=False),
        sa.Column("time", sa.DateTime(), nullable=False),
        sa.Column("instrument", sa.String(), nullable=False),
        sa.Column("action", sa.String(3), nullable=False),
        sa.Column("quantity", sa.Double(), nullable=False),
        sa.Column("price", sa.Double(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("commission", sa.Double()),
        sa.Column("realized_pnl", sa.Double()),
        sa.PrimaryKeyConstraint("exec_id", name=op.f("pk_trades")),
        sa.CheckConstraint("action IN ('BOT', 'SLD')", name=op.f("ck_trades_action")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name=op.f("fk_trades_account_id_accounts")),
    )
    op.create_table(
        "watchlist_items",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("watchlist_id", sa.Integer(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("notes", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watchlist_items")),
        sa.ForeignKeyConstraint(
            ["watchlist_id"], ["watchlists.id"], name=op.f("fk_watchlist_items_watchlist_id_watchlists")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trade_plans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("direction", sa.String(3), nullable=False),
        sa.Column("conviction", sa.String(10), nullable=False),
        sa.Column("strategy_name", sa.String()),
        sa.Column("strategy_description", sa.Text()),
        sa.Column("entry_price", sa.Double()),
        sa.Column("stop_loss", sa.Double()),
        sa.Column("target_price", sa.Double()),
        sa.Column("entry_conditions", sa.Text()),
        sa.Column("exit_conditions", sa.Text()),
        sa.Column("timeframe", sa.String()),
        sa.Column("status", sa.String(15)),
        sa.Column("linked_trade_id", sa.String()),
        sa.Column("account_id", sa.String()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_plans")),
        sa.CheckConstraint("direction IN ('BOT', 'SLD')", name=op.f("ck_trade_plans_direction")),
        sa.CheckConstraint("conviction IN ('low', 'medium', 'high', 'max')", name=op.f("ck_trade_plans_conviction")),
        sa.CheckConstraint(
            "status IN ('draft', 'active', 'executed', 'expired', 'cancelled')", name=op.f("ck_trade_plans_status")
        ),
        sa.ForeignKeyConstraint(
            ["linked_trade_id"], ["trades.exec_id"], name=op.f("fk_trade_plans_linked_trade_id_trades")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name=op.f("fk_trade_plans_account_id_accounts")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trade_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("trade_id", sa.String(), nullable=False),
        sa.Column("setup_quality", sa.Integer()),
        sa.Column("execution_quality", sa.Integer()),
        sa.Column("followed_plan", sa.Boolean()),
        sa.Column("emotional_state", sa.String()),
        sa.Column("lessons_learned", sa.Text()),
        sa.Column("tags", sa.Text()),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trade_reports")),
        sa.CheckConstraint("setup_quality BETWEEN 1 AND 5", name=op.f("ck_trade_reports_setup_quality")),
        sa.CheckConstraint("execution_quality BETWEEN 1 AND 5", name=op.f("ck_trade_reports_execution_quality")),
        sa.UniqueConstraint("trade_id", name=op.f("uq_trade_reports_trade_id")),
        sa.ForeignKeyConstraint(["trade_id"], ["trades.exec_id"], name=op.f("fk_trade_reports_trade_id_trades")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_balance_snapshots_account_id_datetime_id"), "balance_snapshots", ["account_id", "datetime", "id"]
    )
    op.create_index(op.f("ix_images_owner_type_owner_id_id"), "images", ["owner_type", "owner_id", "id"])
    op.create_index(op.f("ix_trade_plans_account_id"), "trade_plans", ["account_id"])
    op.create_index(op.f("ix_trade_plans_linked_trade_id"), "trade_plans", ["linked_trade_id"])
    op.create_index(op.f("ix_trade_plans_ticker"), "trade_plans", ["ticker"])
    op.create_index(op.f("ix_trades_account_id_time_exec_id"), "trades", ["account_id", "time", "exec_id"])
    op.create_index(op.f("ix_trades_instrument_time_exec_id"), "trades", ["instrument", "time", "exec_id"])
    op.create_index(op.f("ix_trades_time_exec_id"), "trades", ["time", "exec_id"])
    op.create_index(op.f("ix_watchlist_items_watchlist_id"), "watchlist_items", ["watchlist_id"])
    op.create_index(op.f("ix_watchlists_name"), "watchlists", ["name"])
