"""A later release: the same models, and two more revisions, which rebuild tables and fill a new one."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

from zorivest_async.database.migrations import revisions
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.vault import file_format as vault_file
from zorivest_async.vault import store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from zorivest_async.security import VaultKey

VERSION = SCHEMA_VERSION + 2

_REVISION = '''
import sqlalchemy as sa
from alembic import op

revision = "{0:04}"
down_revision = "{1:04}"


def upgrade() -> None:
    """Do what this revision does."""
    {2}
'''

REBUILD_TABLES = """
    with op.batch_alter_table("trades", recreate="always") as trades:
        trades.add_column(sa.Column("venue", sa.String(), nullable=False, server_default="SMART"))
    with op.batch_alter_table("images", recreate="always", table_kwargs={"sqlite_autoincrement": True}) as images:
        images.alter_column("caption", type_=sa.String())
"""

FILL_A_TABLE = """
    op.create_table("venues", sa.Column("name", sa.String(), nullable=False), sa.PrimaryKeyConstraint("name"))
    op.execute("INSERT INTO venues SELECT DISTINCT venue FROM trades")
"""


def make_location(folder: Path, first: str = REBUILD_TABLES, second: str = FILL_A_TABLE) -> Path:
    """Copy the environment and its revisions, add two, and return where they are."""
    location = folder / "later-release"
    shutil.copytree(revisions.LOCATION, location, ignore=shutil.ignore_patterns("__pycache__"))
    for number, statements in ((VERSION - 1, first), (VERSION, second)):
        text = _REVISION.format(number, number - 1, statements.strip())
        (location / "versions" / f"{number:04}_later.py").write_text(text)
    return location


def become(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process open vaults as the later release would."""
    monkeypatch.setattr(revisions, "LOCATION", location)
    monkeypatch.setattr(store, "SCHEMA_VERSION", VERSION)
    monkeypatch.setattr(vault_file, "SCHEMA_VERSION", VERSION)


def query(path: Path, key: VaultKey, statement: str) -> list[tuple[object, ...]]:
    """Return the rows of a statement, past the library."""
    with closing(open_cipher(vault_uri(path), key, ConnectionSettings(read_only=True))) as raw:
        return raw.execute(statement).fetchall()
