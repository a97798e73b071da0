"""Charts to try things out with."""

from __future__ import annotations

import random
from io import BytesIO
from typing import Final

__all__ = ["draw_chart"]

_PAPER: Final = "#ffffff"
_GRID: Final = "#e9edf2"
_UP: Final = "#1a9b83"
_DOWN: Final = "#d9473f"
_BAR_PX: Final = 12


def draw_chart(number: int, *, width_px: int = 640, height_px: int = 360, image_format: str = "PNG") -> bytes:
    """Draw a candlestick chart of made-up prices, and return the bytes of its file.

    Args:
        number: Which one; the same number always gives the same chart.
        width_px: Width, in pixels, at least 1.
        height_px: Height, in pixels, at least 1.
        image_format: ``"PNG"``, ``"JPEG"``, ``"WEBP"`` or ``"GIF"``.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415 - importing them is slow, and only tests and the demo draw

    chance = random.Random(number)  # noqa: S311 - the same charts in every run
    chart = Image.new("RGB", (width_px, height_px), _PAPER)
    draw = ImageDraw.Draw(chart)
    for step in range(1, 6):
        draw.line([(0, height_px * step // 6), (width_px, height_px * step // 6)], _GRID)
    close = height_px * 0.5
    for left in range(0, width_px, _BAR_PX):
        start, close = close, min(max(close + chance.gauss(0, height_px / 20), 0), height_px - 1)
        top, bottom = sorted((start, close))
        color = _UP if close <= start else _DOWN
        middle = left + _BAR_PX // 3
        wick = height_px / 30 * chance.random()
        draw.line([(middle, top - wick), (middle, bottom + wick)], color)
        draw.rectangle([(left, top), (left + _BAR_PX * 2 // 3, bottom)], color)
    buffer = BytesIO()
    chart.save(buffer, image_format)
    return buffer.getvalue()
