"""What the demo stores: executions and images, the user's own or the bundled ones.

Plain functions that block; call them in a thread.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from importlib import resources
from io import StringIO
from typing import TYPE_CHECKING

from zorivest_async import ImageError, ImagePolicy, Trade, TradeAction, ValidationError, ZorivestError
from zorivest_async.demo.charts import Bar, Marker, draw_chart
from zorivest_async.images import process_image, read_image_file

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from zorivest_async.images import ProcessedImage

__all__ = [
    "ACCOUNT_ID",
    "INSTRUMENT",
    "Picture",
    "SampleError",
    "draw_sample_charts",
    "find_images",
    "look_at",
    "read_executions",
    "read_sample_executions",
]

ACCOUNT_ID = "DEMO"
"""The account that all executions belong to."""

INSTRUMENT = "ETH/USDT"
"""What the executions trade: the feed is of one instrument and does not name it."""

_COLUMNS = {"exec_id": "id", "time": "date", "action": "side", "quantity": "amount", "price": "price"}
"""Fields of an execution, and the columns of the feed that they come from."""

_ACTIONS = {"buy": TradeAction.BOT, "sell": TradeAction.SLD}
_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{7}")
_IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif"})

_ENTRY = Marker(date(2017, 10, 27), TradeAction.BOT, "entry")
_EXIT = Marker(date(2017, 11, 14), TradeAction.SLD, "exit")
_SAMPLE_CHARTS = (
    ("1-overview.png", "AAPL daily: the whole trade", slice(0, 120), (_ENTRY, _EXIT)),
    ("2-setup.png", "AAPL daily: the setup", slice(24, 63), ()),
    ("3-entry.png", "AAPL daily: the entry", slice(40, 70), (_ENTRY,)),
    ("4-exit.png", "AAPL daily: the exit", slice(56, 92), (_ENTRY, _EXIT)),
)
"""File name, title, which of the bundled bars, and what is marked on them."""


class SampleError(ZorivestError, ValueError):
    """A file or folder that was given to the demo cannot be used.

    Attributes:
        source: The file or folder.
        problem: What is wrong with it, without the value.
        line: Line of the file, from 1; ``None`` where the whole of it is meant.
    """

    def __init__(self, source: str, problem: str, line: int | None = None) -> None:
        super().__init__(source, problem, line)
        self.source = source
        self.problem = problem
        self.line = line

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}, line {self.line}"
        return f"{place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file that a vault takes.

    Attributes:
        path: The file.
        expected: What a vault will find out about it, and the thumbnail that it will make.
    """

    path: Path
    expected: ProcessedImage


def read_sample_executions() -> list[Trade]:
    """Return the bundled sample, 100 public executions of an exchange feed, in the order of the file."""
    return _parse_executions(_bundled_text("executions.csv"), "executions.csv")


def read_executions(path: Path) -> list[Trade]:
    """Return the executions of an exchange feed, in the order of the file; at least one.

    Needed are the columns ``id``, ``date`` (ISO 8601, in UTC where it names no offset), ``side`` (``buy`` or ``sell``),
    ``amount`` and ``price``; others are left alone.

    Args:
        path: A CSV file in UTF-8.

    Raises:
        SampleError: It is not such a file, or a number in it is not one that float64 holds digit for digit.
        OSError: It is not there, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SampleError(str(path), "this is not text in UTF-8") from None
    return _parse_executions(text, str(path))


def draw_sample_charts(folder: Path) -> list[Path]:
    """Draw four charts of the bundled prices into a folder and return their files."""
    rows = csv.DictReader(StringIO(_bundled_text("prices.csv")))
    bars = [
        Bar(date.fromisoformat(row["Date"]), *(float(row[name]) for name in ("Open", "High", "Low", "Close", "Volume")))
        for row in rows
    ]
    paths: list[Path] = []
    for name, title, span, markers in _SAMPLE_CHARTS:
        paths.append(folder / name)
        paths[-1].write_bytes(draw_chart(bars[span], title, markers))
    return paths


def find_images(folder: Path) -> list[Path]:
    """Return the image files in a folder, by name, at least one; folders in it are not looked into.

    Raises:
        SampleError: There are none.
        OSError: The folder is not there, or cannot be read.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _IMAGE_SUFFIXES and path.is_file())
    if not paths:
        raise SampleError(str(folder), "there are no PNG, JPEG, WebP or GIF files in this folder")
    return paths


def look_at(path: Path) -> Picture:
    """Decode an image file as a vault does.

    Raises:
        SampleError: A vault would not take it.
        OSError: It cannot be read.
    """
    policy = ImagePolicy()
    try:
        return Picture(path, process_image(read_image_file(path, policy), policy))
    except ImageError as error:
        raise SampleError(str(path), str(error)) from error


def _bundled_text(name: str) -> str:
    return (resources.files("zorivest_async.demo") / "data" / name).read_text(encoding="utf-8")


def _parse_executions(text: str, source: str) -> list[Trade]:
    rows = csv.DictReader(StringIO(text, newline=""), strict=True)
    trades: list[Trade] = []
    line_of: dict[str, int] = {}
    try:
        _require_columns(rows.fieldnames or ())
        for row in rows:
            trades.append(_trade(row))
            _require_new(trades[-1].exec_id, rows.reader.line_num, line_of)
    except ValidationError as error:
        raise SampleError(source, f"{_COLUMNS[error.field]} {error.problem}", rows.reader.line_num) from error
    except (ValueError, csv.Error) as error:
        raise SampleError(source, str(error), rows.reader.line_num or 1) from error
    if not trades:
        raise SampleError(source, "there are no executions in this file")
    return trades


def _require_columns(names: Collection[str]) -> None:
    missing = sorted(set(_COLUMNS.values()).difference(names))
    if missing:
        raise ValueError(f"these columns are missing: {', '.join(missing)}")


def _require_new(exec_id: str, line: int, line_of: dict[str, int]) -> None:
    first_line = line_of.setdefault(exec_id, line)
    if first_line != line:
        raise ValueError(f"the execution with this id is on line {first_line} already")


def _trade(row: Mapping[str, str | None]) -> Trade:
    exec_id, moment, side, amount, price = (row[column] or "" for column in _COLUMNS.values())
    if side not in _ACTIONS:
        raise ValueError("side must be buy or sell")
    return Trade(
        exec_id=exec_id,
        time=_time(moment),
        instrument=INSTRUMENT,
        action=_ACTIONS[side],
        quantity=_number("amount", amount),
        price=_number("price", price),
        account_id=ACCOUNT_ID,
    )


def _time(text: str) -> datetime:
    if _FINER_THAN_MICROSECONDS.search(text):  # fromisoformat() would cut the rest off
        raise ValueError("date is finer than microseconds")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("date must be a date and time in ISO 8601") from None


def _number(column: str, text: str) -> float:
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{column} must be a number") from None
    number = float(exact) if exact.is_finite() else float("nan")
    if Decimal(repr(number)) != exact:
        raise ValueError(f"{column} must be a number that float64 holds digit for digit")
    return number
