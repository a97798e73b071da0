"""What the demo is made of: charts, the watch over the event loop, the line of progress."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO, StringIO
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from zorivest_async import TradeAction
from zorivest_async.demo.charts import CHART_SIZE_PX, Bar, Marker, draw_chart
from zorivest_async.demo.loop_watch import LoopWatch
from zorivest_async.demo.progress import Progress
from zorivest_async.demo.samples import draw_sample_charts

if TYPE_CHECKING:
    from pathlib import Path

FIRST_DAY = date(2024, 1, 1)


class Terminal(StringIO):
    """A stream that says it is a terminal, and when a line was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = threading.Event()

    def isatty(self) -> bool:
        """Return that it is one."""
        return True

    def flush(self) -> None:
        """Let the test go on."""
        self.shown.set()


def rising_bars(count: int) -> list[Bar]:
    """Return bars that each close one higher than they open."""
    return [Bar(FIRST_DAY + timedelta(n), 100 + n, 102 + n, 99 + n, 101 + n, 1000) for n in range(count)]


def pixels_of(png: bytes) -> bytes:
    """Decode a chart and return its pixels."""
    with Image.open(BytesIO(png)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", CHART_SIZE_PX)
        return image.tobytes()


def test_sample_charts_are_images_that_differ(tmp_path: Path) -> None:
    """Four PNG files of the size that is promised, no two alike and none of one colour."""
    paths = draw_sample_charts(tmp_path)
    assert [path.name for path in paths] == ["1-overview.png", "2-setup.png", "3-entry.png", "4-exit.png"]
    pictures = [pixels_of(path.read_bytes()) for path in paths]
    assert len(set(pictures)) == 4
    assert all(len(set(picture)) > 100 for picture in pictures)


def test_a_chart_shows_bars_title_and_markers() -> None:
    """Each changes what is drawn, except a marker of a day that is not on the chart."""
    bars = rising_bars(30)
    entry, leave = Marker(bars[3].day, TradeAction.BOT, "entry"), Marker(bars[3].day, TradeAction.SLD, "entry")
    elsewhere = Marker(FIRST_DAY - timedelta(1), TradeAction.BOT, "entry")
    plain = pixels_of(draw_chart(bars, "a title"))
    others = [
        draw_chart([*bars[:15], replace(bars[15], open=116, close=115), *bars[16:]], "a title"),
        draw_chart(bars, "another"),
        draw_chart(bars, "a title", [entry]),
        draw_chart(bars, "a title", [leave]),
    ]
    assert len({plain, *map(pixels_of, others)}) == 5
    assert pixels_of(draw_chart(bars, "a title", [elsewhere])) == plain


@pytest.mark.parametrize(
    "bars", [rising_bars(1), rising_bars(200), [Bar(FIRST_DAY, 5, 5, 5, 5, 0)]], ids=["one", "many", "flat"]
)
def test_a_chart_takes_any_number_of_bars(bars: list[Bar]) -> None:
    """One bar, more than fit comfortably, and one in which nothing happened."""
    assert pixels_of(draw_chart(bars, "a title"))


@pytest.mark.asyncio
async def test_the_longest_stall_is_measured() -> None:
    """A callback that keeps the event loop for 50 ms is seen, also as the last thing before the end."""
    async with LoopWatch() as watch:
        end = perf_counter() + 0.05
        while perf_counter() < end:
            pass
    assert watch.longest_stall_ms >= 40


def test_progress_is_shown_on_a_terminal_and_erased() -> None:
    """A slow run says what it is doing; nothing of it is left in the end."""
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress.step = "comparing executions: 7 / 9"
        assert terminal.shown.wait(10)
    *_, shown, erased, rest = terminal.getvalue().split("\r")
    assert "comparing executions: 7 / 9" in shown
    assert (erased, rest) == (" " * len(shown), "")


def test_progress_says_nothing_of_a_fast_run() -> None:
    """A run that is over at once leaves the terminal alone."""
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress.step = "done already"
    assert terminal.getvalue() == ""


def test_progress_goes_to_terminals_alone() -> None:
    """A file gets nothing, and no thread is started for it."""
    before = threading.active_count()
    with Progress(StringIO()):
        assert threading.active_count() == before
