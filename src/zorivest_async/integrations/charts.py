"""Plots of equity curves and calendars, for notebooks and files. They need the extra ``charts`` (Matplotlib).

Matplotlib draws PNG and SVG without a browser, with its own font. ``pyplot`` and its global figures are not used: a
figure is drawn when it is shown or saved, and is garbage-collected like any object. The functions are synchronous: in a
coroutine, call them, and ``savefig``, in a thread.

Example:
    >>> from zorivest_async.analytics import equity_curve_of
    >>> plot_equity_curve(equity_curve_of([], [])).savefig("equity.svg")
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.analytics.answers import EquityCurve, Unit
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, MissingDependencyError

try:
    import_module("matplotlib.figure")
except ImportError as error:
    raise MissingDependencyError(
        'zorivest_async.integrations.charts needs an extra: pip install "zorivest-async[charts]"', name="matplotlib"
    ) from error

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from zorivest_async.integrations.calendar_chart import draw_calendar
from zorivest_async.integrations.chart_style import FAINT, GAIN, GRID, INK, LOSS, PAPER, amount, literal, money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zorivest_async.analytics import Performance

__all__ = ["ChartFigure", "plot_calendar", "plot_equity_curve"]

# Matplotlib is only partly typed.
_dates: Final[Any] = import_module("matplotlib.dates")
_ticker: Final[Any] = import_module("matplotlib.ticker")

_SIZE_IN: Final = (10.0, 5.6)
_DPI: Final = 120
_MOST_SLICES: Final = 1500
"""Maximum number of slices of a curve: more than a figure has pixels across. Each slice is drawn by its extremes."""

_DOTTED_POINTS: Final = 40
_HALF_A_DAY: Final = timedelta(hours=12)


class ChartFigure(Figure):
    """A Matplotlib figure that a notebook shows without ``pyplot``."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        figure: Any = self
        figure.savefig(buffer, format="png")
        return buffer.getvalue()


def plot_equity_curve(curve: EquityCurve | Sequence[EquityCurve], *, time_zone: str = "UTC") -> ChartFigure:
    """Plot an equity curve with its drawdowns shaded, and the drawdowns below it.

    A curve with very many points is drawn by the extremes of its slices, which looks the same.

    Args:
        curve: A curve, or the list that :func:`~zorivest_async.analytics.equity_curve` returned; for an empty list, the
            plot says that there are no results.
        time_zone: IANA name of the time zone of the dates.

    Raises:
        ConfigurationError: The argument is not a curve, or the curves have several currencies.
        InvalidQueryError: There is no such time zone.
    """
    curves = [curve] if isinstance(curve, EquityCurve) else [*curve]
    if not all(isinstance(one, EquityCurve) for one in curves):
        raise ConfigurationError("pass an equity curve, as equity_curve(...) or equity_curve_of(...) returns it")
    if len(curves) > 1:
        which = ", ".join(one.currency for one in curves)
        raise ConfigurationError(f"amounts of several currencies are not plotted together ({which}); pass one curve")
    zone = load_zone(time_zone)
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.1)
    figure = ChartFigure(figsize=_SIZE_IN, dpi=_DPI, layout=layout, facecolor=PAPER)
    if not curves or not curves[0].values:
        return _say_empty(figure, "Equity curve: no results yet")
    (shown,) = curves
    times, values, drawdowns = _thinned(shown)
    peaks = [value + drawdown for value, drawdown in zip(values, drawdowns, strict=True)]
    canvas: Any = figure
    upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    marker = "o" if len(times) <= _DOTTED_POINTS else ""
    upper.fill_between(times, values, peaks, step="post", color=LOSS, alpha=0.22, linewidth=0)
    upper.plot(times, values, color=GAIN, linewidth=1.6, drawstyle="steps-post", marker=marker, markersize=3)
    lower.fill_between(times, [-drawdown for drawdown in drawdowns], step="post", color=LOSS, alpha=0.45, linewidth=0.8)
    upper.set_title(f"Equity curve: {_what_is_shown(shown)}", loc="left", color=INK, fontsize=12, fontweight="bold")
    upper.set_title(money(shown.values[-1], shown.currency), loc="right", color=INK, fontsize=12, fontweight="bold")
    lower.set_title(_largest_drawdown(shown, zone), loc="left", color=INK, fontsize=9)
    for axes in (upper, lower):
        _style(axes, shown.currency)
    lower.set_ylim(top=0)
    if not any(drawdowns):
        lower.set_yticks([0])
    if times[0] == times[-1]:
        upper.set_xlim(times[0] - _HALF_A_DAY, times[0] + _HALF_A_DAY)
    locator = _dates.AutoDateLocator(tz=zone)
    lower.xaxis.set_major_locator(locator)
    lower.xaxis.set_major_formatter(_dates.ConciseDateFormatter(locator, tz=zone))
    lower.set_xlabel(f"Time ({time_zone})", color=INK)
    return figure


