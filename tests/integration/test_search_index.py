"""The search index through the life of a vault: however it came to be, it is as the tables are."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from factories import make_account, make_item, make_plan, make_png, make_report, make_trade, make_watchlist
from files import contents_of, names_in
from first_release import make_first_release_vault
from later_release import become, make_location, query
from plaintext_journal import make_plaintext
from workers.ledger import KEY
from zorivest_async import (
    ImageOwnerType,
    KdfProfile,
    Progress,
    ReadOnlyError,
    SqlAlchemyUnitOfWork,
    Vault,
    VaultUpgradeError,
)
from zorivest_async.database.models import Base
from zorivest_async.database.repositories import SqlAlchemySearchRepository
from zorivest_async.database.sqlcipher import long_operation
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.database.sqlcipher.search_schema import SEARCH_FIELDS, WRONG_ENTRIES
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import VaultKey
from zorivest_async.transfer.journal import export_journal, import_journal
from zorivest_async.vault.upgrade import upgrade_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PASSPHRASE = "correct horse"
WORDS = ("alpha", "bravo", "charlie", "delta", "golf", "hotel", "india")
ENTRIES = """
    SELECT kind, key, lessons_learned, strategy_name, strategy_description, entry_conditions, exit_conditions, caption,
        notes, description
    FROM zorivest_search_rows AS noted LEFT JOIN zorivest_search ON zorivest_search.rowid = noted.id ORDER BY kind, key
"""


async def fill(uow: SqlAlchemyUnitOfWork) -> None:
    """Store one of each of the words."""
    await uow.accounts.save(make_account(notes="alpha"))
    await uow.trades.save(make_trade())
    await uow.trade_reports.save(make_report(lessons_learned="bravo"))
    await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(), caption="charlie")
    await uow.trade_plans.save(make_plan(strategy_name="delta", exit_conditions="golf"))
    await uow.watchlists.save(make_watchlist(description="hotel", items=(make_item(notes="india"),)))
    await uow.commit()


async def words_found(uow: SqlAlchemyUnitOfWork) -> list[str]:
    """Return the words of which there is one hit."""
    return [word for word in WORDS if len(await uow.search.find(word)) == 1]


async def assert_whole(vault: Vault) -> None:
    """Everything is found in a sound vault, and so is what is written from now on."""
    async with vault.unit_of_work(read_only=True) as uow:
        assert await words_found(uow) == list(WORDS)
    assert (await vault.verify()).problems == ()
    async with vault.unit_of_work() as uow:
        image_id = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(), caption="zulu")
        assert [hit.id for hit in await uow.search.find("zulu")] == [image_id]
        await uow.images.delete(image_id)
        await uow.trade_reports.delete((await uow.search.find("bravo"))[0].id)  # type: ignore[arg-type]  # it is a report
        assert await uow.search.find("bravo") == []


async def change(path: Path, *statements: str) -> None:
    """Change a closed vault past the library."""

    def run() -> None:
        with closing(open_cipher(vault_uri(path), VaultKey(KEY), ConnectionSettings())) as raw:
            for statement in statements:
                raw.execute(statement)

    await asyncio.to_thread(run)


@pytest.fixture
def first_release(vault_path: Path) -> Path:
    """A vault of version 1, closed."""
    make_first_release_vault(vault_path, KEY)
    return vault_path


async def test_what_the_first_release_stored_is_found(first_release: Path) -> None:
    """Once its vault was upgraded; the old file is kept beside it, and opens again."""
    assert await asyncio.to_thread(query, first_release, VaultKey(KEY), "PRAGMA user_version") == [(1,)]
    async with Vault.open(first_release, key=KEY, create=False) as vault:
        await assert_whole(vault)
        async with vault.unit_of_work() as uow:
            (hit,) = await uow.search.find("naive")
            assert (hit.id, hit.trade_id, hit.excerpt, hit.matches) == (7, "0001", "bravo: naïve", ((7, 12),))
    assert await asyncio.to_thread(query, first_release, VaultKey(KEY), "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    backup = first_release.with_name("journal.vault.v1.backup")
    assert await asyncio.to_thread(query, backup, VaultKey(KEY), "PRAGMA user_version") == [(1,)]
    async with Vault.open(backup, key=KEY, create=False) as vault:
        await assert_whole(vault)


async def test_an_upgraded_index_is_that_of_a_new_vault(first_release: Path, tmp_path: Path) -> None:
    """Entry by entry, and in how it is configured."""
    async with Vault.open(first_release, key=KEY) as vault:
        await export_journal(vault, tmp_path / "journal")
    fresh = tmp_path / "fresh.vault"
    async with Vault.open(fresh, key=KEY, profile=KdfProfile.CHEAPEST) as vault:
        await import_journal(vault, tmp_path / "journal")
        await assert_whole(vault)
    for statement in (ENTRIES, "SELECT k, v FROM zorivest_search_config ORDER BY k"):
        upgraded = await asyncio.to_thread(query, first_release, VaultKey(KEY), statement)
        assert upgraded == await asyncio.to_thread(query, fresh, VaultKey(KEY), statement)
        assert upgraded
    assert ("secure-delete", 1) in upgraded


async def test_filling_the_index_is_interrupted(vault_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives up while it is filled finds the old vault byte for byte, and nothing beside it."""
    await asyncio.to_thread(make_first_release_vault, vault_path, KEY, 1_000)
    before = await contents_of(vault_path)
    monkeypatch.setattr(long_operation, "REPORT_INTERVAL_S", 0)
    pulses = 0

    def count(report: Progress) -> None:
        nonlocal pulses
        pulses += report.phase == "upgrade"
        if pulses == 500:  # about half of them; making the tables takes a few
            operation.stop()

    operation = Operation(count)
    with pytest.raises(VaultUpgradeError):  # which nobody hears who has stopped waiting
        await asyncio.to_thread(upgrade_file, vault_path, VaultKey(KEY), SCHEMA_VERSION, operation)
    assert 500 <= pulses < 510  # FTS5 may be in a statement of its own when it is interrupted
    assert await contents_of(vault_path) == before
    assert await names_in(vault_path.parent) == [vault_path.name]
    async with Vault.open(vault_path, key=KEY) as vault, vault.unit_of_work() as uow:
        assert len(await uow.search.find("zulu", limit=None)) == 1_000


