"""Vaults whose schema another program has changed: ``verify`` names the change, and ``restore`` refuses the backup."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from command_line import run_vault_command
from factories import make_account, make_trades
from files import contents_of, names_in
from kept_vaults import COMPOSED, NAMES, copy_of
from workers.ledger import KEY
from zorivest_async import KdfProfile, Vault, VaultSchemaError, VerifyReport
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import VaultKey
from zorivest_async.vault.verify_report import CHEAPEST_NOTE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

TRADES = make_trades(3)

INSTEAD = (
    "PRAGMA legacy_alter_table = ON",
    "PRAGMA foreign_keys = OFF",
    "ALTER TABLE trades RENAME TO real_trades",
    "CREATE VIEW trades AS SELECT * FROM real_trades",
)
FORGED = "INSERT INTO sqlite_master VALUES ('trigger', 'sqlite_stat9', 'trades', 0, 'CREATE TRIGGER sqlite_stat9 {0}')"
PRICES = "AFTER INSERT ON trades BEGIN UPDATE trades SET price = price * 2 WHERE exec_id = NEW.exec_id; END"


def rebuilt(table: str, before: str, after: str) -> tuple[str, ...]:
    """Return statements that change the text of a table's definition, as SQLite's documentation allows it."""
    change = f"UPDATE sqlite_master SET sql = replace(sql, '{before}', '{after}') WHERE name = '{table}'"  # noqa: S608
    return ("PRAGMA writable_schema = ON", change, "PRAGMA writable_schema = RESET")


CHANGES: dict[str, tuple[tuple[str, ...], str]] = {
    "missing trigger": (("DROP TRIGGER zorivest_images_of_trades_delete",), "zorivest_images_of_trades_delete"),
    "changed trigger": (
        ("DROP TRIGGER zorivest_search_accounts_insert", f"CREATE TRIGGER zorivest_search_accounts_insert {PRICES}"),
        "zorivest_search_accounts_insert",
    ),
    "view in the place of a table": (INSTEAD, "trades is a view"),
    "virtual table in the place of a table": (
        ("DROP TABLE settings", "CREATE VIRTUAL TABLE settings USING fts5(key, value, value_type, updated_at)"),
        "settings",
    ),
    "missing table": (("DROP TABLE settings",), "settings"),
    "missing column": (("ALTER TABLE settings DROP COLUMN updated_at",), "updated_at"),
    "retyped column": (rebuilt("settings", "updated_at DATETIME", "updated_at INTEGER"), "updated_at"),
    "column with a collation": (rebuilt("settings", "value TEXT", "value TEXT COLLATE NOCASE"), "value"),
    "nullable column": (rebuilt("trades", "price DOUBLE NOT NULL", "price DOUBLE"), "price"),
    "column whose constraint is a name": (rebuilt("trades", "price DOUBLE NOT", 'price DOUBLE "NOT"'), "price"),
    "constraint that replaces": (
        rebuilt("trades", "price DOUBLE NOT NULL", "price DOUBLE NOT NULL ON CONFLICT REPLACE"),
        "price",
    ),
    "missing check": (rebuilt("trades", "CHECK (action IN", "CHECK (1 OR action IN"), "ck_trades_action"),
    "missing foreign key": (
        rebuilt("trades", "FOREIGN KEY(account_id) REFERENCES accounts (account_id)", "CHECK (1)"),
        "fk_trades_account_id_accounts",
    ),
    "foreign key that deletes": (
        rebuilt("trades", "REFERENCES accounts (account_id)", "REFERENCES accounts (account_id) ON DELETE CASCADE"),
        "fk_trades_account_id_accounts",
    ),
    "missing index": (("DROP INDEX ix_trades_time_exec_id",), "ix_trades_time_exec_id"),
    "index of another column": (
        ("DROP INDEX ix_watchlists_name", "CREATE UNIQUE INDEX ix_watchlists_name ON watchlists (id)"),
        "ix_watchlists_name",
    ),
    "another search index": (
        ("DROP TABLE zorivest_search", "CREATE VIRTUAL TABLE zorivest_search USING fts5(notes, content = 'trades')"),
        "zorivest_search",
    ),
}
"""Statements, and what they make ``verify`` call a problem."""

ADDITIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "trigger": ((f"CREATE TRIGGER prices {PRICES}",), "'prices' on 'trades'"),
    "trigger under a name of the library's": ((f"CREATE TRIGGER zorivest_prices {PRICES}",), "zorivest_prices"),
    "trigger of another table": (
        ("CREATE TABLE own (x)", "CREATE TRIGGER mine AFTER INSERT ON own BEGIN UPDATE 'TRADES' SET price = 1; END"),
        "mine",
    ),
    "trigger of a view": (
        (
            "CREATE VIEW seen AS SELECT * FROM trades",
            "CREATE TRIGGER mine INSTEAD OF DELETE ON seen BEGIN DELETE FROM trades; END",
        ),
        "mine",
    ),
    "trigger on the search index": (
        ("CREATE TRIGGER mine AFTER DELETE ON zorivest_search_rows BEGIN SELECT 1; END",),
        "mine",
    ),
    "trigger under a name of SQLite's": (
        ("PRAGMA writable_schema = ON", FORGED.format(PRICES)),
        "sqlite_stat9",
    ),
    "column that replaces rows": (
        ("CREATE TABLE own AS SELECT 1", *rebuilt("settings", "value TEXT", "value TEXT, mine TEXT CHECK (mine <> 1)")),
        "mine",
    ),
    "check": (rebuilt("settings", 'PRIMARY KEY ("key")', 'PRIMARY KEY ("key"), CHECK (value <> 1)'), "settings"),
    "unique index": (("CREATE UNIQUE INDEX mine ON trades (exec_id, price)",), "mine"),
}
"""Statements, and what they make ``verify`` note."""

HARMLESS = (
    "CREATE TABLE my_t (x REFERENCES trades (exec_id))",
    "CREATE TABLE my_u (y)",
    "CREATE TRIGGER my_tr AFTER INSERT ON my_t BEGIN INSERT INTO my_u VALUES (NEW.x); END",
    "CREATE VIEW my_v AS SELECT * FROM trades",
    "CREATE INDEX my_ix ON trades (price)",
    "CREATE VIRTUAL TABLE my_fts USING fts5(a)",
    "ALTER TABLE trades ADD COLUMN my_c TEXT COLLATE NOCASE DEFAULT 'x'",
    "ANALYZE",
)


def change(path: Path, key: VaultKey, *statements: str) -> None:
    """Change a vault past the library."""
    with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
        for statement in statements:
            raw.execute(statement)


@pytest_asyncio.fixture
async def path(vault_path: Path) -> Path:
    """A closed vault."""
    async with Vault.open(vault_path, key=KEY, profile=KdfProfile.CHEAPEST) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(TRADES)
        await uow.commit()
    return vault_path


def about_schema(report: VerifyReport) -> list[str]:
    """Return the notes of a report that are not about the key derivation, which is a test's."""
    return [note for note in report.notes if note != CHEAPEST_NOTE]


