"""Candlestick charts, drawn with Pillow: plain functions that belong in a thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from zorivest_async import TradeAction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

__all__ = ["CHART_SIZE_PX", "Bar", "Marker", "draw_chart"]

CHART_SIZE_PX = (1200, 720)
"""Width and height of a chart, in pixels."""

_PAPER, _GRID, _FRAME, _INK, _FAINT_INK = "#ffffff", "#e9edf2", "#c3ccd6", "#1f2a37", "#6b7785"

_LEFT, _RIGHT = 28, 1112
_PRICES_TOP, _PRICES_BOTTOM = 88, 546
_VOLUMES_TOP, _VOLUMES_BOTTOM = 564, 672

_GRID_STEPS = 7
_DAY_LABELS = 8
_PRICE_TAG_PX = 24
_LABEL_HALF_PX = 30
_ARROW_PX = 12
_ARROW_GAP_PX = 8
_OVERSAMPLING = 4


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


@dataclass(frozen=True, slots=True)
class Marker:
    """An entry or exit to point at.

    Attributes:
        day: Day of its bar; a marker whose day is not on the chart is left out.
        action: Bought (an arrow from below) or sold (one from above).
        label: A word or two.
    """

    day: date
    action: TradeAction
    label: str


def draw_chart(bars: Sequence[Bar], title: str, markers: Sequence[Marker] = ()) -> bytes:
    """Draw bars as candles over their volumes and return the PNG file.

    Args:
        bars: At least one, oldest first; up to some 200 stay legible.
        title: The large line above.
        markers: Entries and exits.
    """
    chart = _Chart(bars)
    chart.draw_heading(title)
    chart.draw_grid()
    chart.draw_bars()
    chart.draw_last_price()
    for marker in markers:
        chart.draw_marker(marker)
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
        self._image = Image.new("RGB", CHART_SIZE_PX, _PAPER)
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
        self._draw.rectangle((_RIGHT + 1, y - half_px, CHART_SIZE_PX[0] - 1, y + half_px), color)
        self._text((_RIGHT + 12, y), f"{last.close:,.2f}", _PAPER, anchor="lm")

    def draw_marker(self, marker: Marker) -> None:
        index = next((index for index, bar in enumerate(self._bars) if bar.day == marker.day), None)
        if index is None:
            return
        x = self._x(index)
        reach = math.ceil(_LABEL_HALF_PX * len(self._bars) / (_RIGHT - _LEFT))
        nearby = self._bars[max(0, index - reach) : index + reach + 1]  # the label stays clear of them
        if marker.action is TradeAction.BOT:
            tip = self._prices.y(min(bar.low for bar in nearby)) + _ARROW_GAP_PX
            self._arrow(x, tip, upward=True)
            self._label((x, tip + _ARROW_PX + 4), marker.label, _UP, anchor="ma")
        else:
            tip = self._prices.y(max(bar.high for bar in nearby)) - _ARROW_GAP_PX
            self._arrow(x, tip, upward=False)
            self._label((x, tip - _ARROW_PX - 4), marker.label, _DOWN, anchor="md")

    def to_png(self) -> bytes:
        buffer = BytesIO()
        self._image.save(buffer, "PNG")
        return buffer.getvalue()

    def _x(self, index: int) -> int:
        """Return the middle of a bar, in pixels from the left."""
        return round(_LEFT + (index + 0.5) * (_RIGHT - _LEFT) / len(self._bars))

    def _text(self, at: tuple[int, int], text: str, color: str, *, size_px: int = 15, anchor: str = "la") -> None:
        self._draw.text(at, text, color, ImageFont.load_default(size_px), anchor=anchor)

    def _label(self, at: tuple[int, int], text: str, color: _Colors, *, anchor: str) -> None:
        font = ImageFont.load_default(17)
        left, top, right, bottom = self._draw.textbbox(at, text, font, anchor=anchor)
        self._draw.rounded_rectangle((left - 6, top - 4, right + 6, bottom + 4), 4, _PAPER, color.strong)
        self._draw.text(at, text, color.strong, font, anchor=anchor)

    def _arrow(self, x: int, tip: int, *, upward: bool) -> None:
        """Draw a triangle with smooth edges: large at first, then scaled down."""
        side = 2 * _ARROW_PX
        large = side * _OVERSAMPLING
        base, point = (large // 2, 0) if upward else (0, large // 2)
        mask = Image.new("L", (large, large))
        ImageDraw.Draw(mask).polygon([(0, base), (large, base), (large // 2, point)], 255)
        left, top = x - _ARROW_PX, tip if upward else tip - _ARROW_PX
        self._image.paste((_UP if upward else _DOWN).strong, (left, top), mask.reduce(_OVERSAMPLING))


def _color_of(bar: Bar) -> _Colors:
    return _UP if bar.close >= bar.open else _DOWN
