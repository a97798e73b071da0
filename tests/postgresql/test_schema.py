"""PostgreSQL's schema: derived from the models, made by the revisions, and in effect that of a vault's file."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from catalogs import described
from journal_databases import journal_database_on
from zorivest_async import ConfigurationError
from zorivest_async.database.migrations import postgresql as revisions
from zorivest_async.database.models import SCHEMA_VERSION, Base
from zorivest_async.database.postgresql.confidentiality import CONFIDENTIALITY, Confidentiality
from zorivest_async.database.postgresql.schema import derived_metadata, numbered_tables
from zorivest_async.database.postgresql.schema_objects import schema_statements
from zorivest_async.database.types import Confidential

if TYPE_CHECKING:
    from journal_databases import JournalDatabase

MODELS = Base.metadata
CLEAR = "'\\x00'::bytea"
ACCOUNT = f"INSERT INTO accounts (account_id, name, account_type, created_at) VALUES ($1, {CLEAR}, 'bank', now())"
TRADE = (
    "INSERT INTO trades (exec_id, time, instrument, action, quantity, price, account_id) "
    "VALUES ($1, now(), $2, 'BOT', 1, 1, $3)"
)
REPORT = "INSERT INTO trade_reports (trade_id, created_at) VALUES ($1, now()) RETURNING id"
SNAPSHOT = "INSERT INTO balance_snapshots (account_id, datetime, balance) VALUES ('a', now(), 1) RETURNING id"
NUMBERED = "INSERT INTO balance_snapshots (id, account_id, datetime, balance) VALUES ($1, 'a', now(), 1)"
IMAGE = "INSERT INTO images (owner_type, owner_id, created_at) VALUES ($1, $2, now()) RETURNING id"
WORDS = "INSERT INTO search_words (kind, key, words) VALUES ($1, $2, 'word'::tsvector)"


def test_every_column_says_whether_a_server_may_read_it() -> None:
    """No entry is missing, and none is of a column that is gone."""
    columns = {table.name: {column.name for column in table.columns} for table in MODELS.sorted_tables}
    assert {table: set(entries) for table, entries in CONFIDENTIALITY.items()} == columns


def test_the_models_agree_on_what_is_confidential() -> None:
    """A type of the models makes statements seal a column; exactly those are not clear on a server."""
    of_type = {
        f"{table.name}.{column.name}"
        for table in MODELS.sorted_tables
        for column in table.columns
        if isinstance(column.type, Confidential)
    }
    sealed = {
        f"{table}.{column}"
        for table, entries in CONFIDENTIALITY.items()
        for column, kind in entries.items()
        if kind not in {Confidentiality.CLEAR, Confidentiality.CHUNKS}
    }
    assert of_type == sealed


def test_a_column_without_an_entry_is_refused() -> None:
    """By its name, before any SQL is made."""
    models = MetaData()
    Table("accounts", models, Column("account_id", String, primary_key=True), Column("nickname", String))
    with pytest.raises(ConfigurationError, match=r"accounts\.nickname"):
        derived_metadata(models)


def test_foreign_keys_and_unique_constraints_have_the_journal() -> None:
    """As every key has: a row refers to rows of its own journal alone."""
    for table in derived_metadata(MODELS).sorted_tables:
        keys = [table.primary_key, *(key for key in table.foreign_key_constraints)]
        first = {str(key.name): next(iter(key.columns)).name for key in keys}
        assert set(first.values()) == ({"id"} if table.name == "journals" else {"journal_id"}), first


def test_both_branches_of_revisions_lead_to_the_same_version() -> None:
    """PostgreSQL's revisions have the numbers of a vault's."""
    config = Config()
    config.set_main_option("script_location", str(Path(revisions.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == f"{SCHEMA_VERSION:04}"


def test_the_revisions_make_what_the_models_say(any_journal_database: JournalDatabase) -> None:
    """Every column, key, index, policy, trigger and function, as the server's catalogs have them.

    Where they differ, a revision is missing.
    """
    cluster = any_journal_database.cluster
    derived = ";\n".join(["SET search_path = public, pg_temp", *schema_statements(MODELS)]) + ";"
    with journal_database_on(cluster, script=derived) as made:
        wanted = described(cluster, made.name)
    found = described(cluster, any_journal_database.name)
    assert len(wanted) > 200
    assert sorted(found - wanted) == sorted(wanted - found) == []


def test_every_text_has_the_collation_of_bytes(any_journal_database: JournalDatabase) -> None:
    """Also in the search index and in the tables of journals, whatever the database's own is."""
    collations = any_journal_database.sql(
        "SELECT DISTINCT collname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "JOIN pg_collation ON pg_collation.oid = attcollation WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'i') AND relname NOT LIKE 'zorivest_version%'"
    )
    assert collations == ["C"]
    assert any_journal_database.sql(
        "SELECT datlocprovider <> 'c' FROM pg_database WHERE datname = current_database()"
    ) == ["t"]