async def assert_restored_only_if_asked_for(backup: Path, named: str) -> None:
    """It is refused with what is wrong, and nothing is made; asked for, it is restored as it is."""
    target = backup.with_name("restored.vault")
    before, names = await contents_of(backup), await names_in(backup.parent)
    with pytest.raises(VaultSchemaError, match="allow_changed_schema=True") as caught:
        await Vault.restore(backup, target, key=KEY)
    assert caught.value.path == str(backup)
    assert any(named in finding for finding in caught.value.findings)
    assert named in str(caught.value)
    assert await names_in(backup.parent) == names
    await Vault.restore(backup, target, key=KEY, allow_changed_schema=True)
    assert await contents_of(backup) == before
    assert target.name in await names_in(backup.parent)


@pytest.mark.parametrize(("statements", "named"), CHANGES.values(), ids=CHANGES)
async def test_a_change_of_the_schema_is_a_problem(path: Path, statements: tuple[str, ...], named: str) -> None:
    """In one line that names it, and a backup with it is restored only if that is asked for."""
    await asyncio.to_thread(change, path, VaultKey(KEY), *statements)
    async with Vault.open(path, key=KEY, create=False) as vault:
        report = await vault.verify()
    assert any("another program has changed the schema: " in line and named in line for line in report.problems)
    assert not report.ok
    await assert_restored_only_if_asked_for(path, named)


