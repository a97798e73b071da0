"""Candlestick charts, drawn with Pillow: plain functions that belong in a thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

__all__ = ["Bar", "draw_chart"]

_SIZE_PX = (1200, 720)

_PAPER, _GRID, _FRAME, _INK, _FAINT_INK = "#ffffff", "#e9edf2", "#c3ccd6", "#1f2a37", "#6b7785"

_LEFT, _RIGHT = 28, 1112
_PRICES_TOP, _PRICES_BOTTOM = 88, 546
_VOLUMES_TOP, _VOLUMES_BOTTOM = 564, 672

_GRID_STEPS = 7
_DAY_LABELS = 8
_PRICE_TAG_PX = 24


class _Colors(NamedTuple):
    strong: str
    pale: str


_UP, _DOWN = _Colors("#1a9b83", "#b9e0d8"), _Colors("#d9473f", "#f4c7c4")


@dataclass(frozen=True, slots=True)
class Bar:
    """What a price did in one day.

    Attributes:
        day: The day.
        open: Its first price.
        high: Its highest price.
        low: Its lowest price.
        close: Its last price.
        volume: How many units changed hands.
    """

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float


def draw_chart(bars: Sequence[Bar], title: str) -> bytes:
    """Draw bars as candles over their volumes and return the PNG file.

    Args:
        bars: At least one, oldest first; up to some 200 stay legible.
        title: The large line above.
    """
    chart = _Chart(bars)
    chart.draw_heading(title)
    chart.draw_grid()
    chart.draw_bars()
    chart.draw_last_price()
    return chart.to_png()


@dataclass(frozen=True, slots=True)
class _Axis:
    lowest: float
    highest: float
    top_px: int
    bottom_px: int

    def y(self, value: float) -> int:
        share = (value - self.lowest) / (self.highest - self.lowest)
        return round(self.bottom_px - share * (self.bottom_px - self.top_px))

    def round_values(self) -> list[float]:
        """Return multiples of 1, 2 or 5, times a power of ten, that divide the axis into some steps."""
        at_least = (self.highest - self.lowest) / _GRID_STEPS
        magnitude = 10.0 ** math.floor(math.log10(at_least))
        step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= at_least)
        return [n * step for n in range(math.ceil(self.lowest / step), math.floor(self.highest / step) + 1)]


class _Chart:
    def __init__(self, bars: Sequence[Bar]) -> None:
        lowest, highest = min(bar.low for bar in bars), max(bar.high for bar in bars)
        room = (highest - lowest) * 0.12 or 1.0
        self._bars = bars
        self._prices = _Axis(lowest - room, highest + room, _PRICES_TOP, _PRICES_BOTTOM)
        self._volumes = _Axis(0.0, max(bar.volume for bar in bars) or 1.0, _VOLUMES_TOP + 8, _VOLUMES_BOTTOM - 1)
        self._image = Image.new("RGB", _SIZE_PX, _PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def draw_heading(self, title: str) -> None:
        first, last = self._bars[0], self._bars[-1]
        change = (last.close / first.open - 1) * 100
        self._text((_LEFT, 18), title, _INK, size_px=28)
        self._text((_LEFT, 56), f"{first.day} to {last.day}, {len(self._bars)} daily bars", _FAINT_INK, size_px=16)
        color = _UP if change >= 0 else _DOWN
        self._text((_RIGHT, 56), f"{change:+.2f} %", color.strong, size_px=16, anchor="ra")

    def draw_grid(self) -> None:
        every = math.ceil(len(self._bars) / _DAY_LABELS)
        for index in range(every // 2, len(self._bars), every):
            x = self._x(index)
            self._draw.line((x, _PRICES_TOP, x, _PRICES_BOTTOM), _GRID)
            self._draw.line((x, _VOLUMES_TOP, x, _VOLUMES_BOTTOM), _GRID)
            self._text((x, _VOLUMES_BOTTOM + 12), str(self._bars[index].day), _FAINT_INK, anchor="ma")
        for price in self._prices.round_values():
            y = self._prices.y(price)
            self._draw.line((_LEFT, y, _RIGHT, y), _GRID)
            if abs(y - self._prices.y(self._bars[-1].close)) > _PRICE_TAG_PX:
                self._text((_RIGHT + 12, y), f"{price:,.2f}", _FAINT_INK, anchor="lm")
        self._text((_RIGHT + 12, _VOLUMES_TOP), "volume", _FAINT_INK, anchor="la")
        self._draw.rectangle((_LEFT, _PRICES_TOP, _RIGHT, _PRICES_BOTTOM), outline=_FRAME)
        self._draw.rectangle((_LEFT, _VOLUMES_TOP, _RIGHT, _VOLUMES_BOTTOM), outline=_FRAME)

    def draw_bars(self) -> None:
        half_px = max(1, int((_RIGHT - _LEFT) / len(self._bars) * 0.34))
        for index, bar in enumerate(self._bars):
            x, color = self._x(index), _color_of(bar)
            left, right = x - half_px, x + half_px
            body_top, body_bottom = self._prices.y(max(bar.open, bar.close)), self._prices.y(min(bar.open, bar.close))
            self._draw.line((x, self._prices.y(bar.high), x, self._prices.y(bar.low)), color.strong)
            self._draw.rectangle((left, body_top, right, body_bottom), color.strong)
            self._draw.rectangle((left, self._volumes.y(bar.volume), right, self._volumes.bottom_px), color.pale)

    def draw_last_price(self) -> None:
        last = self._bars[-1]
        y, color = self._prices.y(last.close), _color_of(last).strong
        for x in range(_LEFT, _RIGHT, 8):
            self._draw.line((x, y, x + 2, y), color)
        half_px = _PRICE_TAG_PX // 2
        self._draw.rectangle((_RIGHT + 1, y - half_px, _SIZE_PX[0] - 1, y + half_px), color)
        self._text((_RIGHT + 12, y), f"{last.close:,.2f}", _PAPER, anchor="lm")

    def to_png(self) -> bytes:
        buffer = BytesIO()
        self._image.save(buffer, "PNG")
        return buffer.getvalue()

    def _x(self, index: int) -> int:
        """Return the middle of a bar, in pixels from the left."""
        return round(_LEFT + (index + 0.5) * (_RIGHT - _LEFT) / len(self._bars))

    def _text(self, at: tuple[int, int], text: str, color: str, *, size_px: int = 15, anchor: str = "la") -> None:
        self._draw.text(at, text, color, ImageFont.load_default(size_px), anchor=anchor)


def _color_of(bar: Bar) -> _Colors:
    return _UP if bar.close >= bar.open else _DOWN