def plot_calendar(daily: Sequence[Performance]) -> ChartFigure:
    """Plot daily results as a calendar, month by month.

    Each day shows its result and the number of positions that were closed, or of closing executions. The sums of the
    weeks are beside the days, the sum of the month is above them.

    Profits are blue and losses orange. A larger amount has a stronger colour (by its square root, so that one day does
    not outshine the others). Losses also have a minus and a triangle that points down. Months without results are left
    out.

    Args:
        daily: The results of :func:`~zorivest_async.analytics.performance` with ``GroupBy.DAY``; for an empty list, the
            plot says that there are no results.

    Raises:
        ConfigurationError: The results have several currencies, are not daily, repeat a day, or span more than 240
            months, which would make an unreadable figure.
    """
    figure = ChartFigure(dpi=_DPI, facecolor=PAPER)
    return figure if draw_calendar(figure, daily) else _say_empty(figure, "Calendar: no results yet")


def _say_empty(figure: ChartFigure, text: str) -> ChartFigure:
    canvas: Any = figure
    canvas.text(0.5, 0.5, text, ha="center", va="center", color=FAINT, fontsize=14)
    return figure


def _thinned(curve: EquityCurve) -> tuple[list[datetime], list[float], list[float]]:
    """Return the points to draw, preceded by a point at zero."""
    values, drawdowns = curve.values, curve.drawdowns
    width = -(-len(values) // _MOST_SLICES)
    kept: set[int] = {0, len(values) - 1}
    for start in range(0, len(values), width):
        part = range(start, min(start + width, len(values)))
        kept |= {part[0], part[-1], min(part, key=values.__getitem__), max(part, key=values.__getitem__)}
        kept.add(max(part, key=drawdowns.__getitem__))
    shown = sorted(kept)
    return (
        [curve.times[0], *(curve.times[n] for n in shown)],
        [0.0, *(values[n] for n in shown)],
        [0.0, *(drawdowns[n] for n in shown)],
    )


def _what_is_shown(curve: EquityCurve) -> str:
    if curve.unit is Unit.POSITION:
        return "positions, after costs"
    return "executions, less commissions" if curve.less_commission else "executions, as recorded"


def _largest_drawdown(curve: EquityCurve, zone: Any) -> str:
    largest = max(curve.drawdowns)
    if not largest:
        return "Drawdown: none"
    lowest = curve.drawdowns.index(largest)
    height = max((n for n in range(lowest) if not curve.drawdowns[n]), default=0)
    begin, end = (f"{curve.times[n].astimezone(zone):%Y-%m-%d}" for n in (height, lowest))
    when = f"on {end}" if begin == end else f"from {begin} to {end}"
    return f"Drawdown, largest {money(-largest, curve.currency)} {when}"


def _tick(value: float, _position: int) -> str:
    return amount(value)


def _style(axes: Any, currency: str) -> None:
    axes.axhline(0, color=INK, linewidth=1, zorder=1.5)
    axes.set_facecolor(PAPER)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylabel(literal(currency), color=INK)
    axes.yaxis.set_major_formatter(_ticker.FuncFormatter(_tick))
    axes.tick_params(colors=INK, labelsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(FAINT)