@pytest.mark.parametrize(("statements", "named"), ADDITIONS.values(), ids=ADDITIONS)
async def test_an_addition_with_a_say_in_what_is_stored_is_noted(
    path: Path, statements: tuple[str, ...], named: str
) -> None:
    """It may be the owner's own, and it is no problem; a backup with it is restored only if that is asked for."""
    await asyncio.to_thread(change, path, VaultKey(KEY), *statements)
    async with Vault.open(path, key=KEY, create=False) as vault:
        report = await vault.verify()
    assert any(named in note for note in report.notes)
    assert not any("another program" in problem for problem in report.problems)
    await assert_restored_only_if_asked_for(path, named)


async def test_what_has_no_say_in_what_is_stored_is_not_mentioned(path: Path) -> None:
    """Tables, views, indexes and columns of the owner's own, and what SQLite makes by itself."""
    await asyncio.to_thread(change, path, VaultKey(KEY), *HARMLESS)
    async with Vault.open(path, key=KEY, create=False) as vault:
        report = await vault.verify()
        assert (report.problems, about_schema(report)) == ((), [])
        await vault.backup(path.with_name("backup.vault"))
    await Vault.restore(path.with_name("backup.vault"), path, key=KEY)


async def test_another_way_of_writing_a_definition_is_no_change(path: Path) -> None:
    """Blanks, comments, upper case and quotes mean nothing; a table that was altered has other ones."""
    statements = (
        *rebuilt("trades", "price DOUBLE", "[Price] /* , */ double -- (\n"),
        *rebuilt("settings", "CONSTRAINT", "constraint"),
        "PRAGMA foreign_keys = OFF",
        "ALTER TABLE watchlists RENAME TO other",
        "ALTER TABLE other RENAME TO watchlists",
    )
    await asyncio.to_thread(change, path, VaultKey(KEY), *statements)
    async with Vault.open(path, key=KEY, create=False) as vault:
        report = await vault.verify()
    assert (report.problems, about_schema(report)) == ((), [])


async def test_a_vault_in_memory_is_compared_too(vault: Vault) -> None:
    """And a fresh one has nothing that is not the library's."""
    async with Vault.in_memory() as memory:
        for fresh in (vault, memory):
            report = await fresh.verify()
            assert (report.problems, about_schema(report)) == ((), [])


@pytest.mark.parametrize("name", NAMES)
async def test_a_backup_of_every_earlier_revision_is_compared_with_its_own_schema(tmp_path: Path, name: str) -> None:
    """It is restored as it is, and upgraded when it is opened."""
    backup = await asyncio.to_thread(copy_of, name, tmp_path)
    await Vault.restore(backup, tmp_path / "restored.vault", passphrase=COMPOSED)


@pytest.mark.parametrize("version", [0, -1])
async def test_a_version_that_no_release_writes_is_named(path: Path, version: int) -> None:
    """It would have all revisions run again, over tables that are there."""
    await asyncio.to_thread(change, path, VaultKey(KEY), f"PRAGMA user_version = {version}")
    with pytest.raises(VaultSchemaError, match="version"):
        await Vault.restore(path, path.with_name("restored.vault"), key=KEY)


def _made_with_passphrase(path: Path) -> None:
    async def make() -> None:
        vault = await Vault.open(path, passphrase="passphrase", profile=KdfProfile.CHEAPEST)
        async with vault, vault.engine.begin() as connection:
            await connection.exec_driver_sql(f"CREATE TRIGGER prices {PRICES}")

    asyncio.run(make())


async def test_the_command_line_refuses_it_unless_asked(tmp_path: Path) -> None:
    """``verify`` warns of the addition and ends with 0; ``restore`` has an option."""
    backup, target = tmp_path / "backup.vault", tmp_path / "journal.vault"
    await asyncio.to_thread(_made_with_passphrase, backup)

    async def run(*arguments: str) -> tuple[int, str, str]:
        done = await asyncio.to_thread(run_vault_command, *arguments, passphrase="passphrase", cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    code, _, errors = await run("verify", str(backup))
    assert code == 0
    assert f"warning: {backup}: not the library's: the trigger 'prices' on 'trades'" in errors
    code, _, errors = await run("restore", str(backup), str(target))
    assert code == 7
    assert "--allow-changed-schema" in errors
    assert not await asyncio.to_thread(target.exists)
    code, _, _ = await run("restore", str(backup), str(target), "--allow-changed-schema")
    assert code == 0