def test_sealed_columns_are_bytes(any_journal_database: JournalDatabase) -> None:
    """With hashes beside those that are looked for; originals of images are in chunks alone, uncompressed."""
    types = dict(
        line.split("|")
        for line in any_journal_database.sql(
            "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'public'"
        )
    )
    for table, entries in CONFIDENTIALITY.items():
        for column, kind in entries.items():
            name = f"{table}.{column}"
            match kind:
                case Confidentiality.CLEAR:
                    assert types[name] != "bytea", name
                case Confidentiality.CHUNKS:
                    assert name not in types
                case _:
                    assert types[name] == "bytea", name
            hashes = {Confidentiality.HASHED: "bytea", Confidentiality.HASHED_EACH: "ARRAY"}
            assert types.get(f"{name}_hash") == hashes.get(kind), name
    assert any_journal_database.sql(
        "SELECT attstorage FROM pg_attribute WHERE attrelid = 'image_chunks'::regclass AND attname = 'data'"
    ) == ["e"]


@pytest.fixture
def journal(any_journal_database: JournalDatabase) -> int:
    """The number of a new journal with the account ``a`` and the trade ``t``."""
    number = any_journal_database.new_journal()[1]
    trade = TRADE.replace("$1", "'t'").replace("$2", "'SPY'").replace("$3", "'a'")
    any_journal_database.sql(
        f"BEGIN; SET LOCAL zorivest.journal = '{number}'; {ACCOUNT.replace('$1', repr('a'))}; {trade}; COMMIT;"
    )
    return number


@pytest.mark.asyncio
async def test_rows_are_numbered_by_their_journal(any_journal_database: JournalDatabase, journal: int) -> None:
    """From 1, without gaps after a rollback, beyond the largest number given, and never again after a deletion."""
    async with any_journal_database.journal(journal) as connection:
        assert [await connection.fetchval(SNAPSHOT) for _ in range(3)] == [1, 2, 3]
        savepoint = connection.transaction()
        await savepoint.start()
        assert await connection.fetchval(SNAPSHOT) == 4
        await savepoint.rollback()
        assert await connection.fetchval(SNAPSHOT) == 4
        await connection.executemany(NUMBERED, [(9,), (7,), (-1,)])
        assert await connection.fetchval(SNAPSHOT) == 10
        await connection.execute("DELETE FROM balance_snapshots WHERE id > 3")
        assert await connection.fetchval(SNAPSHOT) == 11
        assert await connection.fetchval(REPORT, "t") == 1
        last = await connection.fetchrow("SELECT last_balance_snapshots, last_trade_reports FROM journals")
    assert tuple(last or ()) == (11, 1)


@pytest.mark.asyncio
async def test_many_rows_get_numbers_in_one_statement(any_journal_database: JournalDatabase, journal: int) -> None:
    """The journal's row is updated once: each update leaves a version of it, which all later ones pass through."""
    many = f"{SNAPSHOT.partition(' VALUES')[0]} SELECT 'a', now(), 1 FROM generate_series(1, 500)"
    async with any_journal_database.journal(journal) as connection:
        await connection.execute(many)
        found = await connection.fetchrow(
            "SELECT count(*), max(id), (SELECT last_balance_snapshots FROM journals), "
            "(SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'journals') FROM balance_snapshots"
        )
    assert tuple(found or ()) == (500, 500, 500, 1)


@pytest.mark.asyncio
async def test_numbers_taken_at_once_are_given_to_no_other_row(
    any_journal_database: JournalDatabase, journal: int
) -> None:
    """A client may take several, to know them before it sends the rows; a number of its own does not end them."""
    async with any_journal_database.journal(journal) as connection:
        assert await connection.fetchval("SELECT zorivest_next_id('balance_snapshots', 10)") == 1
        assert await connection.fetchval(SNAPSHOT) == 11
        await connection.execute(NUMBERED, 20)
        assert await connection.fetchval(SNAPSHOT) == 21
        await connection.execute(NUMBERED, 5)
        assert await connection.fetchval(SNAPSHOT) == 22


@pytest.mark.asyncio
async def test_a_refused_row_leaves_the_counter(any_journal_database: JournalDatabase, journal: int) -> None:
    """``ON CONFLICT DO NOTHING`` inserts nothing, so that its number does not count."""
    async with any_journal_database.journal(journal) as connection:
        await connection.execute(NUMBERED, 5)
        await connection.execute(f"{NUMBERED}, (6, 'a', now(), 1) ON CONFLICT DO NOTHING", 5)
        assert await connection.fetchval(SNAPSHOT) == 7


