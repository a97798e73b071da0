"""The schema's history: it leads to the models, developers can add to it, and users do not pay for it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, String, create_engine
from sqlcipher3 import dbapi2 as sqlcipher

from comparing import comparable
from later_release import make_location
from zorivest_async.database import tables
from zorivest_async.database.migrations import __main__ as commands
from zorivest_async.database.migrations import revisions
from zorivest_async.database.migrations.history import make_triggers_again
from zorivest_async.database.migrations.revisions import alembic_config, at_head, fresh_database_at, head_version
from zorivest_async.database.models import AccountModel
from zorivest_async.database.sqlcipher.search_schema import SEARCH_TABLES
from zorivest_async.database.tables import METADATA, SCHEMA_VERSION
from zorivest_async.vault.file_format import create_schema

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the environment and the package's own revisions, to which commands may write."""
    location = make_location(tmp_path)
    for later in (location / "versions").glob("*_later.py"):
        later.unlink()
    monkeypatch.setattr(revisions, "LOCATION", location)
    return location / "versions"


@pytest.fixture
def changed_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models with one more column, as a developer would have added it."""
    metadata = MetaData(naming_convention=METADATA.naming_convention)
    for table in METADATA.sorted_tables:
        table.to_metadata(metadata)
    metadata.tables["accounts"].append_column(Column("broker_url", String))
    monkeypatch.setattr(tables, "METADATA", metadata)


def test_the_revisions_make_exactly_what_a_new_vault_has() -> None:
    """Part by part: checks and AUTOINCREMENT too, which Alembic does not compare."""
    with (
        closing(sqlcipher.connect(":memory:", isolation_level=None)) as created,
        closing(sqlcipher.connect(":memory:", isolation_level=None)) as upgraded,
    ):
        create_schema(created)
        with at_head(upgraded):
            make_triggers_again(upgraded)  # which a table that was rebuilt has lost
        assert comparable(upgraded) == comparable(created)
        assert upgraded.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_alembic_finds_no_difference_between_models_and_head() -> None:
    """Neither by its check nor by its comparison with a vault made from the models."""
    with fresh_database_at() as connection:
        command.check(alembic_config(connection))
        options = {"include_name": lambda name, kind, _parents: not (kind == "table" and name in SEARCH_TABLES)}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []


def test_versions_are_numbered_without_a_gap() -> None:
    """Revision 0007 leads from version 6 to version 7, and the models are those of the last."""
    history = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    numbers = [(script.revision, script.down_revision) for script in reversed(list(history))]
    versions = range(1, SCHEMA_VERSION + 1)
    assert numbers == [(f"{version:04}", f"{version - 1:04}" if version > 1 else None) for version in versions]
    assert head_version() == SCHEMA_VERSION


def test_a_vault_keeps_no_table_of_alembics() -> None:
    """The version has one place, user_version; Alembic's table is temporary, and may be made again."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for _ in range(2):
            command.upgrade(alembic_config(connection), "head")
        found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name LIKE '%alembic%'").all()
        assert found == []
    engine.dispose()


def test_a_location_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks, colons and per cent signs mean nothing."""
    folder = tmp_path / "100% a: b, c"
    folder.mkdir()
    monkeypatch.setattr(revisions, "LOCATION", make_location(folder))
    assert head_version() == SCHEMA_VERSION + 2


def test_opening_a_vault_does_not_import_alembic() -> None:
    """It takes longer to import than everything else takes to run."""
    program = """
import asyncio, sys, tempfile
from pathlib import Path
from zorivest_async import KdfProfile, Vault

async def main():
    path = Path(tempfile.mkdtemp()) / "journal.vault"
    for _ in range(2):
        async with Vault.open(path, passphrase="passphrase", profile=KdfProfile.CHEAPEST):
            pass

asyncio.run(main())
sys.exit("alembic" in sys.modules)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_next_revision_is_empty_where_no_model_has_changed(elsewhere: Path) -> None:
    """It has the next number and goes on from the last."""
    assert commands.main(["revision", "-m", "Nothing at all"]) == 0
    text = (elsewhere / f"{SCHEMA_VERSION + 1:04}_nothing_at_all.py").read_text()
    assert f'revision = "{SCHEMA_VERSION + 1:04}"\ndown_revision = "{SCHEMA_VERSION:04}"' in text
    assert "op." not in text
    assert head_version() == SCHEMA_VERSION + 1


@pytest.mark.usefixtures("changed_models")
def test_the_next_revision_has_what_has_changed(elsewhere: Path) -> None:
    """In a batch, with SQLAlchemy's types, and it runs."""
    assert commands.main(["check"]) == 1
    assert commands.main(["revision", "-m", "Where a broker is found."]) == 0
    (file,) = elsewhere.glob(f"{SCHEMA_VERSION + 1:04}_*.py")
    text = file.read_text()
    assert "batch_op.add_column(sa.Column('broker_url', sa.String(), nullable=True))" in text
    assert text.startswith('"""Where a broker is found."""\n')
    assert commands.main(["check"]) == 0


@pytest.mark.usefixtures("elsewhere")
def test_a_revision_does_not_depend_on_the_librarys_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may have changed by the time it runs: a table is written with the plain types under them."""
    metadata = MetaData(naming_convention=METADATA.naming_convention)
    METADATA.tables["trade_reports"].to_metadata(metadata, name="reviews")
    METADATA.tables["trades"].to_metadata(metadata)
    METADATA.tables["accounts"].to_metadata(metadata)
    monkeypatch.setattr(tables, "METADATA", metadata)
    commands.main(["revision", "-m", "reviews"])
    (file,) = (revisions.LOCATION / "versions").glob("*_reviews.py")
    text = file.read_text()
    assert "sa.Column('tags', sa.Text(), nullable=True)" in text
    assert "sa.Column('created_at', sa.DateTime(timezone=True), nullable=False)" in text
    assert "zorivest_async" not in text


def test_the_command_runs_as_a_module() -> None:
    """As the documentation says; in the package itself there is nothing to add."""
    arguments = [sys.executable, "-m", "zorivest_async.database.migrations", "check"]
    finished = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert finished.returncode == 0
    assert AccountModel.__tablename__ not in finished.stdout + finished.stderr
