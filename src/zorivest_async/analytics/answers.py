"""Result types of analytics: frozen, slotted dataclasses, each in one currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

__all__ = ["Drawdown", "EquityCurve", "Group", "GroupBy", "Performance", "Unit"]


class Unit(StrEnum):
    """What is counted: positions, which traders call trades, or single executions."""

    POSITION = "position"
    EXECUTION = "execution"


class GroupBy(StrEnum):
    """Key by which positions or executions are grouped.

    Positions belong to the day, week, month and weekday of their closing, and to the hour of their opening.
    """

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    WEEKDAY = "weekday"
    HOUR = "hour"
    INSTRUMENT = "instrument"
    ASSET_CLASS = "asset_class"
    ACCOUNT = "account"
    SIDE = "side"
    TAG = "tag"
    STRATEGY = "strategy"
    HOLDING_TIME = "holding_time"
    SETUP_QUALITY = "setup_quality"
    EXECUTION_QUALITY = "execution_quality"
    FOLLOWED_PLAN = "followed_plan"
    EMOTIONAL_STATE = "emotional_state"
    R_MULTIPLE = "r_multiple"


Group: TypeAlias = date | timedelta | str | int | None
"""A group, by its key.

A day, the Monday of a week, the first day of a month; a weekday from 1 (Monday) to 7, an hour from 0 to 23; an
instrument, asset class, account, side, tag, strategy or emotional state; a quality from 1 to 5; whether the plan was
followed; for a holding time, the shortest of its range; for a multiple of R, the whole number below it or equal to it.
``None``: all, or those of which it is not known.
"""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """Drawdown: the fall of a cumulative result below its highest value so far.

    Attributes:
        amount: Size of the fall, above zero.
        begin: Last time at the peak; for a peak of zero at the beginning, the time of the first result.
        end: First time at the trough.
    """

    amount: float
    begin: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.amount} from {self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Performance:
    """Performance of a group of closed positions or of executions, in one currency.

    The result of a position is after its costs. The result of an execution is as the broker recorded it. Amounts are
    exact sums of these, as they print, and are rounded once. A ratio with a divisor of zero, or beyond float64, is
    ``None``.

    Attributes:
        by: Key of the grouping; ``None`` for all.
        group: The group.
        currency: Currency of the amounts: the currency of the executions, or the one that they were converted into.
        unit: What is counted.
        executions: Number of executions, including those that open a position. One that closes a position and opens
            the next counts in both.
        closed: Number of closed positions, or of closing executions: the sum of the next three.
        wins: Number of results above zero.
        losses: Number of results below zero.
        break_even: Number of results of exactly zero; of executions, it is known only if the caller names the closing
            ones.
        realized_pnl: Sum of the results.
        gross_profit: Sum of the wins.
        gross_loss: Sum of the losses, not above zero.
        commission: Sum of the commissions; a cost is positive. It is already subtracted from results of positions.
        fees: Sum of the other costs, as ``commission``.
        other_costs: Costs in other currencies, as pairs of currency and amount. Results are after them only if they
            were converted.
        win_rate: Wins per win or loss, from 0 to 1.
        average_win: Gross profit per win.
        average_loss: Gross loss per loss, below zero.
        expectancy: ``realized_pnl`` per position, or per closing execution.
        profit_factor: Gross profit per unit of gross loss.
        average_r: Average multiple of R of the positions that have one.
        average_holding_time: Of the positions, to the microsecond.
        drawdown: Largest drawdown of the cumulative result, which begins at zero in each group; the first of equal
            ones. ``None`` if the result never fell.
    """

    by: GroupBy | None
    group: Group
    currency: str
    unit: Unit
    executions: int
    closed: int
    wins: int
    losses: int
    break_even: int
    realized_pnl: float
    gross_profit: float
    gross_loss: float
    commission: float
    fees: float
    other_costs: tuple[tuple[str, float], ...]
    win_rate: float | None
    average_win: float | None
    average_loss: float | None
    expectancy: float | None
    profit_factor: float | None
    average_r: float | None
    average_holding_time: timedelta | None
    drawdown: Drawdown | None


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Equity curve: the cumulative result over time, in one currency; a point for each result, oldest first.

    Attributes:
        currency: Currency of the amounts: the currency of the executions, or the one that they were converted into.
        unit: Whether a point is a position, at its closing, or an execution.
        less_commission: Whether commissions and fees were subtracted; those of positions always are.
        times: Times of the results.
        values: Cumulative result after each of them, from zero at the beginning; each value is rounded once.
        drawdowns: Difference of each value from the highest value so far (at least zero); never negative.
    """

    currency: str
    unit: Unit
    less_commission: bool
    times: tuple[datetime, ...] = field(repr=False)
    values: tuple[float, ...] = field(repr=False)
    drawdowns: tuple[float, ...] = field(repr=False)
