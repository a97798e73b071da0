"""Candlestick charts, drawn with Pillow: plain functions that belong in a thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from zorivest_async.domain.enums import TradeAction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

__all__ = ["CHART_SIZE_PX", "Bar", "Marker", "draw_chart"]

CHART_SIZE_PX = (1200, 720)
"""Width and height of a chart, in pixels."""

_BACKGROUND, _GRID, _FRAME = "#ffffff", "#e9edf2", "#c3ccd6"
_INK, _FAINT_INK = "#1f2a37", "#6b7785"
_UP, _DOWN, _UP_VOLUME, _DOWN_VOLUME = "#1a9b83", "#d9473f", "#b5ded6", "#f3c3c0"

_LEFT, _RIGHT = 28, 1116
_PRICES_TOP, _PRICES_BOTTOM = 86, 546
_VOLUMES_TOP, _VOLUMES_BOTTOM = 566, 668

_PRICE_LINES = 6
_DAY_LABELS = 8
_MARKER_PX = 11
_MARKER_GAP_PX = 8
_OVERSAMPLING = 4


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

    @property
    def is_up(self) -> bool:
        """Whether it closed no lower than it opened."""
        return self.close >= self.open


@dataclass(frozen=True, slots=True)
class Marker:
    """An entry or exit to point at.

    Attributes:
        day: Day of the bar; one that is not on the chart is left out.
        action: Bought (an arrow from below) or sold (one from above).
        label: A word or two.
    """

    day: date
    action: TradeAction
    label: str


@dataclass(frozen=True, slots=True)
class _Axis:
    """A vertical axis: where a value is, in pixels from the top of the image."""

    lowest: float
    highest: float
    top_px: int
    bottom_px: int

    def y(self, value: float) -> int:
        share = (value - self.lowest) / (self.highest - self.lowest)
        return round(self.bottom_px - share * (self.bottom_px - self.top_px))


def draw_chart(bars: Sequence[Bar], title: str, markers: Sequence[Marker] = ()) -> bytes:
    """Draw bars as candles over their volumes and return the PNG file.

    Args:
        bars: At least one, oldest first; some 150 fit.
        title: The large line above.
        markers: Entries and exits.
    """
    image = Image.new("RGB", CHART_SIZE_PX, _BACKGROUND)
    draw = ImageDraw.Draw(image)
    prices = _price_axis(bars)
    volumes = _Axis(0.0, max(bar.volume for bar in bars) or 1.0, _VOLUMES_TOP, _VOLUMES_BOTTOM)
    _draw_heading(draw, bars, title)
    _draw_grid(draw, bars, prices)
    _draw_bars(draw, bars, prices, volumes)
    _draw_last_price(draw, bars[-1], prices)
    for marker in markers:
        _draw_marker(image, draw, bars, prices, marker)
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _price_axis(bars: Sequence[Bar]) -> _Axis:
    lowest, highest = min(bar.low for bar in bars), max(bar.high for bar in bars)
    room = (highest - lowest) * 0.08 or 1.0
    return _Axis(lowest - room, highest + room, _PRICES_TOP, _PRICES_BOTTOM)


def _x(bars: Sequence[Bar], index: int) -> int:
    """Return the middle of a bar, in pixels from the left of the image."""
    return round(_LEFT + (index + 0.5) * (_RIGHT - _LEFT) / len(bars))


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


def _draw_heading(draw: ImageDraw.ImageDraw, bars: Sequence[Bar], title: str) -> None:
    change = (bars[-1].close / bars[0].open - 1) * 100
    span = f"{bars[0].day} to {bars[-1].day}, {len(bars)} bars"
    draw.text((_LEFT, 20), title, _INK, _font(26))
    draw.text((_LEFT, 54), span, _FAINT_INK, _font(15))
    draw.text((_RIGHT, 54), f"{change:+.2f} %", _UP if change >= 0 else _DOWN, _font(15), anchor="ra")


def _draw_grid(draw: ImageDraw.ImageDraw, bars: Sequence[Bar], prices: _Axis) -> None:
    font = _font(14)
    every = math.ceil(len(bars) / _DAY_LABELS)
    for index in range(every // 2, len(bars), every):
        x = _x(bars, index)
        draw.line((x, _PRICES_TOP, x, _PRICES_BOTTOM), _GRID)
        draw.line((x, _VOLUMES_TOP, x, _VOLUMES_BOTTOM), _GRID)
        draw.text((x, _VOLUMES_BOTTOM + 10), str(bars[index].day), _FAINT_INK, font, anchor="ma")
    step = _round_step((prices.highest - prices.lowest) / _PRICE_LINES)
    for multiple in range(math.ceil(prices.lowest / step), math.floor(prices.highest / step) + 1):
        y = prices.y(multiple * step)
        draw.line((_LEFT, y, _RIGHT, y), _GRID)
        draw.text((_RIGHT + 10, y), f"{multiple * step:,.2f}", _FAINT_INK, font, anchor="lm")
    draw.text((_RIGHT + 10, _VOLUMES_TOP), "volume", _FAINT_INK, font, anchor="la")
    for top, bottom in ((_PRICES_TOP, _PRICES_BOTTOM), (_VOLUMES_TOP, _VOLUMES_BOTTOM)):
        draw.rectangle((_LEFT, top, _RIGHT, bottom), outline=_FRAME)


def _round_step(at_least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20 ... (or 0.5, 0.2, 0.1 ...) that is not below a number above zero."""
    magnitude = 10.0 ** math.floor(math.log10(at_least))
    return next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= at_least)


