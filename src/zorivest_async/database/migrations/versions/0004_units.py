"""Units of executions, previews of images, and the tables of imports.

The triggers that index the notes of executions are created with the other triggers, after all revisions.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ASSET_CLASSES = "'stock', 'etf', 'option', 'future', 'forex', 'crypto', 'cfd', 'bond', 'fund', 'warrant', 'other'"


_ASSET_CLASSES = "'stock', 'etf', 'option', 'future', 'forex', 'crypto', 'cfd', 'bond', 'fund', 'warrant', 'other'"


def upgrade() -> None:
    """Add the columns and tables; a stored execution gets the multiplier 1 and no fees."""
    with op.batch_alter_table("accounts") as accounts:  # for which SQLite rebuilds the table, a small one
        accounts.alter_column("currency", existing_type=sa.String(3), type_=sa.String(12), existing_nullable=True)
    for column in (
        "currency VARCHAR(12)",
        "multiplier DOUBLE DEFAULT '1.0' NOT NULL",
        f"asset_class VARCHAR(10) CONSTRAINT ck_trades_asset_class CHECK (asset_class IN ({_ASSET_CLASSES}))",
        "fees DOUBLE DEFAULT '0.0' NOT NULL",
        "commission_currency VARCHAR(12)",
        "notes TEXT",
        "order_id VARCHAR",
        "result_after_costs BOOLEAN",
        "sequence INTEGER",
    ):
        op.execute(f"ALTER TABLE trades ADD COLUMN {column}")
    op.add_column("images", sa.Column("preview", sa.LargeBinary(), nullable=True))
    op.create_table(
        "zorivest_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("profile", sa.String()),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.Column("inserted", sa.Integer(), nullable=False),
        sa.Column("duplicate", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zorivest_imports")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_zorivest_imports_sha256"), "zorivest_imports", ["sha256"])
    op.create_table(
        "zorivest_import_rows",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("hash_after", sa.String(64)),
        sa.PrimaryKeyConstraint("import_id", "kind", "key", name=op.f("pk_zorivest_import_rows")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["zorivest_imports.id"], name=op.f("fk_zorivest_import_rows_import_id_zorivest_imports")
        ),
    )
    op.create_index(op.f("ix_zorivest_import_rows_key"), "zorivest_import_rows", ["key"])
