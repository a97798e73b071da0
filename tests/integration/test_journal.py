"""A whole journal goes out into files and comes back equal."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest

from whole_journals import UNITS, everything, fill, picture
from zorivest_async import (
    ConfigurationError,
    DuplicateError,
    ForeignKeyError,
    Trade,
    TradeFilter,
    Vault,
)
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.domain.entities import SequencedTrade
from zorivest_async.transfer.importers import ImportSourceError
from zorivest_async.transfer.journal import export_journal, import_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

ADDED = (
    "currency", "multiplier", "asset_class", "fees", "commission_currency", "notes", "order_id", "result_after_costs",
    "sequence",
)  # fmt: skip
"""Fields of trades that the release before did not have."""


NEW_TABLES = ("zorivest_imports", "zorivest_import_rows")
"""Tables that journals did not have before version 4."""


async def test_a_journal_comes_back_equal(vault: Vault, tmp_path: Path) -> None:
    """Every row of every table, with its number; images byte for byte; and a second import is refused whole."""
    await fill(vault)
    counts = await export_journal(vault, tmp_path / "journal")
    assert (counts["trades"], counts["images"], counts["settings"]) == (449, 3, 6)
    before = await everything(vault)
    assert all(before.values())
    async with Vault.in_memory() as other:
        dry = await import_journal(other, tmp_path / "journal", dry_run=True)
        assert not any((await everything(other)).values())
        report = await import_journal(other, tmp_path / "journal")
        assert len(report.inserted) == sum(counts.values()) == len(dry.inserted)
        assert await everything(other) == before
        async with vault.unit_of_work() as uow, other.unit_of_work() as again:
            assert await again.trades.list_filtered(TradeFilter()) == await uow.trades.list_filtered(TradeFilter())
            assert await again.watchlists.list_all() == await uow.watchlists.list_all()
            assert await again.settings.get("b") == 10**30
        with pytest.raises(DuplicateError):
            await import_journal(other, tmp_path / "journal")
        assert await everything(other) == before
        async with other.unit_of_work() as uow:  # its imports can be undone there, too
            assert (await uow.imports.undo(1)).restored == 1
            assert (await uow.trades.get_one(UNITS[0].exec_id)).price == UNITS[0].price


def change_lines(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the object of each line of a table."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        change(line)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the object in ``journal.json``."""
    file = folder / "journal.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


async def test_a_journal_of_an_earlier_release_is_imported(vault: Vault, tmp_path: Path) -> None:
    """It names no version, and its lines lack the fields that were added since, which get their defaults."""
    await fill(vault)
    folder = tmp_path / "journal"
    await export_journal(vault, folder)

    def make_older() -> None:
        rewrite(folder, lambda manifest: (manifest.pop("schema"), [manifest["rows"].pop(name) for name in NEW_TABLES]))
        change_lines(folder / "trades.jsonl", lambda line: [line.pop(name) for name in ADDED])

    await asyncio.to_thread(make_older)
    async with Vault.in_memory() as other:
        await import_journal(other, folder)
        before, after = await everything(vault), await everything(other)
        assert [after.pop(name) for name in NEW_TABLES] == [[], []]
        before = {name: rows for name, rows in before.items() if name not in NEW_TABLES}
        trades, expected = after.pop("trades"), dict(before.pop("trades"))
        assert after == before
        for exec_id, trade in trades:
            kept = {
                field.name: getattr(expected[exec_id], field.name) for field in fields(Trade) if field.name not in ADDED
            }
            assert trade == SequencedTrade(**kept)


async def test_a_journal_names_its_version(vault: Vault, tmp_path: Path) -> None:
    """A journal of this version has every field in every line, so that a lost one is noticed."""
    await fill(vault)
    folder = tmp_path / "journal"
    await export_journal(vault, folder)

    def check() -> None:
        assert json.loads((folder / "journal.json").read_text())["schema"] == SCHEMA_VERSION
        change_lines(folder / "trades.jsonl", lambda line: line.pop("multiplier"))

    await asyncio.to_thread(check)
    async with Vault.in_memory() as other:
        with pytest.raises(ImportSourceError, match=r"line 1: trades.jsonl: this line is not one of an exported"):
            await import_journal(other, folder)


NEWER: dict[str, Callable[[Path], None]] = {
    "version": lambda folder: rewrite(folder, lambda manifest: manifest.update(schema=SCHEMA_VERSION + 1)),
    "table": lambda folder: rewrite(folder, lambda manifest: manifest["rows"].update(cash_flows=0)),
    "table, no version": lambda folder: rewrite(
        folder, lambda manifest: (manifest.pop("schema"), manifest["rows"].update(cash_flows=0))
    ),
    "field": lambda folder: change_lines(folder / "trades.jsonl", lambda line: line.update(cost_basis=None)),
}


