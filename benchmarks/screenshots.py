"""Screenshots of charts in 4K, the same in every run."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO
from random import Random
from typing import TYPE_CHECKING, Final

from PIL import Image

from benchmarks.charts import Bar, draw_chart

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SIZE_PX", "draw_screenshots"]

SIZE_PX: Final = (3840, 2160)


def draw_screenshots(folder: Path, count: int, kind: str) -> list[bytes]:
    """Return so many screenshots: nine charts each, side by side, as a trader's screen has them.

    Args:
        folder: Where they are kept once they have been drawn.
        count: How many.
        kind: ``"png"`` or ``"jpeg"``.
    """
    files = []
    for number in range(count):
        path = folder / f"screenshot-{number}.{kind}"
        if not path.exists():
            buffer = BytesIO()
            _draw(number).save(buffer, kind.upper(), **({"quality": 90} if kind == "jpeg" else {"compress_level": 6}))
            path.write_bytes(buffer.getvalue())
        files.append(path.read_bytes())
    return files


def _draw(number: int) -> Image.Image:
    screen = Image.new("RGB", SIZE_PX, "#10151c")
    width, height = SIZE_PX[0] // 3, SIZE_PX[1] // 3
    for place in range(9):
        chart = draw_chart(_bars(Random(number * 9 + place)), f"chart {number}.{place}")  # noqa: S311 - repeatable
        with Image.open(BytesIO(chart)) as image:
            screen.paste(image.resize((width - 8, height - 8)), (place % 3 * width + 4, place // 3 * height + 4))
    return screen


def _bars(random: Random) -> list[Bar]:
    bars, price, day = [], 100.0, date(2024, 1, 2)
    for _ in range(120):
        opened, price = price, max(5.0, price * (1 + random.gauss(0, 0.015)))
        high, low = max(opened, price) * 1.004, min(opened, price) * 0.996
        bars.append(Bar(day, opened, high, low, price, random.uniform(1e6, 5e6)))
        day += timedelta(days=1)
    return bars
