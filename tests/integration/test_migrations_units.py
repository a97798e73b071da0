"""The upgrade from version 3, which rebuilds the accounts and adds columns of trades: what users have added stays."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from files import contents_of
from kept_vaults import ACCOUNTS, COMPOSED, TRADES, assert_as_written, copy_of
from zorivest_async import SearchKind, Vault, VaultUpgradeError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import Credentials
from zorivest_async.vault.file_format import derive_file_key

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def older(folder: Path, *statements: str) -> Path:
    """Return a vault of version 3 after some statements of a user's."""

    def make() -> Path:
        path = copy_of("revision-3-default.vault", folder)
        key = derive_file_key(path, Credentials(COMPOSED))
        with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
            for statement in statements:
                raw.execute(statement)
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return path

    return await asyncio.to_thread(make)


async def rows_of(vault: Vault, statement: str) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    async with vault.read_engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


TAKEN = {
    **{
        column: ("trades", column)
        for column in (
            *("currency", "multiplier", "asset_class", "fees", "commission_currency", "notes", "order_id"),
            *("result_after_costs", "sequence", "NOTES"),
        )
    },
    "preview": ("images", "preview"),
}


@pytest.mark.parametrize(("table", "column"), TAKEN.values(), ids=TAKEN)
async def test_a_column_of_ones_own_with_a_new_name_is_named(tmp_path: Path, table: str, column: str) -> None:
    """Its values are not the library's; the vault stays as it is until the column is renamed."""
    path = await older(tmp_path, f"ALTER TABLE {table} ADD COLUMN {column} TEXT DEFAULT 'mine'")
    before = await contents_of(path)
    with pytest.raises(VaultUpgradeError, match="has the name of a new column") as caught:
        await Vault.open(path, passphrase=COMPOSED, create=False)
    assert [name.lower() for name in caught.value.objects] == [column.lower()]
    assert await contents_of(path) == before


@pytest.mark.parametrize("name", ["zorivest_imports", "zorivest_import_rows"])
async def test_a_table_with_the_name_of_a_new_one_is_named(tmp_path: Path, name: str) -> None:
    """Names that begin with ``zorivest_`` are the library's."""
    path = await older(tmp_path, f"CREATE TABLE {name} (x)")
    with pytest.raises(VaultUpgradeError) as caught:
        await Vault.open(path, passphrase=COMPOSED, create=False)
    assert caught.value.objects == (name,)


async def test_a_table_that_is_called_imports_is_ones_own(tmp_path: Path) -> None:
    """It is kept with its rows, and so are tables with the names of the new columns."""
    path = await older(
        tmp_path,
        "CREATE TABLE imports (id INTEGER PRIMARY KEY, source TEXT)",
        "INSERT INTO imports VALUES (7, 'mine')",
        "CREATE TABLE import_rows (x)",
        "CREATE TABLE notes (x)",
    )
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        await assert_as_written(vault)
        assert await rows_of(vault, "SELECT * FROM imports") == [(7, "mine")]


OBJECTS: dict[str, list[str]] = {
    "trigger on accounts": [
        "CREATE TABLE my_log (x)",
        "CREATE TRIGGER my_tr AFTER UPDATE OF name ON accounts BEGIN INSERT INTO my_log VALUES (NEW.name); END",
    ],
    "trigger that reads accounts": [
        "CREATE TABLE my_log (x)",
        "CREATE TRIGGER my_tr AFTER UPDATE ON accounts BEGIN INSERT INTO my_log SELECT max(name) FROM accounts; END",
    ],
    "view of accounts": ["CREATE VIEW my_v AS SELECT account_id, currency FROM accounts"],
    "view of accounts and trades": [
        "CREATE VIEW my_v AS SELECT t.*, a.currency AS money FROM trades t JOIN accounts a USING (account_id)"
    ],
    "index of accounts": ["CREATE UNIQUE INDEX my_ix ON accounts (name, currency)"],
    "index of trades": ["CREATE INDEX my_ix ON trades (realized_pnl) WHERE realized_pnl < 0"],
    "column of accounts": ["ALTER TABLE accounts ADD COLUMN broker_site TEXT COLLATE NOCASE DEFAULT 'x.example'"],
    "column of trades": ["ALTER TABLE trades ADD COLUMN mood TEXT DEFAULT 'calm'"],
    "reference to accounts": [
        "CREATE TABLE my_transfers (account TEXT REFERENCES accounts (account_id), amount)",
        "INSERT INTO my_transfers VALUES ('U1', 5)",
    ],
}


@pytest.mark.parametrize("statements", OBJECTS.values(), ids=OBJECTS)
async def test_what_is_ones_own_stays(tmp_path: Path, statements: list[str]) -> None:
    """With the same text, and working: accounts are rebuilt, and trades get columns."""
    own = "SELECT type, name, sql FROM sqlite_master WHERE name LIKE 'my_%' ORDER BY name"
    numbers = "SELECT account_id, rowid FROM accounts ORDER BY account_id"
    path = await older(tmp_path, *statements)

    def look() -> list[list[tuple[object, ...]]]:
        key = derive_file_key(path, Credentials(COMPOSED))
        with closing(open_cipher(vault_uri(path), key, ConnectionSettings(read_only=True))) as raw:
            return [raw.execute(statement).fetchall() for statement in (own, numbers)]

    before = await asyncio.to_thread(look)
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        await assert_as_written(vault)
        assert [await rows_of(vault, statement) for statement in (own, numbers)] == before
        async with vault.unit_of_work() as uow:
            await uow.accounts.update(replace(ACCOUNTS[0], name="renamed"))
            await uow.commit()
        if "trigger" in statements[-1].lower():
            assert await rows_of(vault, "SELECT x FROM my_log") == [("renamed",)]
        if "broker_site" in statements[-1]:
            assert await rows_of(vault, "SELECT DISTINCT broker_site FROM accounts") == [("x.example",)]
        if "mood" in statements[-1]:
            assert await rows_of(vault, "SELECT DISTINCT mood FROM trades") == [("calm",)]


async def test_an_upgraded_vault_has_the_new_units(tmp_path: Path) -> None:
    """Trades have none until they are updated; then they are stored, and their notes are found."""
    path = await older(tmp_path)
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        with_units = replace(
            TRADES[0], currency="USDT", multiplier=50, fees=0.1, notes="fat finger", realized_pnl=None, order_id="7"
        )
        async with vault.unit_of_work() as uow:
            await uow.trades.update(with_units)
            await uow.commit()
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.trades.get_one(with_units.exec_id) == with_units
            assert [(hit.kind, hit.id) for hit in await uow.search.find("fat")] == [
                (SearchKind.TRADE, with_units.exec_id)
            ]
        assert (await vault.verify()).ok