@pytest.mark.asyncio
async def test_two_journals_number_their_rows_at_the_same_time(any_journal_database: JournalDatabase) -> None:
    """Writers of different journals do not wait for each other; those of one journal do."""
    first, second = [(await asyncio.to_thread(any_journal_database.new_journal))[1] for _ in range(2)]
    making = "INSERT INTO watchlists (name, created_at) VALUES ('\\x00', now()) RETURNING id"
    async with any_journal_database.journal(first) as one, any_journal_database.journal(second) as other:
        assert await one.fetchval(making) == await other.fetchval(making) == 1
        async with any_journal_database.journal(first) as waiting:
            await waiting.execute("SET LOCAL lock_timeout = 50")
            with pytest.raises(asyncpg.LockNotAvailableError):
                async with waiting.transaction():
                    await waiting.fetchval(making)


def test_every_numbered_table_has_a_counter(any_journal_database: JournalDatabase) -> None:
    """Whose name is made of the table's."""
    columns = any_journal_database.sql(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'journals'::regclass AND attname LIKE 'last\\_%'"
    )
    assert sorted(columns) == [f"last_{table}" for table in numbered_tables(MODELS)]


@pytest.mark.asyncio
async def test_images_go_with_their_owner(any_journal_database: JournalDatabase, journal: int) -> None:
    """With its chunks; the images of another owner of the same number stay, and those of a renamed one follow it."""
    count = "SELECT count(*) FROM {} WHERE journal_id = $1"
    async with any_journal_database.journal(journal) as connection:
        report = str(await connection.fetchval(REPORT, "t"))
        of_trade, of_report, of_plan = [
            await connection.fetchval(IMAGE, kind, owner)
            for kind, owner in (("trade", "t"), ("report", report), ("plan", report))
        ]
        for image in (of_trade, of_report, of_plan):
            await connection.execute("INSERT INTO image_chunks (image_id, n, data) VALUES ($1, 0, '\\x00')", image)
        await connection.execute("UPDATE trade_reports SET id = id + 100")
        assert await connection.fetchval("SELECT owner_id FROM images WHERE id = $1", of_report) == str(
            int(report) + 100
        )
        await connection.execute("DELETE FROM trade_reports")
        assert await connection.fetchval(count.format("images"), journal) == 2
        await connection.execute("UPDATE trades SET exec_id = 'u'")
        assert await connection.fetchval("SELECT owner_id FROM images WHERE id = $1", of_trade) == "u"
        await connection.execute("DELETE FROM trades")
        left = await connection.fetch("SELECT image_id FROM image_chunks")
    assert [row["image_id"] for row in left] == [of_plan]


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["trade", "report", "account", "image"])
async def test_words_go_with_their_row(any_journal_database: JournalDatabase, journal: int, kind: str) -> None:
    """They follow its key; those of a row of another kind, and of another journal, stay."""
    table, column, new = {
        "trade": ("trades", "exec_id", "u"),
        "report": ("trade_reports", "id", 77),
        "account": ("accounts", "account_id", "b"),
        "image": ("images", "id", 77),
    }[kind]
    other = (await asyncio.to_thread(any_journal_database.new_journal))[1]
    async with any_journal_database.journal(journal) as connection, any_journal_database.journal(other) as elsewhere:
        if kind == "report":
            await connection.execute(REPORT, "t")
        if kind == "image":
            await connection.execute(IMAGE, "plan", "1")
        if kind == "account":
            await connection.execute("DELETE FROM trades")
        key = str(await connection.fetchval(f"SELECT {column} FROM {table}"))
        for each in (kind, "plan"):
            await connection.execute(WORDS, each, key)
        await elsewhere.execute(WORDS, kind, key)
        await connection.execute(f"UPDATE {table} SET {column} = $1", new)
        words = {tuple(row) for row in await connection.fetch("SELECT kind, key FROM search_words")}
        assert words == {(kind, str(new)), ("plan", key)}
        await connection.execute(f"DELETE FROM {table}")
        assert [row["kind"] for row in await connection.fetch("SELECT kind FROM search_words")] == ["plan"]
        assert await elsewhere.fetchval("SELECT count(*) FROM search_words") == 1


def incompressible(seed: int) -> str:
    """Return 256 letters of four bytes each, the longest identifier, which no compression makes shorter."""
    letters = random.Random(seed)  # noqa: S311 - repeatable
    return "".join(chr(letters.randrange(0x1F300, 0x2FFFF)) for _ in range(256))


