"""What the demo is given: files that are missing or malformed are named, before a vault is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from PIL import Image

from zorivest_async import AssetClass, Trade, TradeAction
from zorivest_async.cli import main
from zorivest_async.cli.demo.samples import CHARTS, DATA, EXECUTIONS, read_executions, read_pictures
from zorivest_async.database.sqlcipher.long_operation import Operation

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,date,side,price,amount\n"
GOOD_ROW = "17,2023-02-02 09:20:00+00:00,buy,1666.8,26.062\n"

Refuse: TypeAlias = Callable[..., str]


@pytest.fixture
def refuse(vault_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run the demo, and return the one line with which it refuses what it was given."""

    def run(*arguments: str | Path) -> str:
        monkeypatch.setenv("ZORIVEST_PASSPHRASE", "correct horse")
        assert main(["demo", "--vault", str(vault_path), *map(str, arguments)]) in {5, 6}
        output, error = capsys.readouterr()
        assert output == ""
        assert error.count("\n") == 1
        assert not vault_path.exists()
        return error.removeprefix("zorivest: error: ").rstrip("\n")

    return run


def unreadable(line: int, problem: str) -> str:
    """Return how a row that an import does not take is told."""
    return f": line {line}: a field cannot be read ({problem})"


def test_executions_become_trades() -> None:
    """Every column of an exchange feed goes where it belongs, in the order of the file."""
    trades = read_executions(EXECUTIONS, Operation())
    assert len(trades) == 100
    assert trades[1] == Trade(
        exec_id="1206419188",
        time=datetime(2023, 2, 2, 9, 20, 0, 214000, tzinfo=UTC),
        instrument="ETH/USDT",
        action=TradeAction.SLD,
        quantity=0.152,
        price=1666.79,
        account_id="DEMO",
        realized_pnl=None,
        currency="USDT",
        asset_class=AssetClass.CRYPTO,
    )


def test_a_file_of_a_spreadsheet_program_is_read(tmp_path: Path) -> None:
    """A byte-order mark, other columns, another order of them and quotation marks are fine."""
    path = tmp_path / "executions.csv"
    path.write_text(
        'price,note,"id",date,amount,side\r\n1.5,"a, b",17,2023-02-02T10:20:00+01:00,2,sell\r\n', encoding="utf-8-sig"
    )
    (trade,) = read_executions(path, Operation())
    moment = datetime(2023, 2, 2, 9, 20, tzinfo=UTC)
    units: dict[str, Any] = {"currency": "USDT", "asset_class": AssetClass.CRYPTO}
    assert trade == Trade("17", moment, "ETH/USDT", TradeAction.SLD, 2.0, 1.5, "DEMO", realized_pnl=None, **units)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": the file is empty; it has no header"),
        ("id,date,price\n", ": the profile needs columns that are missing: amount, side"),
        (HEADER, ": this file contains no executions"),
        (
            HEADER + GOOD_ROW + GOOD_ROW.replace("26.062", "lots").replace("17,", "18,"),
            unreadable(3, "quantity is not a number"),
        ),
        (HEADER + GOOD_ROW.replace("buy", "hold"), unreadable(2, "action is not a side that the profile knows")),
        (HEADER + GOOD_ROW + "\n" + GOOD_ROW, ": line 4: the id of this execution is already on line 2"),
        (
            HEADER + GOOD_ROW + GOOD_ROW.replace("buy", "sell"),
            ": line 3: the id of this execution is already on line 2",
        ),
        (
            HEADER + GOOD_ROW.replace("26.062", "0"),
            unreadable(2, "quantity must be greater than zero; the action says the side"),
        ),
        (HEADER + GOOD_ROW.replace("1666.8", "nan"), unreadable(2, "price is not a number")),
        (
            HEADER + GOOD_ROW.replace("1666.8", "1666.80000000000000001"),
            unreadable(2, "price has more digits than float64 can hold; round it first"),
        ),
        (
            HEADER + GOOD_ROW.replace("2023-02-02", "02.02.2023"),
            unreadable(2, "time is not a date and time in ISO 8601"),
        ),
        (
            HEADER + GOOD_ROW.replace(":00+", ":00.1234567+"),
            unreadable(2, "time is finer than microseconds, the precision of a vault"),
        ),
        (HEADER + GOOD_ROW.replace("17,", " ,"), unreadable(2, "exec_id must not be empty")),
        (HEADER + "17,2023-02-02 09:20:00\n", unreadable(2, "it has 2 values and the header 5")),
        (
            HEADER + GOOD_ROW.replace("17,", '"17"x,'),
            unreadable(2, "a quotation mark is neither around a value nor doubled in it"),
        ),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, refuse: Refuse, text: str, problem: str) -> None:
    """The error says which line cannot be used and why."""
    path = tmp_path / "executions.csv"
    path.write_text(text)
    assert refuse("--executions", path) == f"{path}{problem}"


def test_a_file_that_is_not_text_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """A spreadsheet, say, that was not exported."""
    path = tmp_path / "executions.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert refuse("--executions", path) == f"{path}: this is not text in utf-8-sig"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """Missing executions, and a missing folder of images."""
    path = tmp_path / "nothing"
    for option in ("--executions", "--images"):
        assert refuse(option, path).startswith(f"{path}: ")


def test_images_are_taken_by_name(tmp_path: Path) -> None:
    """All four formats, in order; not the licence beside them, and no folder that is called like an image."""
    for name in ("d.WEBP", "a.png", "c.jpeg", "b.jpg", "e.gif"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "LICENSE.txt").touch()
    (tmp_path / "folder.png").mkdir()
    pictures = read_pictures(tmp_path, Operation())
    assert [picture.path.name for picture in pictures] == ["a.png", "b.jpg", "c.jpeg", "d.WEBP", "e.gif"]


def test_the_bundled_charts_are_images_that_differ() -> None:
    """Four charts, which are all the images beside the executions, no two alike."""
    pictures = read_pictures(DATA, Operation())
    assert tuple(picture.path for picture in pictures) == CHARTS
    assert {(picture.expected.width, picture.expected.height) for picture in pictures} == {(1200, 720)}
    assert len({picture.expected.thumbnail for picture in pictures}) == 4


def test_a_folder_without_images_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """The demo does not quietly draw charts instead."""
    folder = tmp_path / "charts"
    folder.mkdir()
    assert refuse("--images", folder) == f"{folder}: this folder contains no PNG, JPEG, WebP or GIF files"


def test_a_damaged_image_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """One bad image among good ones stops the demo before it makes a vault."""
    folder = tmp_path / "charts"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    (folder / "torn.png").write_bytes((folder / "good.png").read_bytes()[:-20])
    expected = f"{folder / 'torn.png'}: the image announces image/png but cannot be decoded"
    assert refuse("--images", folder) == expected
