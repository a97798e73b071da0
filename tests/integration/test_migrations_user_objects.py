"""Upgrading a vault in which users have made objects of their own: they are kept, or named, and nothing is changed.

Longer than other files for its tables of cases, which the tests share.
"""

# ruff: noqa: S608 - the statements are made of the names that stand here

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from factories import make_account, make_png, make_trades
from files import contents_of, names_in
from first_release import make_first_release_vault
from kept_vaults import COMPOSED, NAMES, assert_as_written, copy_of
from later_release import FILL_A_TABLE, REBUILD_TABLES, VERSION, become, make_location, query
from workers.ledger import KEY
from zorivest_async import ImageOwnerType, KdfProfile, Vault, VaultUpgradeError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import Credentials, VaultKey
from zorivest_async.vault.file_format import derive_file_key
from zorivest_async.vault.verify_report import CHEAPEST_NOTE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

TRADES = make_trades(5)
SCHEMA = (
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('view', 'trigger', 'index') AND name LIKE 'my%'"
)


def change(path: Path, key: VaultKey, *statements: str) -> None:
    """Change a vault past the library, with foreign keys on."""
    with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
        for statement in statements:
            raw.execute(statement)


def rows(path: Path, statement: str, key: VaultKey | None = None) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, past the library."""
    return query(path, key or VaultKey(KEY), statement)


@pytest_asyncio.fixture
async def old_vault(vault_path: Path) -> Path:
    """A closed vault of this release."""
    async with Vault.open(vault_path, key=KEY, profile=KdfProfile.CHEAPEST) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(TRADES)
        await uow.images.attach(ImageOwnerType.TRADE, TRADES[0].exec_id, make_png())
        await uow.commit()
    return vault_path


async def upgraded(path: Path, folder: Path, patch: pytest.MonkeyPatch, *revisions: str) -> Vault:
    """Open a vault as a later release does, whose revisions are these, and by default rebuild trades and images."""
    become(await asyncio.to_thread(make_location, folder, *revisions), patch)
    return await Vault.open(path, key=KEY, create=False)


OBJECTS: dict[str, list[str]] = {
    "trigger": [
        "CREATE TABLE my_log (x)",
        "CREATE TRIGGER my_tr AFTER INSERT ON trades BEGIN INSERT INTO my_log VALUES (NEW.exec_id); END",
    ],
    "trigger of another table": [
        "CREATE TABLE my_a (x)",
        "CREATE TRIGGER my_tr AFTER INSERT ON my_a BEGIN UPDATE trades SET price = 1 WHERE exec_id = NEW.x; END",
    ],
    "several triggers": [
        f"CREATE TRIGGER my_{moment}_{event} {moment} {event} ON trades BEGIN SELECT 1; END"
        for moment in ("BEFORE", "AFTER")
        for event in ("INSERT", "UPDATE OF price", "DELETE")
        for event in (event.split(" ", maxsplit=1)[0],)
    ],
    "view": ["CREATE VIEW my_v AS SELECT * FROM trades"],
    "view on a view": [
        "CREATE VIEW my_v AS SELECT exec_id, price FROM trades",
        "CREATE VIEW my_w AS SELECT sum(price) AS total FROM my_v JOIN images ON owner_id = exec_id",
    ],
    "view before what it reads": [
        "CREATE VIEW my_a AS SELECT * FROM my_b",
        "CREATE VIEW my_b AS SELECT caption FROM images",
    ],
    "trigger on a view": [
        "CREATE VIEW my_v AS SELECT exec_id, price FROM trades",
        "CREATE TRIGGER my_tr INSTEAD OF UPDATE OF price ON my_v BEGIN UPDATE trades SET price = NEW.price; END",
    ],
    "index": ["CREATE INDEX my_ix ON trades (price)"],
    "descending index with a collation": ["CREATE INDEX my_ix ON trades (instrument COLLATE NOCASE DESC, price DESC)"],
    "partial index of an expression": ["CREATE INDEX my_ix ON trades (abs(price)) WHERE price > 1"],
    "unique index": ["CREATE UNIQUE INDEX my_ix ON trades (exec_id DESC, price)"],
    "partial unique index": ["CREATE UNIQUE INDEX my_ix ON images (owner_id) WHERE caption IS NULL"],
    "index of JSON": ["CREATE INDEX my_ix ON images (json_extract(caption, '$.a')) WHERE json_valid(caption)"],
    "broken view": ["CREATE VIEW my_v AS SELECT * FROM gone"],
    "broken trigger": ["CREATE TRIGGER my_tr AFTER INSERT ON settings BEGIN INSERT INTO gone VALUES (1); END"],
    "names with quotes": [
        'CREATE VIEW "my ""v"" [1]" AS SELECT * FROM trades',
        "CREATE TRIGGER [my 'tr'] AFTER DELETE ON trades BEGIN SELECT 1; END",
        "CREATE INDEX `my ``ix`` on` ON trades (price)",
    ],
    "names that differ in case alone": [
        'CREATE VIEW "my_Ä" AS SELECT 1 FROM trades',
        'CREATE VIEW "my_ä" AS SELECT 2 FROM trades',
        "CREATE INDEX MY_ix ON TRADES (PRICE)",
        "CREATE TRIGGER my_IX AFTER DELETE ON Trades BEGIN SELECT 1; END",
    ],
    "comments": ["CREATE VIEW my_v -- of trades, 'all\nAS /* ON images */ SELECT * FROM trades -- the end"],
    "names that are words of SQL": [
        'CREATE TABLE "my on" ("of" TEXT, "update" TEXT)',
        'CREATE TRIGGER "my update of" AFTER UPDATE OF "of", "update" ON "my on" BEGIN DELETE FROM images; END',
    ],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("statements", OBJECTS.values(), ids=OBJECTS)
async def test_triggers_views_and_indexes_are_made_again(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    """By the statements that had made them, after both tables that they are about were rebuilt."""
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements)
    before = await asyncio.to_thread(rows, old_vault, SCHEMA)
    assert before
    async with await upgraded(old_vault, tmp_path, monkeypatch) as vault:
        assert (await vault.verify()).problems == ()
    assert sorted(await asyncio.to_thread(rows, old_vault, SCHEMA)) == sorted(before)
    assert await asyncio.to_thread(rows, old_vault, "PRAGMA user_version") == [(VERSION,)]


async def test_triggers_that_were_made_again_fire(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a rebuilt table and on a view of it; for what the revisions did, they did not."""
    statements = [*OBJECTS["trigger"], *OBJECTS["trigger on a view"][:1]]
    instead = OBJECTS["trigger on a view"][1].replace("my_tr", "my_instead")
    watching = "CREATE TRIGGER my_watch AFTER UPDATE ON trades BEGIN INSERT INTO my_log VALUES ('changed'); END"
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements, instead, watching)
    second = 'op.execute("UPDATE trades SET commission = 2.0")'
    vault = await upgraded(old_vault, tmp_path, monkeypatch, REBUILD_TABLES, second)
    async with vault, vault.engine.begin() as connection:
        logged = text("SELECT DISTINCT x FROM my_log")
        assert (await connection.execute(logged)).all() == []
        await connection.execute(text("UPDATE my_v SET price = 7 WHERE exec_id = :id"), {"id": TRADES[0].exec_id})
        assert (await connection.execute(logged)).scalars().all() == ["changed"]
        stored = await connection.execute(text("SELECT DISTINCT price, commission FROM trades"))
        assert stored.one() == (7.0, 2.0)


