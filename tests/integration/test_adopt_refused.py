"""Adopting a plaintext journal: what is refused, and that nothing is made of it, or nothing else is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_png
from files import contents_of, names_in
from plaintext_journal import NOON, Rows, make_plaintext
from zorivest_async import (
    AdoptionError,
    AdoptReport,
    ConfigurationError,
    KdfProfile,
    NotAVaultError,
    Progress,
    Vault,
    VaultBusyError,
    VaultDamagedError,
    VaultError,
    VaultInUseError,
    VaultNotFoundError,
)
from zorivest_async.vault import plaintext_source
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PASSPHRASE = "correct horse"
TRADE = {"instrument": "SPY", "action": "BOT", "quantity": 1, "price": 1, "account_id": "U1", "time": NOON}


async def adopt(folder: Path, **arguments: Any) -> AdoptReport:
    """Adopt ``journal.db`` in a folder as ``journal.vault``."""
    options: dict[str, Any] = {"passphrase": PASSPHRASE, "profile": KdfProfile.CHEAPEST} | arguments
    return await Vault.adopt(folder / "journal.db", folder / "journal.vault", **options)


async def make(folder: Path, *rows: Rows) -> Path:
    """Make ``journal.db`` in a folder."""
    return await asyncio.to_thread(make_plaintext, folder / "journal.db", *rows)


async def execute(path: Path, *statements: str) -> None:
    """Change a plaintext file."""

    def change() -> None:
        with closing(sqlite3.connect(path)) as raw, raw:
            for statement in statements:
                raw.execute(statement)

    await asyncio.to_thread(change)


async def made(folder: Path) -> list[str]:
    """Return what there is beside the plaintext journal, but for the lock, which stays."""
    return [name for name in await names_in(folder) if name not in ("journal.db", "journal.vault.lock")]


INVALID: list[tuple[str, dict[str, Any], str | None]] = [
    ("trades", {"exec_id": "T1", "action": "BUY"}, "action"),
    ("trades", {"exec_id": "T1", "quantity": 0}, "quantity"),
    ("trades", {"exec_id": "T1", "quantity": "many"}, "quantity"),
    ("trades", {"exec_id": "T1", "price": float("inf")}, "price"),
    ("trades", {"exec_id": "T1", "time": "yesterday"}, "time"),
    ("trades", {"exec_id": "T1", "time": 1_700_000_000}, "time"),
    ("trades", {"exec_id": "T1", "instrument": b"\xff\xfe"}, "instrument"),
    ("accounts", {"account_id": "U1", "account_type": "casino"}, "account_type"),
    ("accounts", {"account_id": "U1", "currency": "usd"}, "currency"),
    ("accounts", {"account_id": "U1", "is_tax_advantaged": 2}, "is_tax_advantaged"),
    ("trade_reports", {"id": 7, "setup_quality": 6}, "setup_quality"),
    ("trade_reports", {"id": 7, "tags": b"\x00"}, "tags"),
    ("trade_reports", {"id": 7, "trade_id": "gone"}, None),
    ("trade_plans", {"id": 8, "conviction": "sure"}, "conviction"),
    ("watchlists", {"id": 9, "name": " "}, "name"),
    ("watchlist_items", {"id": 5, "watchlist_id": 404}, None),
    ("balance_snapshots", {"id": 3, "balance": "n/a"}, "balance"),
    ("settings", {"key": "theme", "value": b"dark"}, "value"),
    ("market_provider_settings", {"provider_name": "Alpha", "timeout": 0}, "timeout"),
    ("images", {"id": 1, "owner_type": "trade", "owner_id": "gone", "data": b"x"}, "owner_id"),
    ("images", {"id": 1, "owner_type": "report", "owner_id": "07", "data": b"x"}, "owner_id"),
    ("images", {"id": 1, "owner_type": "plan", "owner_id": "x", "data": b"x"}, "owner_id"),
    ("images", {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": b""}, "data"),
    ("images", {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": "text"}, "data"),
]


@pytest.mark.parametrize(("table", "row", "column"), INVALID)
async def test_a_row_that_cannot_be_right_is_named_and_nothing_is_made(
    tmp_path: Path, table: str, row: dict[str, Any], column: str | None
) -> None:
    """The error has the report; its message, and the report's repr, have neither key nor value."""
    await make(tmp_path, {table: [row]})
    with pytest.raises(AdoptionError, match="skip_invalid") as caught:
        await adopt(tmp_path)
    report = caught.value.report
    refused = next(note for note in report.problems if note.what == "refused")
    key = next(iter(row.values()))
    assert (refused.table, refused.column, refused.keys) == (table, column, (key,))
    assert report.tables[table].refused == 1
    assert report.refused >= 1
    assert await made(tmp_path) == []


