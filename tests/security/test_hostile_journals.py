"""A journal's folder that another person made: what is in it, and where it leads."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import sys
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_png
from special_files import is_root, make_device, make_pipe, make_socket, release_pipe
from zorivest_async import (
    Account,
    AccountType,
    BalanceSnapshot,
    ConvictionLevel,
    ImageOwnerType,
    Import,
    ImportSourceError,
    MarketProviderSetting,
    Trade,
    TradeAction,
    TradePlan,
    TradeReport,
    Vault,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.domain.imports import ImportKind, ImportRow
from zorivest_async.transfer import journal_lines
from zorivest_async.transfer.journal import export_journal, import_journal
from zorivest_async.transfer.journal_folder import DescriptorFolder, NamedFolder, open_folder
from zorivest_async.transfer.journal_tables import journal_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

NOON = datetime(2024, 3, 8, 12, tzinfo=UTC)
SECRET = b"PRIVATE KEY OF THE VICTIM"
TABLE_FILES = [f"{table.name}.jsonl" for table in journal_tables()]
WAIT_S = 30


async def make_journal(folder: Path) -> None:
    """Export a journal with one row in every table."""
    async with Vault.in_memory() as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(Account("A", "a", AccountType.BROKER))
            await uow.trades.save(Trade("T", NOON, "SPY", TradeAction.BOT, 1, 1.5, "A"))
            await uow.trade_reports.save(TradeReport("T", tags=("a",)))
            await uow.trade_plans.save(TradePlan("SPY", TradeAction.BOT, ConvictionLevel.MAX, created_at=NOON))
            await uow.images.attach(ImageOwnerType.TRADE, "T", make_png())
            await uow.watchlists.save(Watchlist("w", items=(WatchlistItem("SPY"),)))
            await uow.balance_snapshots.save(BalanceSnapshot("A", NOON, 1.5))
            await uow.settings.set("s", {"a": [1.5]})
            await uow.market_provider_settings.save(MarketProviderSetting("p"))
            await uow.imports.begin(Import("a.csv", "0" * 64, profile="p"))
            await uow.rows.insert([ImportRow(1, ImportKind.INSERTED, "T", "{}", "0" * 32)])
            await uow.commit()
        await export_journal(vault, folder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal that no test changes."""
    folder = tmp_path_factory.mktemp("exported") / "journal"
    asyncio.run(make_journal(folder))
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """Return a journal of the test's own."""
    return shutil.copytree(exported, tmp_path / "journal")


async def refusal(folder: Path) -> ImportSourceError:
    """Return why a journal is not imported, after checking that nothing of it is stored."""
    async with Vault.in_memory() as vault:
        with pytest.raises(ImportSourceError) as caught:
            await import_journal(vault, folder)
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.accounts.count_all() == 0
    return caught.value


def link(path: Path) -> None:
    """Put a symbolic link to a secret elsewhere at a path."""
    outside = path.parents[2] / "elsewhere"
    outside.write_bytes(SECRET)
    path.symlink_to(outside)


def device(path: Path) -> None:
    """Put a device that gives zeros without an end at a path."""
    try:
        make_device(path)
    except PermissionError:
        pytest.skip("only an administrator makes devices")


def directory(path: Path) -> None:
    """Put a folder at a path."""
    path.mkdir()


STRANGE: list[Callable[[Path], None]] = [link, make_pipe, make_socket, device, directory]


def release(path: Path) -> None:
    """Let go of whoever waits for a pipe."""
    try:
        release_pipe(path)
    except OSError as error:
        assert error.errno in (errno.ENXIO, errno.ENOENT, errno.EISDIR)  # noqa: PT017