async def test_a_trigger_that_refuses_everything_does_not_stop_a_revision(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the owner's lock against hands, and not against the next release."""
    locked = "CREATE TRIGGER my_lock BEFORE UPDATE ON trades BEGIN SELECT RAISE(ABORT, 'trades are kept'); END"
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), locked)
    second = 'op.execute("UPDATE trades SET commission = 2.0")'
    await (await upgraded(old_vault, tmp_path, monkeypatch, REBUILD_TABLES, second)).aclose()
    assert await asyncio.to_thread(rows, old_vault, SCHEMA) == [("trigger", "my_lock", "trades", locked)]


TABLES: dict[str, list[str]] = {
    "foreign key": [
        "CREATE TABLE my_l (id INTEGER PRIMARY KEY, t REFERENCES trades (exec_id) ON DELETE CASCADE)",
        f"INSERT INTO my_l (t) VALUES ('{TRADES[0].exec_id}')",
    ],
    "foreign key to no column": ["CREATE TABLE my_l (t REFERENCES trades)", "INSERT INTO my_l VALUES (NULL)"],
    "foreign key that is broken": [
        "PRAGMA foreign_keys = OFF",
        "CREATE TABLE my_l (t REFERENCES trades)",
        "INSERT INTO my_l VALUES ('nothing')",
    ],
    "foreign key that matches no index": ["CREATE TABLE my_l (t REFERENCES trades (price))"],
    "foreign key to no table": ["CREATE TABLE my_l (t REFERENCES gone)"],
    "a version table of Alembic": [
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "INSERT INTO alembic_version VALUES ('abc123')",
    ],
    "full text": ["CREATE VIRTUAL TABLE my_fts USING fts5(a)", "INSERT INTO my_fts VALUES ('hello')"],
    "table with a trigger of its own": [
        "CREATE TABLE my_a (x)",
        "CREATE TABLE my_b (y)",
        "CREATE TRIGGER my_t AFTER INSERT ON my_a BEGIN INSERT INTO my_b VALUES (NEW.x); END",
        "INSERT INTO my_a VALUES (1)",
    ],
    "names with quotes": ['CREATE TABLE "my ""t""" ("a b" TEXT, "c""d" GENERATED ALWAYS AS ("a b" || 1))'],
}


