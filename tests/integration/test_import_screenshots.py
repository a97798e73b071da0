"""Screenshots find the trades that they show, once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from zorivest_async import Account, AccountType, ConfigurationError, ImageOwnerType, Trade, TradeAction, Vault
from zorivest_async.transfer.importers import ImportSourceError, Reason, Screenshots, import_screenshots

pytestmark = pytest.mark.asyncio

SHARED_CHARTS = Path(__file__).parents[2].parent / "shared" / "data" / "charts"
MOMENT = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


async def store(vault: Vault, *trades: tuple[str, str, timedelta]) -> None:
    """Store trades by their identifier, instrument and distance from the moment."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("A", "a", AccountType.BROKER))
        await uow.trades.save_many(
            Trade(exec_id, MOMENT + after, instrument, TradeAction.BOT, 1, 1, "A")
            for exec_id, instrument, after in trades
        )
        await uow.commit()


def picture(colour: int) -> bytes:
    """Return a small image of one colour."""
    buffer = BytesIO()
    Image.new("RGB", (20, 10), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


async def write(folder: Path, *names: str) -> None:
    """Write different images of these names."""
    for number, name in enumerate(names):
        await asyncio.to_thread((folder / name).write_bytes, picture(number))


async def test_an_image_goes_to_the_trade_in_its_name(vault: Vault, tmp_path: Path) -> None:
    """Of identifiers that begin alike the longest counts; importing again attaches nothing."""
    await store(vault, ("0001.5f.01", "SPY", timedelta()), ("0001.5f.01_b", "SPY", timedelta()))
    await write(tmp_path, "0001.5f.01.png", "0001.5f.01 exit.png", "0001.5f.01_b_(1).PNG", "other.png", "notes.txt")
    dry = await import_screenshots(vault, Screenshots(tmp_path), dry_run=True)
    report = await import_screenshots(vault, Screenshots(tmp_path))
    assert [*dry.inserted] == [*report.inserted]
    assert {entry.row: entry.key for entry in report.inserted} == {
        "0001.5f.01.png": "0001.5f.01",
        "0001.5f.01 exit.png": "0001.5f.01",
        "0001.5f.01_b_(1).PNG": "0001.5f.01_b",
    }
    assert [(entry.row, entry.reason) for entry in report.failed] == [("other.png", Reason.UNMATCHED)]
    again = await import_screenshots(vault, Screenshots(tmp_path))
    assert (len(again.inserted), len(again.duplicate)) == (0, 3)
    async with vault.unit_of_work(read_only=True) as uow:
        images = await uow.images.list_for_owner(ImageOwnerType.TRADE, "0001.5f.01")
    assert {image.caption for image in images} == {"0001.5f.01.png", "0001.5f.01 exit.png"}


async def test_an_image_goes_to_the_trade_nearest_in_time(vault: Vault, tmp_path: Path) -> None:
    """Its name tells the moment on the wall; the instrument in it decides; a draw, and no trade near by, fail."""
    await store(
        vault,
        ("a", "SPY", timedelta(seconds=-50)),
        ("b", "QQQ", timedelta(seconds=10)),
        ("c", "QQQ", timedelta(minutes=2)),
        ("d", "SPY", timedelta(hours=1, seconds=5)),
        ("e", "SPY", timedelta(hours=1, seconds=-5)),
    )
    await write(
        tmp_path,
        "Screenshot 2024-01-02 at 15.30.00.png",
        "SPY_20240102_153000.png",
        "QQQ 2024-01-02 15-31-30.png",
        "2024-01-02 16.30.00.png",
        "2024-01-02 23.30.00.png",
        "2024-10-27 02.30.00.png",
    )
    report = await import_screenshots(vault, Screenshots(tmp_path, time_zone="Europe/Berlin"))
    assert {entry.row: entry.key for entry in report.inserted} == {
        "Screenshot 2024-01-02 at 15.30.00.png": "b",
        "SPY_20240102_153000.png": "a",
        "QQQ 2024-01-02 15-31-30.png": "c",
    }
    assert {entry.row: entry.reason for entry in report.failed} == {
        "2024-01-02 16.30.00.png": Reason.AMBIGUOUS,
        "2024-01-02 23.30.00.png": Reason.UNMATCHED,
        "2024-10-27 02.30.00.png": Reason.UNREADABLE,
    }


async def test_what_is_no_image_fails_alone(vault: Vault, tmp_path: Path) -> None:
    """The report says what is wrong with it, and the others are attached."""
    await store(vault, ("a", "SPY", timedelta()))
    await write(tmp_path, "a.png")
    await asyncio.to_thread((tmp_path / "a broken.png").write_bytes, b"\x89PNG broken")
    report = await import_screenshots(vault, Screenshots(tmp_path))
    assert [entry.row for entry in report.inserted] == ["a.png"]
    assert [(entry.row, entry.reason) for entry in report.failed] == [("a broken.png", Reason.NOT_AN_IMAGE)]


async def test_a_folder_or_a_pattern_that_cannot_work_is_refused(vault: Vault, tmp_path: Path) -> None:
    """A folder that is not there is not an empty one."""
    with pytest.raises(ImportSourceError, match="no such folder"):
        await import_screenshots(vault, Screenshots(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="six groups"):
        Screenshots(tmp_path, time_pattern=r"(\d+)")


@pytest.mark.skipif(not SHARED_CHARTS.is_dir(), reason="the shared data are not beside the repository")
async def test_real_charts_are_attached_once(vault: Vault) -> None:
    """Four charts, matched by name, come back byte for byte."""
    files = await asyncio.to_thread(lambda: {p.name: p.read_bytes() for p in SHARED_CHARTS.glob("*.[pj][np]g")})
    await store(vault, *((name.rpartition(".")[0], "SPY", timedelta()) for name in files))
    report = await import_screenshots(vault, Screenshots(SHARED_CHARTS))
    assert len(report.inserted) == len(files) == 4
    async with vault.unit_of_work(read_only=True) as uow:
        for entry in report.inserted:
            (image,) = await uow.images.get_for_trade(entry.key or "")
            assert image.data == files[str(entry.row)]
    assert len((await import_screenshots(vault, Screenshots(SHARED_CHARTS))).duplicate) == 4
