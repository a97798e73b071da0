"""Plots, drawn for real and looked at: their artists, and the pixels that come of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from PIL import Image

from factories import make_account, make_trade, minutes_later
from zorivest_async import ConfigurationError
from zorivest_async.analytics import EquityCurve, GroupBy, Unit, performance_of
from zorivest_async.integrations.calendar_chart import _COLORS
from zorivest_async.integrations.chart_style import GAIN, INK
from zorivest_async.integrations.charts import ChartFigure, plot_calendar, plot_equity_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.analytics import Performance

MINUS = "\N{MINUS SIGN}"
ROOT = Path(__file__).parents[2]
ACCOUNTS = [make_account("U1"), make_account("E1", currency="EUR")]


def curve_through(*results: float, currency: str = "USD", hours: float = 24) -> EquityCurve:
    """Make a curve of results that come after one another."""
    values = [*accumulate(results)]
    peaks = accumulate(values, max, initial=0.0)
    drawdowns = tuple(peak - value for peak, value in zip(islice(peaks, 1, None), values, strict=True))
    times = tuple(minutes_later(60 * hours * n) for n in range(len(values)))
    return EquityCurve(currency, Unit.EXECUTION, False, times, tuple(values), drawdowns)


def days_with(results: dict[str, float], account_id: str = "U1") -> list[Performance]:
    """Make the performance of days by a result of each."""
    trades = [
        make_trade(day, time=datetime.fromisoformat(f"{day}T15:00Z"), realized_pnl=result, account_id=account_id)
        for day, result in results.items()
    ]
    return performance_of(
        trades, ACCOUNTS, by=GroupBy.DAY, time_zone="America/New_York", unit=Unit.EXECUTION, closing={*results}
    )


def rendered(figure: Any) -> Image.Image:
    """Draw a figure as it is shown in a notebook."""
    return Image.open(BytesIO(figure._repr_png_())).convert("RGB")


def count_pixels(picture: Image.Image, color: Sequence[float], tolerance: int = 12) -> int:
    """Return how many pixels have a colour, more or less."""
    wanted = [round(255 * part) for part in color]
    pixels: Any = picture.getcolors(1 << 24)
    return sum(
        count
        for count, pixel in pixels
        if all(abs(part - other) <= tolerance for part, other in zip(pixel, wanted, strict=True))
    )


def texts_of(figure: Any) -> list[str]:
    """Return everything that is written on a figure, but for the ticks of its axes."""
    written = [*figure.texts]
    for axes in figure.axes:
        written += [*axes.texts, axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label]
    return [text.get_text() for text in written if text.get_text()]


def test_an_equity_curve_has_its_sum_its_currency_and_its_drawdown() -> None:
    """Titles and labels say what is drawn, the days in the zone that was named."""
    curve = curve_through(100, 250.5, -400, 30, hours=12)  # from 14:30, the second at 02:30 in UTC
    figure: Any = plot_equity_curve(curve, time_zone="America/New_York")
    texts = texts_of(figure)
    assert "Equity curve: executions, as recorded" in texts
    assert f"{MINUS}19.50 USD" in texts
    assert f"Drawdown, largest {MINUS}400.00 USD from 2024-03-08 to 2024-03-09" in texts
    assert "Time (America/New_York)" in texts
    assert texts.count("USD") == 2
    assert f"Drawdown, largest {MINUS}400.00 USD on 2024-03-09" in texts_of(plot_equity_curve(curve))


def test_an_equity_curve_begins_at_zero_and_goes_in_steps() -> None:
    """Between results nothing changes; zero has a line."""
    figure: Any = plot_equity_curve(curve_through(5, -7, 1))
    line, zero = figure.axes[0].lines
    assert [*line.get_ydata()] == [0, 5, -2, -1]
    assert line.get_drawstyle() == "steps-post"
    assert [*zero.get_ydata()] == [0, 0]


def test_drawdowns_are_shaded() -> None:
    """In pixels: a curve that only rises has the colour of profits alone."""
    falls, rises = (
        rendered(plot_equity_curve(curve_through(5, -7, 1, 1))),
        rendered(plot_equity_curve(curve_through(5, 1))),
    )
    shade = [1 - 0.22 * (1 - part) for part in to_rgb("#d55e00")]
    assert count_pixels(falls, to_rgb(GAIN)) > 500
    assert count_pixels(falls, shade) > 20_000
    assert count_pixels(rises, to_rgb(GAIN)) > 500
    assert count_pixels(rises, shade) == 0
    assert "Drawdown: none" in texts_of(plot_equity_curve(curve_through(5, 1)))


def test_a_long_curve_is_thinned_to_its_extremes() -> None:
    """Of very many points some thousands are drawn, the highest, the lowest, the deepest and the last among them."""
    results = [1.0, -1.0] * 100_000 + [0.5]
    for place, result in ((29_900, -500.0), (29_910, 900.0), (29_920, -300.0)):  # each for a moment, in one part
        results[place : place + 2] = [result, -result]
    curve = curve_through(*results, hours=0.01)
    figure: Any = plot_equity_curve(curve)
    values = [*figure.axes[0].lines[0].get_ydata()]
    assert len(values) < 8_000
    assert (max(values), min(values), values[-1]) == (max(curve.values), min(curve.values), curve.values[-1])
    depths = figure.axes[1].collections[0].get_paths()[0].vertices[:, 1]
    assert min(depths) == -max(curve.drawdowns)


def test_one_result_is_a_plot_too() -> None:
    """Over a day or so, not over years."""
    figure: Any = plot_equity_curve(curve_through(-217.16))
    low, high = figure.axes[0].get_xlim()
    assert high - low == pytest.approx(1)
    assert count_pixels(rendered(figure), to_rgb(GAIN)) > 100


def test_amounts_of_several_currencies_are_not_plotted_together() -> None:
    """Neither as curves nor as days; what a question about one currency answers is plotted as it is."""
    dollars, euros = curve_through(1, 2), curve_through(3, 4, currency="EUR")
    with pytest.raises(ConfigurationError, match=r"several currencies .*USD, EUR"):
        plot_equity_curve([dollars, euros])
    assert texts_of(plot_equity_curve([dollars])) == texts_of(plot_equity_curve(dollars))
    with pytest.raises(ConfigurationError, match=r"several currencies .*EUR, USD"):
        plot_calendar([*days_with({"2024-03-08": 1}), *days_with({"2024-03-11": 2}, "E1")])


@pytest.mark.parametrize("currency", ["$x_{$", r"$\frac$", "US$", "a_b"])
def test_a_currency_is_no_formula(currency: str) -> None:
    """An account checks its own, but what another program has stored, or a curve made by hand has, may be anything."""
    days = [replace(day, currency=currency) for day in days_with({"2024-03-08": 1.0})]
    figures: list[Any] = [plot_equity_curve(curve_through(1, -2, currency=currency)), plot_calendar(days)]
    for figure in figures:
        svg = BytesIO()
        figure.savefig(svg, format="svg")
        comments = [line for line in svg.getvalue().decode().splitlines() if line.strip().startswith("<!--")]
        assert [line for line in comments if line.strip() == f"<!-- {figure_total(figure, currency)} -->"]


def figure_total(figure: Any, currency: str) -> str:
    """Return the sum that stands above a curve or a month."""
    return f"{MINUS}1.00 {currency}" if len(figure.axes) == 2 else f"+1.00 {currency}"


def test_without_data_a_plot_says_so() -> None:
    """No curve, a curve of nothing, no days, days on which nothing was closed."""
    opened = performance_of([make_trade()], ACCOUNTS, by=GroupBy.DAY, time_zone="UTC", unit=Unit.EXECUTION)
    for figure in (
        plot_equity_curve([]),
        plot_equity_curve(EquityCurve("USD", Unit.POSITION, True, (), (), ())),
        plot_calendar([]),
        plot_calendar(opened),
    ):
        assert [text for text in texts_of(figure) if text.endswith("no results yet")]
        assert len(rendered(figure).getcolors(1 << 24) or []) > 1


def test_a_calendar_has_a_cell_for_each_day() -> None:
    """With what it brought, in how many closing trades, in its row and column; weeks and months are summed exactly."""
    figure: Any = plot_calendar(
        days_with({"2024-02-29": 0.1, "2024-03-01": 0.2, "2024-03-08": -1500.25, "2024-05-31": 0.0})
    )
    february, march, may = figure.axes
    assert [sum(isinstance(patch, Rectangle) for patch in axes.patches) for axes in figure.axes] == [29, 31, 31]
    where = {text.get_text(): text.get_position() for text in march.texts}
    weeks = [(text.get_position()[1], text.get_text()) for text in march.texts if text.get_position()[0] == 7.5]
    assert weeks == [(-0.18, "Week"), (0.55, "+0.2"), (1.55, f"{MINUS}1,500")]
    assert where["8"][0] == pytest.approx(4.1)
    assert {"March 2024", f"{MINUS}1,500.05 USD", f"{MINUS}1,500", "▲", "▼", "1 trade"} <= where.keys()
    assert where["▼"] == (4.88, 1.24)
    assert {"February 2024", "+0.1 USD", "+0.1"} <= {text.get_text() for text in february.texts}
    assert {"May 2024", "0.00 USD", "0"} <= {text.get_text() for text in may.texts}
    assert not {"▲", "▼"} & {text.get_text() for text in may.texts}


def test_profits_are_blue_and_losses_orange_the_stronger_the_larger() -> None:
    """And a day without results has no colour."""
    figure: Any = plot_calendar(
        days_with({"2024-03-04": 100, "2024-03-05": 1000, "2024-03-06": -100, "2024-03-07": -1000})
    )
    colors: list[Any] = [patch.get_facecolor() for patch in figure.axes[0].patches]
    small_gain, gain, small_loss, loss, nothing = (colors[n][:3] for n in (3, 4, 5, 6, 7))
    assert small_gain[2] > small_gain[0] > gain[0]
    assert small_loss[0] > small_loss[2] > loss[2]
    assert nothing == (1.0, 1.0, 1.0)
    picture = rendered(figure)
    for color in (gain, loss, small_gain, small_loss):
        assert count_pixels(picture, color, 2) > 1000


def test_every_cell_is_light_enough_for_its_text() -> None:
    """The contrast is at least what WCAG 2 asks for small text, 4.5 to 1."""

    def luminance(color: Sequence[float]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color[:3]]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ink = luminance(to_rgb(INK))
    assert min((luminance(_COLORS(n / 100)) + 0.05) / (ink + 0.05) for n in range(101)) >= 4.5


def test_an_equity_curve_is_not_made_of_days() -> None:
    """They have no values that follow one another."""
    days: Any = days_with({"2024-03-08": 1})
    with pytest.raises(ConfigurationError, match="equity_curve"):
        plot_equity_curve(days)


def test_a_calendar_is_of_days() -> None:
    """Each once, in months that make a figure."""
    days = days_with({"2024-03-08": 1})
    months = performance_of([make_trade(realized_pnl=1)], ACCOUNTS, by=GroupBy.MONTH, time_zone="UTC")
    with pytest.raises(ConfigurationError, match=r"GroupBy\.DAY"):
        plot_calendar(months)
    with pytest.raises(ConfigurationError, match="duplicated"):
        plot_calendar(days * 2)
    long = days_with({f"{year}-{month:02}-15": 1 for year in range(2000, 2021) for month in range(1, 13)})
    with pytest.raises(ConfigurationError, match="240 months"):
        plot_calendar(long)
    assert len(plot_calendar(long[:240:24]).axes) == 10


def test_figures_are_saved_as_png_and_svg(tmp_path: Path) -> None:
    """At the size that they have, and of their own kind in a notebook."""
    for name, figure in (
        ("equity", plot_equity_curve(curve_through(1, -2, 3))),
        ("calendar", plot_calendar(days_with({"2024-03-08": 1, "2024-03-11": -2}))),
    ):
        assert isinstance(figure, ChartFigure)
        figure.savefig(tmp_path / f"{name}.png")
        figure.savefig(tmp_path / f"{name}.svg")
        with Image.open(tmp_path / f"{name}.png") as picture:
            width, height = figure.get_size_inches() * figure.dpi
            assert picture.size == (int(width), int(height))
        assert ET.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own


ALONE = """
import socket, sys
class Refused(socket.socket):
    def connect(self, *_):
        raise AssertionError("the network was used")
socket.socket = Refused
import matplotlib
def settings():  # but for the backend, which pyplot would choose when it is looked at
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
from zorivest_async.analytics import EquityCurve, Unit
from zorivest_async.integrations.charts import plot_calendar, plot_equity_curve
plot_equity_curve(EquityCurve("USD", Unit.POSITION, True, (), (), ()))._repr_png_()
plot_calendar([])._repr_png_()
print("matplotlib.pyplot" in sys.modules, settings() == before)
"""


def test_nothing_global_is_touched_and_nothing_fetched() -> None:
    """No pyplot, no changed settings, no connection; in a fresh interpreter, where warnings are errors."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE], capture_output=True, text=True, check=True, timeout=60
    )
    assert finished.stdout == "False True\n"