@pytest.mark.parametrize("statements", TABLES.values(), ids=TABLES)
async def test_users_tables_are_as_they_were(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    """With their rows, also where something in them was broken before."""
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements)
    mine = "name LIKE 'my%' OR name = 'alembic_version'"
    tables = f"SELECT name, sql FROM sqlite_master WHERE type = 'table' AND ({mine}) ORDER BY name"
    before = await asyncio.to_thread(rows, old_vault, tables)
    contents = {name: await asyncio.to_thread(rows, old_vault, f'SELECT * FROM "{_inner(name)}"') for name, _ in before}
    await (await upgraded(old_vault, tmp_path, monkeypatch)).aclose()
    assert await asyncio.to_thread(rows, old_vault, tables) == before
    for name, stored in contents.items():
        assert await asyncio.to_thread(rows, old_vault, f'SELECT * FROM "{_inner(name)}"') == stored


def _inner(name: object) -> str:
    return str(name).replace('"', '""')


COLUMNS: dict[str, tuple[str, str]] = {
    "text": ("my_c TEXT", "'keep'"),
    "no type": ("my_c", "x'00ff'"),
    "another type": ("my_c MONEY(10, 2)", "12.5"),
    "default": ("my_c INTEGER DEFAULT 7", "8"),
    "default with marks": ("my_c TEXT DEFAULT 'b,('", "'c'"),
    "not null": ("my_c REAL NOT NULL DEFAULT 0.5", "1.5"),
    "collation": ("my_c TEXT COLLATE NOCASE", "'Keep'"),
    "check": ("my_c INTEGER CHECK (my_c IN (1, 2, 3))", "2"),
    "foreign key": ("my_c TEXT REFERENCES accounts (account_id) ON DELETE SET NULL", "'U1'"),
    "quotes": ('"my ""c"" [1]" TEXT', "'keep'"),
    "comment": ("my_c TEXT /* mine, (all */", "'keep'"),
    "generated": ("my_c REAL GENERATED ALWAYS AS (price * quantity) VIRTUAL", ""),
    "generated without a type": ("my_c AS (price * 2)", ""),
    "named rowid": ("rowid TEXT", "'keep'"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("definition", "value"), COLUMNS.values(), ids=COLUMNS)
async def test_columns_that_a_user_has_added_are_kept(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, definition: str, value: str
) -> None:
    """As they were written, with their values, and with indexes on them; a new row has their default."""
    name = '"my ""c"" [1]"' if "[1]" in definition else definition.split(maxsplit=1)[0]
    fill = [f"UPDATE trades SET {name} = {value} WHERE exec_id <> '{TRADES[1].exec_id}'"] if value else []
    index = f"CREATE INDEX my_ix ON trades ({name})"
    await asyncio.to_thread(
        change, old_vault, VaultKey(KEY), f"ALTER TABLE trades ADD COLUMN {definition}", *fill, index
    )
    stored = f"SELECT exec_id, {name}, typeof({name}) FROM trades ORDER BY exec_id"
    described = "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo('trades')"
    before, columns = (
        await asyncio.to_thread(rows, old_vault, stored),
        await asyncio.to_thread(rows, old_vault, described),
    )
    async with await upgraded(old_vault, tmp_path, monkeypatch) as vault:
        assert (await vault.verify()).problems == ()
        async with vault.unit_of_work() as uow:
            assert await uow.trades.list_all(limit=None) == TRADES[::-1]
            assert len(await uow.images.get_for_trade(TRADES[0].exec_id)) == 1
    assert await asyncio.to_thread(rows, old_vault, stored) == before
    assert set(columns) <= set(await asyncio.to_thread(rows, old_vault, described))
    assert await asyncio.to_thread(rows, old_vault, SCHEMA) == [("index", "my_ix", "trades", index)]
    ((sql,),) = await asyncio.to_thread(rows, old_vault, "SELECT sql FROM sqlite_master WHERE name = 'trades'")
    assert definition in str(sql)


async def test_columns_of_every_table_are_kept_and_indexes_and_triggers_of_the_library_too(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rebuilt table with AUTOINCREMENT among them; the numbers of deleted rows are not given again."""
    library = "SELECT type, name FROM sqlite_master WHERE name LIKE 'ix_%' OR name LIKE 'zorivest_%' ORDER BY name"
    before = await asyncio.to_thread(rows, old_vault, library)
    tables = ["accounts", "trades", "images", "settings", "watchlists", "trade_plans", "market_provider_settings"]
    added = [f"ALTER TABLE {table} ADD COLUMN my_c TEXT DEFAULT 'd'" for table in tables]
    expression = "ALTER TABLE settings ADD COLUMN my_e TEXT DEFAULT ('a' || ',(')"
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *added, expression, "DELETE FROM images")
    async with await upgraded(old_vault, tmp_path, monkeypatch) as vault:
        async with vault.unit_of_work() as uow:
            assert await uow.images.attach(ImageOwnerType.TRADE, TRADES[0].exec_id, make_png()) == 2
            await uow.commit()
        assert (await vault.verify()).problems == ()
    assert await asyncio.to_thread(rows, old_vault, library) == before
    assert await asyncio.to_thread(rows, old_vault, "SELECT my_c FROM images") == [("d",)]


async def test_constraints_that_a_user_has_added_to_a_table_are_kept(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by rebuilding the table, as SQLite's documentation says, by another program with its own way of quoting."""
    ((sql,),) = await asyncio.to_thread(rows, old_vault, "SELECT sql FROM sqlite_master WHERE name = 'settings'")
    again = re.sub(
        r"\)\s*$", ', "my_c" TEXT, UNIQUE ("my_c"), CHECK (my_c <> \',\'))', str(sql).replace(" VARCHAR", "\tvarchar")
    )
    # A column after a constraint is no SQL: it has to stand before the first.
    again = again.replace(', "my_c" TEXT', "", 1).replace("CONSTRAINT", '"my_c" TEXT,\nCONSTRAINT', 1)
    statements = (
        again.replace("CREATE TABLE settings", "CREATE TABLE other"),
        "DROP TABLE settings",
        "ALTER TABLE other RENAME TO settings",
        "INSERT INTO settings VALUES ('a', 'b', 'str', NULL, 'c')",
    )
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements)
    first = 'with op.batch_alter_table("settings", recreate="always") as settings: pass'
    await (
        await upgraded(old_vault, tmp_path, monkeypatch, first, FILL_A_TABLE.replace("venue", "instrument"))
    ).aclose()
    assert await asyncio.to_thread(rows, old_vault, "SELECT key, my_c FROM settings") == [("a", "c")]
    ((sql,),) = await asyncio.to_thread(rows, old_vault, "SELECT sql FROM sqlite_master WHERE name = 'settings'")
    assert 'UNIQUE ("my_c")' in str(sql)
    assert "CHECK (my_c <> ',')" in str(sql)


FULL_TEXT = (
    "CREATE VIRTUAL TABLE my_fts USING fts5(instrument, content = 'trades', content_rowid = 'rowid')",
    "INSERT INTO my_fts (my_fts) VALUES ('rebuild')",
)
CHECKED = "INSERT INTO my_fts (my_fts, rank) VALUES ('integrity-check', 1)"


@pytest.mark.parametrize("second", ["pass", "op.execute(\"UPDATE trades SET instrument = 'QQQ'\")"])
async def test_a_full_text_index_of_the_trades_agrees_with_them(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    """It names rows by their number, which a rebuilt table counts again, and its triggers do not see the revisions."""
    gap = f"DELETE FROM trades WHERE exec_id = '{TRADES[1].exec_id}'"
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), gap, *FULL_TEXT)
    numbers = "SELECT exec_id, rowid FROM trades ORDER BY exec_id"
    before = await asyncio.to_thread(rows, old_vault, numbers)
    await (await upgraded(old_vault, tmp_path, monkeypatch, REBUILD_TABLES, second)).aclose()
    assert await asyncio.to_thread(rows, old_vault, numbers) == before
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), CHECKED)


