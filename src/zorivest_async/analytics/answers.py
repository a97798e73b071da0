"""Result types of analytics: frozen, slotted dataclasses, each in one currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias

__all__ = ["Drawdown", "EquityCurve", "Group", "GroupBy", "Performance"]


class GroupBy(StrEnum):
    """Key by which executions are grouped."""

    DAY = "day"
    MONTH = "month"
    INSTRUMENT = "instrument"
    TAG = "tag"
    ACCOUNT = "account"


Group: TypeAlias = date | str | None
"""A day, the first day of a month, an instrument, a tag or an account; ``None``: all executions, or those untagged."""


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
    """Performance of a group of executions, in one currency.

    Amounts are exact sums, rounded once. A ratio with a divisor of zero, or beyond float64, is ``None``.

    Attributes:
        by: Key of the grouping; ``None`` for all executions.
        group: The day, the first day of the month, the instrument, the tag or the account.
        currency: Currency of the accounts.
        executions: Number of all executions, including those that open a position.
        closed: Number of closing executions, which have a result: the sum of the next three.
        wins: Number of results above zero.
        losses: Number of results below zero.
        break_even: Number of results of exactly zero; known only if the caller names the closing executions.
        realized_pnl: Sum of the results, as the broker recorded them: commissions are neither added nor subtracted.
        gross_profit: Sum of the wins.
        gross_loss: Sum of the losses, not above zero.
        commission: Sum over all executions; a cost is positive.
        win_rate: Wins per win or loss, from 0 to 1.
        average_win: Gross profit per win.
        average_loss: Gross loss per loss, below zero.
        expectancy: Realised P&L per closing execution.
        profit_factor: Gross profit per unit of gross loss.
        drawdown: Largest drawdown of the cumulative result, which begins at zero in each group; the first of equal
            ones. ``None`` if the result never fell.
    """

    by: GroupBy | None
    group: Group
    currency: str
    executions: int
    closed: int
    wins: int
    losses: int
    break_even: int
    realized_pnl: float
    gross_profit: float
    gross_loss: float
    commission: float
    win_rate: float | None
    average_win: float | None
    average_loss: float | None
    expectancy: float | None
    profit_factor: float | None
    drawdown: Drawdown | None


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Equity curve: the cumulative result over time, in one currency; a point for each result, oldest first.

    Attributes:
        currency: Currency of the accounts.
        less_commission: Whether commissions were subtracted.
        times: Times of the executions.
        values: Cumulative result after each execution, from zero at the beginning; each value is rounded once.
        drawdowns: Difference of each value from the highest value so far (at least zero); never negative.
    """

    currency: str
    less_commission: bool
    times: tuple[datetime, ...] = field(repr=False)
    values: tuple[float, ...] = field(repr=False)
    drawdowns: tuple[float, ...] = field(repr=False)
