"""The schema of version 4, PostgreSQL's first: ``0004_initial.sql``."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = None


def upgrade() -> None:
    """Create everything."""
    # Statements are separated by an empty line: no function has one.
    for statement in Path(__file__).with_suffix(".sql").read_text("utf-8").rstrip().split(";\n\n"):
        op.execute(statement.removesuffix(";"))