@pytest.mark.parametrize(("table", "row", "column"), INVALID)
async def test_invalid_rows_can_be_left_out(
    tmp_path: Path, table: str, row: dict[str, Any], column: str | None
) -> None:
    """Everything else is there, each row of the file is accounted for, and the vault is sound."""
    await make(tmp_path, {table: [row]})
    report = await adopt(tmp_path, skip_invalid=True)
    assert next(note.column for note in report.problems if note.what == "refused") == column
    added = sum(note.rows for note in report.notes if note.what == "added" and note.column is None)
    counts = report.tables.values()
    assert sum(count.read for count in counts) == sum(count.stored + count.refused for count in counts) - added
    async with Vault.open(tmp_path / "journal.vault", passphrase=PASSPHRASE) as vault:
        assert (await vault.verify()).problems == ()


async def test_what_belongs_to_a_refused_row_is_refused_with_it(tmp_path: Path) -> None:
    """A trade's report and images cannot be there without it; a plan can, and loses the link."""
    image = {"id": 1, "owner_type": "trade", "owner_id": "T1", "data": make_png()}
    others = [{"id": 2, "owner_type": "report", "owner_id": "7"}, {"id": 3, "owner_id": "T2"}]
    rows: Rows = {
        "trades": [{"exec_id": "T1", "quantity": -5}],
        "trade_plans": [{"id": 8, "linked_trade_id": "T1"}],
        "images": [image, *(image | other for other in others)],
    }
    await make(tmp_path, rows)
    report = await adopt(tmp_path, skip_invalid=True)
    assert [(note.table, note.what, note.keys) for note in report.problems] == [
        ("trades", "refused", ("T1",)),
        ("trade_reports", "refused", (7,)),
        ("trade_plans", "dropped", (8,)),
        ("images", "refused", (1,)),  # its trade
        ("images", "refused", (2,)),  # its report
    ]
    assert report.tables["images"].stored == 1