async def test_a_later_release_may_rebuild_tables_and_keeps_their_triggers(
    first_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which SQLite drops with the old table."""
    become(await asyncio.to_thread(make_location, tmp_path), monkeypatch)
    async with Vault.open(first_release, key=KEY) as vault:
        await assert_whole(vault)


async def test_copies_of_a_vault_have_its_index(vault_path: Path, tmp_path: Path) -> None:
    """A backup, a restored one, and a vault with another passphrase."""
    backup, restored = tmp_path / "backup.vault", tmp_path / "restored.vault"
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        async with vault.unit_of_work() as uow:
            await fill(uow)
        await vault.backup(backup)
        await vault.rekey("another", profile=KdfProfile.CHEAPEST)
        await assert_whole(vault)
    await Vault.restore(backup, restored, passphrase=PASSPHRASE)
    for path in (backup, restored):
        async with Vault.open(path, passphrase=PASSPHRASE, create=False) as vault:
            await assert_whole(vault)


async def test_a_vault_in_memory_is_searched() -> None:
    """As one in a file is."""
    async with Vault.in_memory() as vault:
        async with vault.unit_of_work() as uow:
            await fill(uow)
        await assert_whole(vault)


async def test_an_adopted_journal_is_searched(tmp_path: Path) -> None:
    """What came out of the plaintext file is in the index."""
    source = await asyncio.to_thread(
        make_plaintext, tmp_path / "journal.db", {"accounts": [{"account_id": "U1", "notes": "alpha"}]}
    )
    path = tmp_path / "journal.vault"
    await Vault.adopt(source, path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
    async with Vault.open(path, passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        assert await words_found(uow) == ["alpha"]
        assert (await vault.verify()).ok


async def test_adopting_a_journal_with_an_index_makes_it_anew(tmp_path: Path) -> None:
    """The plaintext file's own is no data, and nothing is said of it; another program's table is told of."""
    source = tmp_path / "journal.db"
    engine = await asyncio.to_thread(create_async_engine, f"sqlite+aiosqlite:///{source}")
    await make_plain(engine)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE search_history (words TEXT)"))
    await engine.dispose()
    path = tmp_path / "journal.vault"
    report = await Vault.adopt(source, path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
    assert [note.table for note in report.notes if note.what == "dropped"] == ["search_history"]
    async with Vault.open(path, passphrase=PASSPHRASE) as vault:
        await assert_whole(vault)


async def test_adopting_a_journal_with_an_earlier_index_does_not_tell_of_it(tmp_path: Path) -> None:
    """Under the names that it had before version 3; a table of the user's that has such a name is told of."""
    index = f"CREATE VIRTUAL TABLE search USING fts5(\n    {', '.join(SEARCH_FIELDS)}\n)"
    for number, statements, told in (
        (1, (index, "CREATE TABLE search_rows (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key NOT NULL)"), []),
        (2, ("CREATE TABLE search (words TEXT)", "CREATE TABLE search_rows (x)"), ["search", "search_rows"]),
    ):
        source = await asyncio.to_thread(
            make_plaintext, tmp_path / f"{number}.db", {"accounts": [{"account_id": "U1"}]}
        )
        engine = await asyncio.to_thread(create_async_engine, f"sqlite+aiosqlite:///{source}")
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()
        report = await Vault.adopt(
            source, tmp_path / f"{number}.vault", passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST
        )
        assert [note.table for note in report.notes if note.what == "dropped"] == told


async def make_plain(engine: AsyncEngine) -> None:
    """Make the tables in a database that is not encrypted, and fill them."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        await fill(uow)


async def test_any_engine_with_the_schema_is_searched() -> None:
    """By units of work, and by repositories over a connection or a session."""
    engine = create_async_engine("sqlite+aiosqlite://")
    await make_plain(engine)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert await words_found(uow) == list(WORDS)
        (hit,) = await SqlAlchemySearchRepository(uow.session).find("alp")
        assert (hit.id, hit.excerpt, hit.matches) == ("U1", "alpha", ((0, 5),))
    async with engine.connect() as connection:
        assert len(await SqlAlchemySearchRepository(connection).find("alpha")) == 1
    await engine.dispose()


@pytest.mark.parametrize(("notes", "expected"), [("'zulu'", ["U1"]), ("NULL", [])])
async def test_replacing_a_row_is_followed_where_it_fires_no_trigger(notes: str, expected: list[str]) -> None:
    """As on connections that the library has not made: SQLite then deletes the old row and tells nobody."""
    engine = create_async_engine("sqlite+aiosqlite://")
    await make_plain(engine)
    row = f"('U1', 'x', 'broker', {notes}, '2024')"
    replacement = f"INSERT OR REPLACE INTO accounts (account_id, name, account_type, notes, created_at) VALUES {row}"  # noqa: S608
    async with SqlAlchemyUnitOfWork(engine) as uow:
        await (await uow.connection()).execute(text(replacement))
        assert [hit.id for hit in await uow.search.find("zulu")] == expected
        assert await uow.search.find("alpha") == []
        for wrong in WRONG_ENTRIES.values():
            assert (await (await uow.connection()).execute(text(wrong))).all() == []
    await engine.dispose()


async def test_the_schema_is_made_and_dropped_with_the_index() -> None:
    """Again, in part, or where an older release made the tables: what they hold is in it."""
    engine = create_async_engine("sqlite+aiosqlite://")
    await make_plain(engine)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert await words_found(uow) == list(WORDS)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all, tables=[Base.metadata.tables["images"]])
        await connection.run_sync(Base.metadata.create_all)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert await words_found(uow) == [word for word in WORDS if word != "charlie"]
    async with engine.begin() as connection:
        for name in ("zorivest_search", "zorivest_search_rows"):
            await connection.execute(text(f"DROP TABLE {name}"))
        triggers = await connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
        for (name,) in triggers.all():
            await connection.execute(text(f"DROP TRIGGER {name}"))
        await connection.run_sync(Base.metadata.create_all)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert await words_found(uow) == [word for word in WORDS if word != "charlie"]
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        left = (await connection.execute(text("SELECT name FROM sqlite_master"))).scalars().all()
        assert left == ["sqlite_sequence"]
    await make_plain(engine)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        assert await words_found(uow) == list(WORDS)
    await engine.dispose()


DAMAGE = {
    "a text that is not indexed": (
        "DELETE FROM zorivest_search WHERE rowid = (SELECT id FROM zorivest_search_rows WHERE kind = 'image')",
        "the search index is wrong about 1 rows of images",
    ),
    "a row that nobody noted": (
        "DELETE FROM zorivest_search_rows WHERE kind = 'account'",
        "the search index is wrong about 1 rows of accounts",
    ),
    "another text": (
        "UPDATE zorivest_search SET exit_conditions = 'other' WHERE exit_conditions = 'golf'",
        "the search index is wrong about 1 rows of trade_plans",
    ),
    "a row that is not there": (
        "INSERT INTO zorivest_search_rows (kind, key) VALUES ('watchlist', 77)",
        "the search index is wrong about 1 rows of watchlists",
    ),
    "words that are not in the text": (
        "UPDATE zorivest_search_content SET c0 = 'other' WHERE c0 = 'bravo'",
        'fts5: checksum mismatch for table "zorivest_search"',
    ),
    "no trigger": (
        (
            "DROP TRIGGER zorivest_search_images_insert; "
            "INSERT INTO images (owner_type, owner_id, caption, created_at, data) "
            "VALUES ('trade', '0001', 'other', '2024', x'00')"
        ),
        "the search index is wrong about 1 rows of images",
    ),
    "no structure at all": (
        "DELETE FROM zorivest_search_data WHERE id > 10",
        "fts5: corruption found",
    ),
}


@pytest.mark.parametrize(("statement", "problem"), DAMAGE.values(), ids=DAMAGE)
async def test_a_wrong_index_is_found_and_mended(vault_path: Path, statement: str, problem: str) -> None:
    """Verifying tells of it, and making it anew is enough."""
    async with Vault.open(vault_path, key=KEY, profile=KdfProfile.CHEAPEST) as vault, vault.unit_of_work() as uow:
        await fill(uow)
    await change(vault_path, *statement.split("; "))
    async with Vault.open(vault_path, key=KEY) as vault:
        problems = (await vault.verify()).problems
        assert any(found.startswith(problem) for found in problems), problems
        await vault.backup(vault_path.with_name("backup.vault"))
        await vault.rekey("another", profile=KdfProfile.CHEAPEST)
        async with vault.unit_of_work() as uow:
            await uow.search.rebuild()
            await uow.commit()
        await assert_whole(vault)


async def test_making_the_index_anew_is_a_write(vault: Vault) -> None:
    """A read-only unit of work refuses it, and one that does not commit leaves the index as it was."""
    async with vault.unit_of_work() as uow:
        await fill(uow)
    async with vault.unit_of_work(read_only=True) as uow:
        with pytest.raises(ReadOnlyError):
            await uow.search.rebuild()
        assert await words_found(uow) == list(WORDS)
    async with vault.unit_of_work() as uow:
        await uow.search.rebuild()
        assert await words_found(uow) == list(WORDS)
    await assert_whole(vault)


async def test_trades_and_captionless_images_do_not_touch_the_index(vault: Vault) -> None:
    """They cost what they did without it."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await uow.trades.update(make_trade(quantity=7))
        image_id = await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
        await uow.images.delete(image_id)
        await uow.trade_reports.save(make_report())
        await uow.trades.delete("0001")
        connection = await uow.connection()
        pages = (await connection.execute(text("SELECT id, length(block) FROM zorivest_search_data ORDER BY id"))).all()
        assert len(pages) == 2
        plan = await connection.execute(
            text("EXPLAIN QUERY PLAN SELECT id FROM zorivest_search_rows WHERE kind = 'image' AND key = +:key"),
            {"key": 1},
        )
        assert "(kind=? AND key=?)" in str(plan.all())