REBUILD = """
    with op.batch_alter_table("trades", recreate="always") as trades:
        {0}
"""
WITHOUT_COMMISSION = REBUILD.format('trades.drop_column("commission")')
RENAMED = REBUILD.format('trades.alter_column("commission", new_column_name="costs")')
OTHER_KEYS = "op.execute(\"UPDATE trades SET exec_id = 'x' || exec_id\")"
SAME_PRICES = 'op.execute("UPDATE trades SET price = 1")'
NEW_TABLE = 'op.create_table("my_t", sa.Column("x", sa.Integer(), primary_key=True))'
NEW_INDEX = 'op.create_index("my_ix", "trades", ["price"])'
NEW_COLUMN = REBUILD.format('trades.add_column(sa.Column("my_c", sa.String()))')

REFUSED: dict[str, tuple[str, list[str], str, str]] = {
    "view": (WITHOUT_COMMISSION, ["CREATE VIEW my_v AS SELECT commission FROM trades"], "my_v", "no such column"),
    "view on a view": (
        RENAMED,
        ["CREATE VIEW my_v AS SELECT commission FROM trades", "CREATE VIEW my_w AS SELECT * FROM my_v"],
        "my_w",
        "no such column",
    ),
    "trigger": (
        RENAMED,
        ["CREATE TRIGGER my_tr AFTER INSERT ON trades BEGIN SELECT NEW.commission; END"],
        "my_tr",
        "no such column",
    ),
    "trigger for a column": (
        RENAMED,
        ["CREATE TRIGGER my_tr AFTER UPDATE OF commission ON trades BEGIN SELECT 1; END"],
        "my_tr",
        "no such column: commission",
    ),
    "trigger of another table": (
        WITHOUT_COMMISSION,
        [
            "CREATE TABLE my_a (x)",
            "CREATE TRIGGER my_tr AFTER DELETE ON my_a BEGIN UPDATE trades SET commission = 0; END",
        ],
        "my_tr",
        "no such column",
    ),
    "index": (WITHOUT_COMMISSION, ["CREATE INDEX my_ix ON trades (commission)"], "my_ix", "no such column"),
    "unique index": (
        SAME_PRICES,
        ["UPDATE trades SET price = rowid", "CREATE UNIQUE INDEX my_ix ON trades (price)"],
        "my_ix",
        "UNIQUE",
    ),
    "generated column": (
        WITHOUT_COMMISSION,
        ["ALTER TABLE trades ADD COLUMN my_c AS (commission * 2)"],
        "my_c",
        "no such column",
    ),
    "rows with other keys": (OTHER_KEYS, ["ALTER TABLE trades ADD COLUMN my_c TEXT"], "my_c", "keys"),
    "table with a new name": (NEW_TABLE, ["CREATE TABLE MY_t (y)"], "MY_t", "rename what is named"),
    "view with a new name": (NEW_TABLE, ["CREATE VIEW MY_t AS SELECT 1"], "MY_t", "rename what is named"),
    "index with a new name": (NEW_INDEX, ["CREATE INDEX MY_IX ON images (id)"], "MY_IX", "rename what is named"),
    "column with a new name": (NEW_COLUMN, ["ALTER TABLE trades ADD COLUMN MY_C"], "my_c", "rename what is named"),
    "foreign key": (
        REBUILD.format('trades.alter_column("exec_id", new_column_name="id")'),
        ["CREATE TABLE my_l (t REFERENCES trades (exec_id))"],
        "my_l",
        "refer",
    ),
    "left by Alembic": (REBUILD_TABLES, ["CREATE TABLE _alembic_tmp_trades (x)"], "_alembic_tmp_trades", "rename"),
    "full text of a column": (
        WITHOUT_COMMISSION,
        [FULL_TEXT[0].replace("instrument", "commission"), FULL_TEXT[1]],
        "my_fts",
        "filled",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_kept_is_named_and_nothing_is_changed(
    old_vault: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, list[str], str, str],
) -> None:
    """The error says which object it is and what to do, and the release that wrote the vault still opens it."""
    revision, statements, name, reason = case
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements)
    before, names = await contents_of(old_vault), await names_in(old_vault.parent)
    with monkeypatch.context() as patch:
        with pytest.raises(VaultUpgradeError, match=reason) as caught:
            await upgraded(old_vault, tmp_path, patch, revision, "pass")
        assert name in caught.value.objects
        assert repr(name) in str(caught.value)
        assert "The vault is unchanged" in str(caught.value)
        assert "release that wrote the vault" in str(caught.value)
    assert await contents_of(old_vault) == before
    assert await names_in(old_vault.parent) == sorted([*names, "later-release"])
    async with Vault.open(old_vault, key=KEY, create=False) as vault, vault.unit_of_work(read_only=True) as uow:
        assert len(await uow.trades.list_all(limit=None)) == len(TRADES)