@pytest.mark.skipif(sys.platform == "win32", reason="pipes, sockets and devices have no names in folders")
@pytest.mark.parametrize("put", STRANGE)
@pytest.mark.parametrize("name", ["journal.json", "accounts.jsonl", "images.jsonl", "images/1.png"])
@pytest.mark.parametrize("opener", [DescriptorFolder, NamedFolder])
async def test_only_regular_files_are_opened(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    put: Callable[[Path], None],
    name: str,
    opener: Any,
) -> None:
    """A link, a pipe, a socket, a device or a folder in a file's place is refused at once, by descriptor or by name."""
    monkeypatch.setattr("zorivest_async.transfer.journal.open_folder", opener)
    path = folder / name
    await asyncio.to_thread(path.unlink)
    await asyncio.to_thread(put, path)
    refused = asyncio.create_task(refusal(folder))
    try:
        done, _ = await asyncio.wait({refused}, timeout=WAIT_S)
        assert done, "the import waits"
        assert "not an exported journal" in str(refused.result()) or f"{name} is a link, a folder, a pipe" in str(
            refused.result()
        )
    finally:
        await asyncio.to_thread(release, path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("opener", [DescriptorFolder, NamedFolder])
async def test_the_folder_of_images_is_no_link(folder: Path, monkeypatch: pytest.MonkeyPatch, opener: Any) -> None:
    """A link in its place leads out of the journal."""
    monkeypatch.setattr("zorivest_async.transfer.journal.open_folder", opener)

    def lead_away() -> None:
        (folder / "images").rename(folder.parent / "outside")
        (folder / "images").symlink_to(folder.parent / "outside")

    await asyncio.to_thread(lead_away)
    assert "images" in str(await refusal(folder))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
async def test_the_journal_itself_may_be_a_link(folder: Path) -> None:
    """The caller has chosen it."""
    await asyncio.to_thread((folder.parent / "alias").symlink_to, folder)
    async with Vault.in_memory() as vault:
        assert len((await import_journal(vault, folder.parent / "alias")).inserted) == 12


@pytest.mark.parametrize("number", ["../../elsewhere", "/etc/passwd", 1.0, True, "1", None, [1], -1, 2**70])
async def test_a_number_of_an_image_is_no_path(folder: Path, number: Any) -> None:
    """What is to become a part of a file's name is an integer, and leads to no other folder."""

    def change() -> None:
        path = folder / "images.jsonl"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"id": number}))
        (folder.parent / "elsewhere.png").write_bytes(SECRET)

    await asyncio.to_thread(change)
    assert (await refusal(folder)).line == 1


def replaced(line: str, value: str) -> str:
    """Return a line whose last value is another one."""
    return line[: line.rindex(": ") + 2] + value + "}"


HOSTILE_LINES: dict[str, Callable[[str], str]] = {
    "deep": lambda _: "[" * 100_000,
    "deep inside": lambda line: replaced(line, '{"a":' * 50_000 + "1" + "}" * 50_000),
    "infinite": lambda line: replaced(line, "Infinity"),
    "minus infinite": lambda line: replaced(line, "-Infinity"),
    "no number": lambda line: replaced(line, "NaN"),
    "too large a number": lambda line: replaced(line, "1e999"),
    "too many digits": lambda line: replaced(line, "9" * 10_000),
    "duplicated name": lambda line: line[:-1] + ", " + line[1:],
    "surrogates": lambda line: replaced(line, '"\\ud800"'),
    "NUL": lambda line: replaced(line, '"a\\u0000"'),
    "no object": lambda _: "[]",
    "null": lambda _: "null",
    "empty": lambda _: "",
    "another field": lambda line: line[:-1] + ', "surprise": 1}',
    "list in place of a value": lambda line: replaced(line, "[[]]"),
    "end of the calendar": lambda line: replaced(line, '"9999-12-31T23:59:59-14:00"'),
    "odd offset": lambda line: replaced(line, '"2024-01-01T00:00:00+99:99"'),
    "many small values": lambda line: replaced(line, "[" + "[]," * 1_100_000 + "[]]"),
}


@pytest.mark.parametrize("name", TABLE_FILES)
@pytest.mark.parametrize("kind", HOSTILE_LINES)
async def test_a_hostile_line_is_named(folder: Path, name: str, kind: str) -> None:
    """Whatever is wrong with a line of any table, the error is typed, names it, and does not show it."""

    def change() -> None:
        path = folder / name
        path.write_text(HOSTILE_LINES[kind](path.read_text(encoding="utf-8").rstrip("\n")) + "\n", encoding="utf-8")

    await asyncio.to_thread(change)
    error = await refusal(folder)
    assert error.line == 1
    assert name in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize("name", TABLE_FILES)