@pytest.mark.asyncio
async def test_the_longest_identifiers_fit_into_the_indexes(any_journal_database: JournalDatabase) -> None:
    """In every text of a row that is in a key or an index, all at once: an index row has at most 2,704 bytes."""
    longest = [incompressible(seed) for seed in range(6)]
    assert {len(text.encode()) for text in longest} == {1024}
    account, trade, instrument, *others = longest
    journal = (await asyncio.to_thread(any_journal_database.new_journal))[1]
    async with any_journal_database.journal(journal) as connection:
        await connection.execute(ACCOUNT, account)
        await connection.execute(TRADE, trade, instrument, account)
        await connection.execute(REPORT, trade)
        await connection.execute(
            "INSERT INTO trade_plans (ticker, direction, conviction, linked_trade_id, account_id, created_at) "
            "VALUES ($1, 'BOT', 'max', $2, $3, now())", instrument, trade, account,
        )  # fmt: skip
        await connection.execute(IMAGE, "trade", trade)
        await connection.execute(SNAPSHOT.replace("'a'", "$1"), account)
        await connection.execute("INSERT INTO settings (key) VALUES ($1)", others[0])
        await connection.execute(
            "INSERT INTO market_provider_settings (provider_name, created_at) VALUES ($1, now())", others[1]
        )
        await connection.execute(
            "INSERT INTO zorivest_imports (source, sha256, imported_at, inserted, duplicate, updated, failed) "
            "VALUES ('\\x00', '\\x00', now(), 1, 0, 0, 0)"
        )
        await connection.execute(
            "INSERT INTO zorivest_import_rows (import_id, kind, key) VALUES (1, repeat('k', 30), $1)",
            others[2],
        )
        await connection.execute(WORDS, "watchlist_item", trade)
        await connection.execute("UPDATE trades SET time = now() WHERE exec_id = $1", trade)
        assert await connection.fetchval("SELECT count(*) FROM trades WHERE account_id = $1", account) == 1


@pytest.mark.asyncio
async def test_an_api_key_is_never_stored_in_clear(any_journal_database: JournalDatabase, journal: int) -> None:
    """As in a vault's file: it is sealed, or was encrypted before it was sent."""
    inserting = (
        "INSERT INTO market_provider_settings (provider_name, encrypted_api_key, created_at) "
        "VALUES ($1, $2, now()) ON CONFLICT (journal_id, provider_name) DO UPDATE SET encrypted_api_key = $2"
    )
    async with any_journal_database.journal(journal) as connection:
        for stored in (b"\1anything", b"\0ENC:2:abc", None):
            await connection.execute(inserting, "p", stored)
        for refused in (b"\0secret", b"\0", b"\0enc:"):
            with pytest.raises(asyncpg.CheckViolationError):
                async with connection.transaction():
                    await connection.execute(inserting, "p", refused)


@pytest.mark.asyncio
async def test_values_have_the_range_of_a_vault(any_journal_database: JournalDatabase, journal: int) -> None:
    """Numbers of 64 bits, all years, texts longer than their columns in SQLite say."""
    async with any_journal_database.journal(journal) as connection:
        await connection.execute(
            "INSERT INTO images (owner_type, owner_id, mime_type, file_size, created_at) "
            "VALUES ('trade', 't', repeat('m', 1000), 9223372036854775807, '9999-12-31 23:59:59.999999+00')"
        )
        await connection.execute(
            "UPDATE trades SET price = 5e-324, sequence = -9223372036854775808, time = '0001-01-01 00:00+00'"
        )
        stored: Any = await connection.fetchrow(
            "SELECT price, extract(year FROM time AT TIME ZONE 'UTC')::int, multiplier, fees FROM trades"
        )
        assert tuple(stored) == (5e-324, 1, 1.0, 0.0)


def test_a_model_of_another_type_is_refused() -> None:
    """A type without a form in PostgreSQL is an error here, not a surprise on a server."""
    models = MetaData()
    Table("parents", models, Column("id", Integer, primary_key=True))
    Table("watchlists", models, Column("id", ForeignKey("parents.id"), primary_key=True), Column("name", Integer))
    with pytest.raises(ConfigurationError):
        derived_metadata(models)


def test_the_documents_say_what_is_sealed() -> None:
    """The table of the page is the one of the code."""
    lines = ["| Table | The server reads | Sealed | Sealed, with a hash that finds equal values |", "|---|---|---|---|"]
    groups = (
        {Confidentiality.CLEAR},
        {Confidentiality.SEALED, Confidentiality.CHUNKS},
        {Confidentiality.HASHED, Confidentiality.HASHED_EACH},
    )
    for table, columns in CONFIDENTIALITY.items():
        named = [[f"`{name}`" for name, kind in columns.items() if kind in kinds] for kinds in groups]
        cells = [", ".join(names) or "none" for names in named]
        lines.append(f"| `{table}` | {' | '.join(cells)} |")
    page = Path(__file__).parents[2] / "docs" / "sealed-format.md"
    assert "\n".join(lines) in page.read_text("utf-8")
