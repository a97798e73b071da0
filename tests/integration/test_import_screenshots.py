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


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("Screenshot 2024-01-02 at 10.15.30\u202fPM", 80_130),
        ("Screen Shot 2024-01-02 at 12.05.00 AM", 300),
        ("Screenshot 2024-01-02 at 12.05.00 PM", 43_500),
        ("Screenshot 2024-01-02 at 3.15.30\u00a0PM", 54_930),
        ("Bildschirmfoto 2024-01-02 um 10.15.30", 36_930),
        ("Capture d'écran 2024-01-02 à 9.15.30", 33_330),
        ("Captura de pantalla 2024-01-02 a la(s) 10.15.30 p. m.", 80_130),
        ("Skjermbilde 2024-01-02 kl. 10.15.30", 36_930),
        ("截屏2024-01-02 下午3.15.30", 54_930),
        ("스크린샷 2024-01-02 오전 3.15.30", 11_730),
        ("SPY_20240102_101530", 36_930),
        ("2024-01-02 SPY 10.15.30", 36_930),
    ],
)
async def test_the_time_in_a_name_is_read(vault: Vault, tmp_path: Path, name: str, seconds: int) -> None:
    """Also of clocks of twelve hours, with any blank before the mark, and in the words of several languages."""
    midnight = MOMENT.replace(hour=0, minute=0)
    await store(vault, ("there", "SPY", midnight + timedelta(seconds=seconds) - MOMENT))
    await write(tmp_path, f"{name}.png")
    source = Screenshots(tmp_path, time_zone="UTC", tolerance=timedelta())
    report = await import_screenshots(vault, source)
    assert [entry.key for entry in report.inserted] == ["there"]


async def test_a_name_that_contradicts_itself_or_the_trade_fails(vault: Vault, tmp_path: Path) -> None:
    """A time of both clocks, and the instrument of other trades, before, inside of and behind the time."""
    await store(vault, ("a", "SPY", timedelta()), ("b", "QQQ", timedelta(days=1)))
    await write(
        tmp_path,
        "2024-01-02 14.30.00 PM.png",
        "QQQ 2024-01-02 14.30.00.png",
        "2024-01-02 QQQ 14.30.00.png",
        "2024-01-02 14.30.00 QQQ.png",
        "a QQQ.png",
        "GLD 2024-01-02 14.30.00.png",
    )
    report = await import_screenshots(vault, Screenshots(tmp_path, time_zone="UTC"))
    assert [entry.row for entry in report.inserted] == ["GLD 2024-01-02 14.30.00.png"]
    assert {entry.row: entry.reason for entry in report.failed} == {
        "2024-01-02 14.30.00 PM.png": Reason.UNREADABLE,
        "2024-01-02 14.30.00 QQQ.png": Reason.UNMATCHED,
        "2024-01-02 QQQ 14.30.00.png": Reason.UNMATCHED,
        "QQQ 2024-01-02 14.30.00.png": Reason.UNMATCHED,
        "a QQQ.png": Reason.UNMATCHED,
    }


async def test_files_of_other_formats_are_reported(vault: Vault, tmp_path: Path) -> None:
    """With what to do; files that are no images are not."""
    await store(vault, ("a", "SPY", timedelta()))
    await write(tmp_path, "a.png", "a 2.HEIC", "a 3.avif", "a 4.bmp", "a 5.tiff", "notes.txt", "chart.pdf")
    report = await import_screenshots(vault, Screenshots(tmp_path))
    assert [entry.row for entry in report.inserted] == ["a.png"]
    assert [entry.row for entry in report.failed] == ["a 2.HEIC", "a 3.avif", "a 4.bmp", "a 5.tiff"]
    assert {entry.reason for entry in report.failed} == {Reason.NOT_AN_IMAGE}
    assert "convert it to PNG" in report.failed[0].detail


async def test_one_unreadable_file_fails_alone(vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission, or that vanished since the folder was listed; the others are attached."""
    await store(vault, *((f"E{number}", "SPY", timedelta(minutes=number)) for number in range(3)))
    await write(tmp_path, "E0.png", "E1.png", "E2.png")
    listed = await asyncio.to_thread(Screenshots(tmp_path).files)
    monkeypatch.setattr(Screenshots, "files", lambda _: listed)
    await asyncio.to_thread((tmp_path / "E1.png").unlink)
    report = await import_screenshots(vault, Screenshots(tmp_path))
    assert [entry.row for entry in report.inserted] == ["E0.png", "E2.png"]
    assert [(entry.row, entry.reason) for entry in report.failed] == [("E1.png", Reason.UNREADABLE)]