@pytest.mark.parametrize("change", NEWER.values(), ids=NEWER)
async def test_a_journal_of_a_newer_release_says_so(
    vault: Vault, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Its version, its tables or its fields show it; nothing is left out in silence."""
    await fill(vault)
    await export_journal(vault, tmp_path / "journal")
    await asyncio.to_thread(change, tmp_path / "journal")
    async with Vault.in_memory() as other:
        with pytest.raises(ImportSourceError, match="a newer release wrote this journal; import it with that release"):
            await import_journal(other, tmp_path / "journal")
        assert not any((await everything(other)).values())


@pytest.mark.parametrize("version", [0, -1, "4", None, True, 4.0])
async def test_an_invalid_version_is_refused(vault: Vault, tmp_path: Path, version: object) -> None:
    """It is a whole number from 1."""
    await export_journal(vault, tmp_path / "journal")
    await asyncio.to_thread(rewrite, tmp_path / "journal", lambda manifest: manifest.update(schema=version))
    with pytest.raises(ImportSourceError, match="an invalid version of the schema"):
        await import_journal(vault, tmp_path / "journal")


async def test_the_files_are_plain_and_without_secrets(vault: Vault, tmp_path: Path) -> None:
    """Originals are files as they were; JSON lines are readable; API keys are in none of them."""
    await fill(vault)
    await export_journal(vault, tmp_path / "journal")

    def read() -> dict[str, bytes]:
        folder = tmp_path / "journal"
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    files = await asyncio.to_thread(read)
    assert [data for name, data in files.items() if name.startswith("images/")] == [picture()] * 3
    assert json.loads(files["accounts.jsonl"])["name"] == 'naïve "株"\n🚀'
    assert not any(b"canary" in data or b"ENC:" in data for data in files.values())
    assert [path.name for path in await asyncio.to_thread(lambda: [*tmp_path.glob("journal*")])].count("journal") == 1


async def test_an_export_is_its_owners_alone_and_touches_nothing_else(vault: Vault, tmp_path: Path) -> None:
    """A user's own ``.part`` stays as it is, whether the export succeeds or not; folders above the target are made."""
    await fill(vault)
    target, mine = tmp_path / "above" / "journal", tmp_path / "above" / "journal.part"
    await asyncio.to_thread(mine.mkdir, parents=True)
    await asyncio.to_thread((mine / "thesis.txt").write_text, "the only copy")

    def fail(_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        await export_journal(vault, target, progress=fail)
    await export_journal(vault, target)
    await export_journal(vault, tmp_path / "more" / "above" / "journal")

    def look() -> None:
        assert sorted(path.name for path in mine.parent.iterdir()) == ["journal", "journal.part"]
        assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
        for path in (target, *target.rglob("*")):
            if sys.platform != "win32":
                assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)

    await asyncio.to_thread(look)


async def test_an_export_replaces_nothing(vault: Vault, tmp_path: Path) -> None:
    """A folder that is there stays as it is, and a failed export leaves nothing."""
    with pytest.raises(ConfigurationError, match="new folder"):
        await export_journal(vault, tmp_path)

    def fail(_: object) -> None:
        raise RuntimeError("enough")

    await fill(vault)
    with pytest.raises(RuntimeError, match="enough"):
        await export_journal(vault, tmp_path / "journal", progress=fail)
    assert not await asyncio.to_thread(lambda: [*tmp_path.glob("journal.part")])
    assert not await asyncio.to_thread((tmp_path / "journal").exists)


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("journal.json", lambda _: b"{}", "not an exported journal"),
        ("journal.json", lambda data: data.replace(b'"format": 1', b'"format": 2'), "newer release"),
        ("trades.jsonl", lambda data: data[:-30], "trades.jsonl"),
        ("trades.jsonl", lambda data: data[: data.index(b"\n") + 1], "1 lines and should have 449"),
        ("trades.jsonl", lambda data: data.replace(b'"BOT"', b'"BUY"', 1), "Trade.action"),
        ("trades.jsonl", lambda data: data.replace(b'"price"', b'"prize"', 1), "not one of an exported journal"),
        ("images.jsonl", lambda data: data.replace(b'"id": 1', b'"id": 99', 1), "missing"),
        ("images/1.jpg", lambda data: data[:-1], "file_size"),
    ],
)
async def test_a_damaged_journal_is_refused_whole(
    vault: Vault, tmp_path: Path, name: str, change: Any, problem: str
) -> None:
    """What was cut off or changed is named, and nothing is imported."""
    await fill(vault)
    await export_journal(vault, tmp_path / "journal")
    path = tmp_path / "journal" / name
    await asyncio.to_thread(lambda: path.write_bytes(change(path.read_bytes())))
    async with Vault.in_memory() as other:
        with pytest.raises(ImportSourceError, match=problem):
            await import_journal(other, tmp_path / "journal")
        assert not any((await everything(other)).values())


async def test_an_image_without_an_owner_is_refused(vault: Vault, tmp_path: Path) -> None:
    """A journal with a trade taken out of it, but not its images, is not imported."""
    await fill(vault)
    await export_journal(vault, tmp_path / "journal")
    path = tmp_path / "journal" / "images.jsonl"
    await asyncio.to_thread(lambda: path.write_bytes(path.read_bytes().replace(b'"0001"', b'"gone"')))
    async with Vault.in_memory() as other:
        with pytest.raises(ForeignKeyError):
            await import_journal(other, tmp_path / "journal")
