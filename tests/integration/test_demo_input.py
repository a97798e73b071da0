"""What the demo is given: files that are missing or malformed are named, before a vault is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias

import pytest
from PIL import Image

from zorivest_async import Trade, TradeAction
from zorivest_async.__main__ import main
from zorivest_async.demo.samples import find_images, read_executions, read_sample_executions

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
        assert main(["demo", "--vault", str(vault_path), *map(str, arguments)]) == 1
        output, error = capsys.readouterr()
        assert output == ""
        assert error.count("\n") == 1
        assert not vault_path.exists()
        return error.removeprefix("python -m zorivest_async: error: ").rstrip("\n")

    return run


def test_executions_become_trades() -> None:
    """Every column of an exchange feed goes where it belongs, in the order of the file."""
    trades = read_sample_executions()
    assert len(trades) == 100
    assert trades[1] == Trade(
        exec_id="1206419188",
        time=datetime(2023, 2, 2, 9, 20, 0, 214000, tzinfo=UTC),
        instrument="ETH/USDT",
        action=TradeAction.SLD,
        quantity=0.152,
        price=1666.79,
        account_id="DEMO",
    )


def test_a_file_of_a_spreadsheet_program_is_read(tmp_path: Path) -> None:
    """A byte-order mark, other columns, another order of them and quotation marks are fine."""
    path = tmp_path / "executions.csv"
    path.write_text(
        'price,note,"id",date,amount,side\r\n1.5,"a, b",17,2023-02-02T10:20:00+01:00,2,sell\r\n', encoding="utf-8-sig"
    )
    (trade,) = read_executions(path)
    moment = datetime(2023, 2, 2, 9, 20, tzinfo=UTC)
    assert trade == Trade("17", moment, "ETH/USDT", TradeAction.SLD, 2.0, 1.5, "DEMO")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ", line 1: these columns are missing: amount, date, id, price, side"),
        ("id,date,price\n", ", line 1: these columns are missing: amount, side"),
        (HEADER, ": there are no executions in this file"),
        (HEADER + GOOD_ROW + GOOD_ROW.replace("26.062", "lots"), ", line 3: amount must be a number"),
        (HEADER + GOOD_ROW.replace("buy", "BUY"), ", line 2: side must be buy or sell"),
        (HEADER + GOOD_ROW + "\n" + GOOD_ROW, ", line 4: the execution with this id is on line 2 already"),
        (
            HEADER + GOOD_ROW.replace("26.062", "0"),
            ", line 2: amount must be greater than zero; the action says the side",
        ),
        (
            HEADER + GOOD_ROW.replace("1666.8", "nan"),
            ", line 2: price must be a number that float64 holds digit for digit",
        ),
        (
            HEADER + GOOD_ROW.replace("1666.8", "1666.80000000000000001"),
            ", line 2: price must be a number that float64 holds digit for digit",
        ),
        (HEADER + GOOD_ROW.replace("2023-02-02", "02.02.2023"), ", line 2: date must be a date and time in ISO 8601"),
        (HEADER + GOOD_ROW.replace(":00+", ":00.1234567+"), ", line 2: date is finer than microseconds"),
        (HEADER + GOOD_ROW.replace("17,", " ,"), ", line 2: id must not be empty"),
        (HEADER + "17,2023-02-02 09:20:00\n", ", line 2: side must be buy or sell"),
        (HEADER + GOOD_ROW.replace("17,", '"17"x,'), ", line 2: ',' expected after '\"'"),
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
    assert refuse("--executions", path) == f"{path}: this is not text in UTF-8"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """Missing executions, and a missing folder of images."""
    path = tmp_path / "nothing"
    for option in ("--executions", "--images"):
        assert refuse(option, path).startswith(f"{path}: ")


def test_images_are_found_by_name(tmp_path: Path) -> None:
    """All four formats, in order; not the licence beside them, and no folder that is called like an image."""
    for name in ("d.WEBP", "a.png", "LICENSE.txt", "c.jpeg", "b.jpg", "e.gif"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in find_images(tmp_path)] == ["a.png", "b.jpg", "c.jpeg", "d.WEBP", "e.gif"]


def test_a_folder_without_images_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """The demo does not quietly draw charts instead."""
    folder = tmp_path / "charts"
    folder.mkdir()
    assert refuse("--images", folder) == f"{folder}: there are no PNG, JPEG, WebP or GIF files in this folder"


def test_a_damaged_image_is_named(tmp_path: Path, refuse: Refuse) -> None:
    """One bad image among good ones stops the demo before it makes a vault."""
    folder = tmp_path / "charts"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    (folder / "torn.png").write_bytes((folder / "good.png").read_bytes()[:-20])
    expected = f"{folder / 'torn.png'}: the image announces image/png but cannot be decoded"
    assert refuse("--images", folder) == expected