async def test_text_that_is_none_is_refused_alone(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 in one row keep no other row from being read."""
    path = await make(tmp_path)
    await execute(path, "UPDATE trades SET instrument = CAST(X'53FF' AS TEXT) WHERE exec_id = 'T1'")
    report = await adopt(tmp_path, skip_invalid=True)
    assert [note.keys for note in report.problems if note.column == "instrument"] == [("T1",)]
    assert report.tables["trades"].stored == 1


async def test_neither_keys_nor_values_are_shown_by_accident(tmp_path: Path) -> None:
    """Keys are in the notes, for whoever asks for them."""
    await make(tmp_path, {"trades": [{"exec_id": "canary-key"} | TRADE | {"action": "canary-value"}]})
    with pytest.raises(AdoptionError) as caught:
        await adopt(tmp_path)
    shown = repr(caught.value) + str(caught.value) + repr(caught.value.report) + repr(caught.value.report.notes)
    assert "canary" not in shown
    assert ("canary-key",) in [note.keys for note in caught.value.report.notes]


async def test_what_a_vault_has_no_place_for_is_reported(tmp_path: Path) -> None:
    """Other tables and columns, where there is something in them."""
    path = await make(tmp_path)
    await execute(
        path,
        "CREATE TABLE diary (entry TEXT)",
        "INSERT INTO diary VALUES ('a'), ('b')",
        "CREATE TABLE alembic_version (version_num TEXT)",
        "INSERT INTO alembic_version VALUES ('abc')",
        'ALTER TABLE trades ADD COLUMN "a ""mood" TEXT',
        "ALTER TABLE trades ADD COLUMN unused TEXT",
        "UPDATE trades SET \"a \"\"mood\" = 'calm' WHERE exec_id = 'T1'",
    )
    report = await adopt(tmp_path)
    problems = [(note.table, note.column, note.what, note.rows) for note in report.problems]
    assert problems == [("diary", None, "dropped", 2), ("trades", 'a "mood', "dropped", 1)]


async def test_tables_and_columns_that_are_missing_are_empty(tmp_path: Path) -> None:
    """A file from before the seed had them."""
    path = await make(tmp_path)
    await execute(
        path,
        "DROP TABLE images",
        "DROP TABLE market_provider_settings",
        "ALTER TABLE trades DROP COLUMN realized_pnl",
        "ALTER TABLE accounts DROP COLUMN notes",
    )
    report = await adopt(tmp_path)
    assert report.problems == ()
    assert report.tables["images"].read == report.tables["market_provider_settings"].read == 0
    assert [note.column for note in report.notes if note.keys] == []


async def _no_file(path: Path) -> None:
    await asyncio.to_thread(path.unlink)


async def _a_folder(path: Path) -> None:
    await asyncio.to_thread(path.unlink)
    await asyncio.to_thread(path.mkdir)


async def _another_file(path: Path) -> None:
    await asyncio.to_thread(path.write_bytes, b"not a database" * 1_000)


async def _an_empty_file(path: Path) -> None:
    await asyncio.to_thread(path.write_bytes, b"")


async def _another_database(path: Path) -> None:
    await asyncio.to_thread(path.unlink)
    await execute(path, "CREATE TABLE t (x)")


async def _a_vault(path: Path) -> None:
    await asyncio.to_thread(path.unlink)
    async with Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST):
        pass
    await asyncio.to_thread(path.with_name("journal.db.lock").unlink)


async def _a_damaged_file(path: Path) -> None:
    data = bytearray(await contents_of(path))
    data[4096:] = b"\xff" * (len(data) - 4096)
    await asyncio.to_thread(path.write_bytes, data)


@pytest.mark.parametrize(
    ("become", "error", "words"),
    [
        (_no_file, VaultNotFoundError, "no file to adopt"),
        (_a_folder, NotAVaultError, "directory"),
        (_another_file, NotAVaultError, "not a plaintext SQLite"),
        (_an_empty_file, NotAVaultError, "no tables of a journal"),
        (_another_database, NotAVaultError, "no tables of a journal"),
        (_a_vault, NotAVaultError, "not a plaintext SQLite"),
        (_a_damaged_file, VaultDamagedError, "journal.db"),
    ],
)
async def test_a_file_that_is_no_plaintext_journal_is_refused(
    tmp_path: Path, become: Callable[[Path], Any], error: type[VaultError], words: str
) -> None:
    """The error names it, and nothing is made."""
    await become(await make(tmp_path))
    with pytest.raises(error, match=words):
        await adopt(tmp_path)
    assert await made(tmp_path) == []


async def test_a_file_that_somebody_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while."""
    monkeypatch.setattr(plaintext_source, "BUSY_TIMEOUT_S", 0.1)
    path = await make(tmp_path)
    holder = await asyncio.to_thread(sqlite3.connect, path, isolation_level=None, check_same_thread=False)
    with closing(holder):
        await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
        with pytest.raises(VaultBusyError):
            await adopt(tmp_path)
    assert await made(tmp_path) == []


async def test_a_live_file_is_read_in_one_state(tmp_path: Path) -> None:
    """A program writes to it meanwhile, in WAL mode: what it had committed is adopted."""
    path = await make(tmp_path)
    await execute(path, "PRAGMA journal_mode = WAL")
    writer = await asyncio.to_thread(sqlite3.connect, path, isolation_level=None, check_same_thread=False)
    with closing(writer):
        await asyncio.to_thread(writer.execute, "UPDATE accounts SET name = 'committed'")
        await asyncio.to_thread(writer.execute, "BEGIN")
        await asyncio.to_thread(writer.execute, "UPDATE accounts SET name = 'not committed'")
        await adopt(tmp_path)
    async with Vault.open(tmp_path / "journal.vault", passphrase=PASSPHRASE) as vault, vault.unit_of_work() as uow:
        assert (await uow.accounts.get_one("U1")).name == "committed"


async def test_nothing_is_replaced(tmp_path: Path) -> None:
    """What is at the vault's place stays, byte for byte."""
    await make(tmp_path)
    there = tmp_path / "journal.vault"
    await asyncio.to_thread(there.write_bytes, b"precious")
    with pytest.raises(VaultError, match="already exists"):
        await adopt(tmp_path)
    assert await contents_of(there) == b"precious"
    with pytest.raises(VaultNotFoundError, match="parent directory"):
        await Vault.adopt(tmp_path / "journal.db", tmp_path / "nowhere" / "journal.vault", passphrase=PASSPHRASE)


async def test_two_adoptions_of_one_place_do_not_meet(tmp_path: Path) -> None:
    """Whoever makes a vault there holds its lock."""
    await make(tmp_path)
    lock = VaultLock(tmp_path / "journal.vault")
    lock.take()
    try:
        with pytest.raises(VaultInUseError):
            await adopt(tmp_path)
    finally:
        lock.let_go()
    assert await made(tmp_path) == []


@pytest.mark.parametrize("arguments", [{"passphrase": None}, {"key": bytes(32)}, {"passphrase": ""}])
async def test_arguments_that_cannot_work_are_refused(tmp_path: Path, arguments: Any) -> None:
    """As when a vault is opened."""
    await make(tmp_path)
    with pytest.raises(ConfigurationError):
        await adopt(tmp_path, **arguments)
    assert await names_in(tmp_path) == ["journal.db"]


async def test_what_a_killed_adoption_left_is_removed(tmp_path: Path) -> None:
    """The next one makes room first."""
    await make(tmp_path)
    work = tmp_path / ".zorivest-0123456789abcdef0123456789abcdef"
    await asyncio.to_thread(work.mkdir)
    await asyncio.to_thread((work / "file").write_bytes, b"half a vault")
    await adopt(tmp_path)
    assert await made(tmp_path) == ["journal.vault"]


async def test_a_key_will_do_instead_of_a_passphrase(tmp_path: Path) -> None:
    """It opens the vault."""
    await make(tmp_path)
    await adopt(tmp_path, passphrase=None, key=bytes(32))
    async with Vault.open(tmp_path / "journal.vault", key=bytes(32), create=False) as vault:
        assert (await vault.verify()).ok


async def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    """In rows; the last report is that all are done."""
    await make(tmp_path)
    reports: list[Progress] = []
    await adopt(tmp_path, progress=reports.append)
    assert reports[0] == Progress("rows", 0, 13)
    assert Progress("rows", 13, 13) in reports
    assert reports[-1] == Progress("publish", 1, 1)


async def test_cancelling_leaves_nothing(tmp_path: Path) -> None:
    """The work stops at the next slice, and cleans up before the task ends."""
    image = {"owner_type": "trade", "owner_id": "T1", "data": make_png(1200, 800)}
    await make(tmp_path, {"images": [{"id": number} | image for number in range(1, 60)]})
    begun = asyncio.Event()

    def begin(report: Progress) -> None:
        if report.done > 13:
            begun.set()

    task = asyncio.create_task(adopt(tmp_path, progress=begin))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await made(tmp_path) == []
    assert (await adopt(tmp_path)).tables["images"].stored == 59
