"""Calendar chart of daily results: part of :mod:`zorivest_async.integrations.charts`."""

from __future__ import annotations

import math
from calendar import Calendar
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from zorivest_async._extras import import_extra
from zorivest_async.analytics.answers import GroupBy
from zorivest_async.analytics.exact import EXACT, ZERO, exact, rounded
from zorivest_async.errors import ConfigurationError
from zorivest_async.integrations.chart_style import FAINT, GRID, INK, PAPER, literal, money, short_amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zorivest_async.analytics.answers import Performance

__all__ = ["draw_calendar"]

_colors: Final[Any] = import_extra("charts", "matplotlib.colors")
_patches: Final[Any] = import_extra("charts", "matplotlib.patches")

_MOST_MONTHS: Final = 240
_MONTHS_ACROSS: Final = 3
_COLUMNS: Final = 8
"""Seven days and the sum of the week."""
_ROWS: Final = 6
_CELL_IN: Final = (0.64, 0.52)
_GAP_IN: Final = 0.35
_HEAD_IN: Final = 0.62
_FOOT_IN: Final = 0.4
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Week")

# The strongest are light enough for dark text.
_COLORS: Final = _colors.LinearSegmentedColormap.from_list("results", ["#e8863a", "#ffffff", "#5a9bd4"])
_WEAKEST: Final = 0.25


def draw_calendar(figure: Any, daily: Sequence[Performance]) -> bool:
    """Draw days on an empty figure, set its size, and return whether any day has a result.

    Raises:
        ConfigurationError: The results have several currencies, are not daily, repeat a day, or span too many months.
    """
    days = _by_day(daily)
    months = sorted({day.replace(day=1) for day in days})
    if len(months) > _MOST_MONTHS:
        raise ConfigurationError(f"a calendar has at most {_MOST_MONTHS} months; select fewer in the TradeFilter")
    if not days:
        return False
    across = min(_MONTHS_ACROSS, len(months))
    down = -(-len(months) // across)
    month_in = (_COLUMNS * _CELL_IN[0], _ROWS * _CELL_IN[1])
    width = across * (month_in[0] + _GAP_IN) + _GAP_IN
    height = down * (month_in[1] + _HEAD_IN) + _FOOT_IN
    figure.set_size_inches(width, height)
    largest = max(abs(result.realized_pnl) for result in days.values())
    currency = daily[0].currency
    for number, month in enumerate(months):
        row, column = divmod(number, across)
        left = _GAP_IN + column * (month_in[0] + _GAP_IN)
        bottom = height - (row + 1) * (month_in[1] + _HEAD_IN)
        axes = figure.add_axes((left / width, bottom / height, month_in[0] / width, month_in[1] / height))
        _draw_month(axes, month, days, currency, largest)
    note = f"Realised P&L in {literal(currency)}, and closed trades.  \N{BLACK UP-POINTING TRIANGLE} profit, blue   "
    figure.text(
        _GAP_IN / width,
        _FOOT_IN / 2 / height,
        f"{note}\N{BLACK DOWN-POINTING TRIANGLE} loss, orange",
        color=FAINT,
        fontsize=8,
        va="center",
    )
    return True


def _by_day(daily: Sequence[Performance]) -> dict[date, Performance]:
    """Return the results by day, without days on which no trade was closed."""
    days: dict[date, Performance] = {}
    seen: set[object] = set()
    currencies = sorted({result.currency for result in daily})
    if len(currencies) > 1:
        raise ConfigurationError(
            f"amounts of several currencies are not plotted together ({', '.join(currencies)}); pass those of one"
        )
    for result in daily:
        day = result.group
        if result.by is not GroupBy.DAY or not isinstance(day, date):
            raise ConfigurationError("a calendar needs daily results: performance(..., by=GroupBy.DAY)")
        if day in seen:
            raise ConfigurationError("a day is duplicated; pass the results of one call of performance()")
        seen.add(day)
        if result.closed:
            days[day] = result
    return days


def _draw_month(axes: Any, month: date, days: dict[date, Performance], currency: str, largest: float) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, _COLUMNS)
    axes.set_ylim(_ROWS, 0)
    weeks = Calendar().monthdayscalendar(month.year, month.month)
    of_month = [day for day in days if (day.year, day.month) == (month.year, month.month)]
    axes.text(0.04, -0.62, f"{month:%B %Y}", color=INK, fontsize=11, fontweight="bold", va="center")
    total = money(_sum(days[day] for day in of_month), currency)
    axes.text(_COLUMNS - 0.04, -0.62, total, color=INK, fontsize=10, fontweight="bold", ha="right", va="center")
    for column, name in enumerate(_WEEKDAYS):
        axes.text(column + 0.5, -0.18, name, color=FAINT, fontsize=7, ha="center", va="center")
    for row, week in enumerate(weeks):
        for column, number in enumerate(week):
            if number:
                _draw_day(axes, (column, row), number, days.get(month.replace(day=number)), largest)
        of_week = [day for day in of_month if day.day in week]
        if of_week:
            text = short_amount(_sum(days[day] for day in of_week))
            axes.text(_COLUMNS - 0.5, row + 0.55, text, color=INK, fontsize=8, ha="center", va="center")


def _draw_day(axes: Any, place: tuple[int, int], number: int, result: Performance | None, largest: float) -> None:
    column, row = place
    value = 0.0 if result is None else result.realized_pnl
    shade = _WEAKEST + (1 - _WEAKEST) * math.sqrt(abs(value) / largest) if value else 0.0
    fill = _COLORS(0.5 + math.copysign(shade / 2, value)) if value else PAPER if result is None else GRID
    axes.add_patch(
        _patches.Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, facecolor=fill, edgecolor=GRID, linewidth=0.8)
    )
    axes.text(column + 0.1, row + 0.24, str(number), color=FAINT if result is None else INK, fontsize=6.5, va="center")
    if result is None:
        return
    if value:
        triangle = "\N{BLACK UP-POINTING TRIANGLE}" if value > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}"
        axes.text(column + 0.88, row + 0.24, triangle, color=INK, fontsize=6.5, ha="right", va="center")
    text = short_amount(value)
    axes.text(column + 0.5, row + 0.56, text, color=INK, fontsize=8.5, fontweight="bold", ha="center", va="center")
    closed = "1 trade" if result.closed == 1 else f"{result.closed:,} trades"
    axes.text(column + 0.5, row + 0.83, closed, color=INK, fontsize=5.5, ha="center", va="center")


def _sum(results: Iterable[Performance]) -> float:
    total = ZERO
    for result in results:
        total = EXACT.add(total, exact(result.realized_pnl))
    return rounded(total)