async def test_everything_that_stands_in_the_way_is_named_at_once(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the first of them, the attribute all."""
    names = [f"my_{number}" for number in range(8)]
    views = [f"CREATE VIEW {name} AS SELECT commission FROM trades" for name in names]
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *views)
    with pytest.raises(VaultUpgradeError, match="and 3 more") as caught:
        await upgraded(old_vault, tmp_path, monkeypatch, WITHOUT_COMMISSION, "pass")
    assert list(caught.value.objects) == names


CHANGED: dict[str, tuple[list[str], str]] = {
    "view in the place of a table": (
        ["DROP TABLE settings", "CREATE VIEW settings AS SELECT 1 AS key, 2 AS value"],
        "settings",
    ),
    "missing table": (["DROP TABLE settings"], "settings"),
    "missing column": (["ALTER TABLE settings DROP COLUMN updated_at"], "updated_at"),
    "renamed column": (["ALTER TABLE settings RENAME COLUMN value TO setting"], "value"),
    "another type": (["DROP TABLE settings", "CREATE TABLE settings (key PRIMARY KEY, value INTEGER)"], "value"),
}


@pytest.mark.parametrize(("statements", "named"), CHANGED.values(), ids=CHANGED)
async def test_a_changed_table_of_the_library_is_named_and_not_upgraded(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statements: list[str], named: str
) -> None:
    """Revisions are written for the tables that the library makes."""
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements)
    before = await contents_of(old_vault)
    with pytest.raises(VaultUpgradeError, match=named) as caught:
        await upgraded(old_vault, tmp_path, monkeypatch)
    assert "put back what another program has changed" in str(caught.value)
    assert await contents_of(old_vault) == before


async def test_missing_and_changed_indexes_and_triggers_of_the_library_are_made_as_they_should_be(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold nothing that could be lost; a revision may count on them."""
    statements = (
        "DROP INDEX ix_trades_time_exec_id",
        "DROP INDEX ix_watchlists_name",
        "CREATE INDEX ix_watchlists_name ON watchlists (id)",
        "DROP TRIGGER zorivest_images_of_trades_delete",
        "DROP TRIGGER zorivest_search_accounts_insert",
        "CREATE TRIGGER zorivest_search_accounts_insert AFTER INSERT ON accounts BEGIN DELETE FROM trades; END",
    )
    await asyncio.to_thread(change, old_vault, VaultKey(KEY), *statements)
    first = REBUILD.format('trades.drop_index("ix_trades_time_exec_id")')
    second = REBUILD.format('trades.create_index("ix_trades_time_exec_id", ["time", "exec_id"])')
    async with await upgraded(old_vault, tmp_path, monkeypatch, first, second) as vault:
        report = await vault.verify()
    assert report.problems == ()
    assert set(report.notes) <= {CHEAPEST_NOTE}


MINE = [
    *OBJECTS["trigger"],
    *(statement.replace("my_v", "my_view").replace("my_w", "my_wide") for statement in OBJECTS["view on a view"]),
    OBJECTS["partial index of an expression"][0],
    "ALTER TABLE accounts ADD COLUMN my_c TEXT COLLATE NOCASE DEFAULT 'mine'",
    "CREATE VIRTUAL TABLE my_fts USING fts5(a)",
    "INSERT INTO my_fts VALUES ('hello')",
    "CREATE TABLE my_l (a REFERENCES accounts (account_id))",
    "INSERT INTO my_l VALUES ('U1')",
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "CREATE TRIGGER search_of_mine AFTER INSERT ON images BEGIN SELECT 1; END",
]


@pytest.mark.parametrize("name", [name for name in NAMES if "default" in name])
async def test_a_kept_vault_with_users_objects_in_it_is_upgraded(tmp_path: Path, name: str) -> None:
    """Of every earlier revision; all that was written is there, and so are they."""
    path = await asyncio.to_thread(copy_of, name, tmp_path)
    key = await asyncio.to_thread(derive_file_key, path, Credentials(COMPOSED))
    await asyncio.to_thread(change, path, key, *MINE)
    mine = f"{SCHEMA} OR name = 'search_of_mine' OR sql LIKE 'CREATE TABLE alembic_version%' ORDER BY name"
    before = await asyncio.to_thread(rows, path, mine, key)
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        await assert_as_written(vault)
    assert await asyncio.to_thread(rows, path, mine, key) == before
    assert await asyncio.to_thread(rows, path, "SELECT DISTINCT my_c FROM accounts", key) == [("mine",)]
    assert await asyncio.to_thread(rows, path, "SELECT a FROM my_fts('hello')", key) == [("hello",)]


async def test_an_index_of_the_users_named_like_the_earlier_search_index_is_kept(vault_path: Path) -> None:
    """In a vault of version 1, where the library had no such names."""
    await asyncio.to_thread(make_first_release_vault, vault_path, KEY)
    statements = (
        "CREATE VIEW search AS SELECT * FROM trades",
        "CREATE INDEX search_rows ON trades (price)",
        "CREATE TRIGGER search_accounts_update AFTER UPDATE ON accounts BEGIN SELECT 1; END",
    )
    await asyncio.to_thread(change, vault_path, VaultKey(KEY), *statements)
    async with Vault.open(vault_path, key=KEY, create=False) as vault:
        assert (await vault.verify()).problems == ()
    found = await asyncio.to_thread(rows, vault_path, "SELECT sql FROM sqlite_master WHERE name LIKE 'search%'")
    assert sorted(sql for (sql,) in found) == sorted(statements)