async def test_bytes_that_are_no_text_are_named_by_their_line(folder: Path, name: str) -> None:
    """The second line is the one at fault, though both are read together."""

    def change() -> None:
        path = folder / name
        path.write_bytes(path.read_bytes() + b'{"\xff\xed\xa0\x80": 1}\n')
        manifest = json.loads((folder / "journal.json").read_text())
        manifest["rows"][name.removesuffix(".jsonl")] += 1
        (folder / "journal.json").write_text(json.dumps(manifest))

    await asyncio.to_thread(change)
    assert (await refusal(folder)).line == 2


@pytest.mark.parametrize("name", TABLE_FILES)
async def test_more_lines_than_announced_are_not_read(folder: Path, name: str) -> None:
    """The first one too many ends the import, however many follow it."""

    def change() -> None:
        path = folder / name
        path.write_text(path.read_text() + "{}\n" * 1_000)

    await asyncio.to_thread(change)
    error = await refusal(folder)
    assert (error.line, "more than 1 lines" in str(error)) == (2, True)


@pytest.mark.parametrize(
    "manifest",
    [
        "[" * 100_000,
        "[]",
        '{"format": 1, "rows": {"accounts": Infinity}}',
        '{"format": 1, "rows": {"accounts": 1e999}}',
        '{"format": 1, "rows": []}',
        '{"format": 1, "format": 1, "rows": {}}',
        '{"format": {}, "rows": {}}',
        '{"format": 1, "rows": {' + ", ".join(f'"{table.name}": -1' for table in journal_tables()) + "}}",
        '{"format": 1, "rows": {' + ", ".join(f'"{table.name}": true' for table in journal_tables()) + "}}",
        '{"format": 1, "rows": {' + ", ".join(f'"{table.name}": 1{"0" * 30}' for table in journal_tables()) + "}}",
        " " * 10_000_000,
        "\ud800",
    ],
)
async def test_a_hostile_manifest_is_refused(folder: Path, manifest: str) -> None:
    """Deep, infinite, huge, or with numbers that count nothing."""
    await asyncio.to_thread((folder / "journal.json").write_bytes, manifest.encode(errors="surrogatepass"))
    assert isinstance(await refusal(folder), ImportSourceError)


async def test_a_line_without_an_end_takes_bounded_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a sparse file of a terabyte no more is read than a line may have."""
    monkeypatch.setattr(journal_lines, "MAX_LINE_BYTES", 4 * 1024 * 1024)

    def grow() -> None:
        with (folder / "trades.jsonl").open("r+b") as file:
            file.truncate(2**40)

    await asyncio.to_thread(grow)
    tracemalloc.start()
    try:
        assert (await refusal(folder)).line == 2
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [None, 68, 2**40])
async def test_an_image_that_is_huge_is_not_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    """Whatever its line says of its size, no more than that and the limit is read."""
    monkeypatch.setattr(journal_lines, "MAX_IMAGE_BYTES", 4 * 1024 * 1024)

    def change() -> None:
        path = folder / "images.jsonl"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"file_size": size}))
        with (folder / "images" / "1.png").open("r+b") as file:
            file.truncate(2**40)

    await asyncio.to_thread(change)
    tracemalloc.start()
    try:
        assert (await refusal(folder)).line == 1
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_large_rows_are_read_in_small_pages(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends by its bytes as well as by its rows."""
    async with vault.unit_of_work() as uow:
        for number in range(20):
            await uow.accounts.save(Account(str(number), "a", AccountType.BROKER, notes="n" * 900_000))
        await uow.commit()
    await export_journal(vault, tmp_path / "journal")
    monkeypatch.setattr(journal_lines, "PAGE_BYTES", 1_000_000)
    reports: list[int] = []
    async with Vault.in_memory() as other:
        await import_journal(other, tmp_path / "journal", progress=lambda report: reports.append(report.done))

    def pages() -> list[int]:
        with open_folder(tmp_path / "journal") as folder:
            lines = journal_lines.JournalLines(folder, journal_tables()[0], 20)
            with lines:
                return [len(page) for page in iter(lines.page, [])]

    assert await asyncio.to_thread(pages) == [2] * 10
    assert reports[-1] == 20


@pytest.mark.skipif(sys.platform == "win32", reason="an administrator's rights cannot be taken away")
async def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    """It is no bare PermissionError."""
    if is_root():
        pytest.skip("an administrator reads everything")
    await asyncio.to_thread((folder / "trades.jsonl").chmod, 0)
    assert "trades.jsonl cannot be read" in str(await refusal(folder))