def _draw_bars(draw: ImageDraw.ImageDraw, bars: Sequence[Bar], prices: _Axis, volumes: _Axis) -> None:
    half_px = max(1, round((_RIGHT - _LEFT) / len(bars) * 0.33))
    for index, bar in enumerate(bars):
        x, color = _x(bars, index), _UP if bar.is_up else _DOWN
        left, right = x - half_px, x + half_px
        draw.line((x, prices.y(bar.high), x, prices.y(bar.low)), color)
        draw.rectangle(
            (left, *sorted((prices.y(bar.open), prices.y(bar.close)))[:1], right, prices.y(min(bar.open, bar.close))),
            color,
        )
        draw.rectangle(
            (left, volumes.y(bar.volume), right, _VOLUMES_BOTTOM - 1), _UP_VOLUME if bar.is_up else _DOWN_VOLUME
        )


def _draw_last_price(draw: ImageDraw.ImageDraw, bar: Bar, prices: _Axis) -> None:
    y, color = prices.y(bar.close), _UP if bar.is_up else _DOWN
    for x in range(_LEFT, _RIGHT, 8):
        draw.line((x, y, min(x + 3, _RIGHT), y), color)
    draw.rectangle((_RIGHT + 1, y - 11, _RIGHT + 76, y + 11), color)
    draw.text((_RIGHT + 10, y), f"{bar.close:,.2f}", _BACKGROUND, _font(14), anchor="lm")


def _draw_marker(
    image: Image.Image, draw: ImageDraw.ImageDraw, bars: Sequence[Bar], prices: _Axis, marker: Marker
) -> None:
    for index, bar in enumerate(bars):
        if bar.day == marker.day:
            x, color, font = _x(bars, index), _UP if marker.action is TradeAction.BOT else _DOWN, _font(16)
            if marker.action is TradeAction.BOT:
                tip = prices.y(bar.low) + _MARKER_GAP_PX
                _draw_triangle(image, x, tip, _MARKER_PX, color)
                draw.text((x, tip + 2 * _MARKER_PX), marker.label, color, font, anchor="ma")
            else:
                tip = prices.y(bar.high) - _MARKER_GAP_PX
                _draw_triangle(image, x, tip, -_MARKER_PX, color)
                draw.text((x, tip - 2 * _MARKER_PX), marker.label, color, font, anchor="md")
