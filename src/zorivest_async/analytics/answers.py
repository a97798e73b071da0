"""What the questions are answered with: frozen, slotted values, each in one currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias

__all__ = ["Drawdown", "EquityCurve", "Group", "GroupBy", "Performance"]


class GroupBy(StrEnum):
    """What executions have in common that are looked at together."""

    DAY = "day"
    MONTH = "month"
    INSTRUMENT = "instrument"
    TAG = "tag"
    ACCOUNT = "account"


Group: TypeAlias = date | str | None
"""A day, the first day of a month, an instrument, a tag, an account; ``None``: everything, or what has no tag."""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """How far a sum of results fell below where it had been before.

    Attributes:
        amount: How far, above zero.
        begin: When the sum was last at its height; where that is zero, as at the beginning, when the first result came.
        end: When it was lowest.
    """

    amount: float
    begin: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.amount} from {self.begin:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Performance:
    """What the executions of a group brought, in one currency.

    Amounts are exact sums, rounded once. A ratio that has no divisor, or that float64 cannot hold, is ``None``.

    Attributes:
        by: What the group has in common; ``None`` for all executions.
        group: The day, the first day of the month, the instrument, the tag or the account.
        currency: Of the accounts.
        executions: All of them, those that open a position included.
        closed: Closing executions: those with a result. It is the sum of the next three.
        wins: With a result above zero.
        losses: With one below zero.
        break_even: With one of exactly zero; known only where the caller says which executions close a position.
        realized_pnl: Sum of the results, as the broker recorded them: commissions are neither added nor subtracted.
        gross_profit: Sum of the wins.
        gross_loss: Sum of the losses, not above zero.
        commission: Sum over all executions; positive is a cost.
        win_rate: Wins per win or loss, from 0 to 1.
        average_win: Gross profit per win.
        average_loss: Gross loss per loss, below zero.
        expectancy: Realised P&L per closing execution.
        profit_factor: Gross profit per unit of gross loss.
        drawdown: The largest of the sum of results, which begins at zero in each group; of several the first.
            ``None`` where it never fell.
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
    """What results add up to over time, in one currency; a point per execution that changes it, oldest first.

    Attributes:
        currency: Of the accounts.
        less_commission: Whether commissions were subtracted.
        times: When each execution was.
        values: The sum after it, from zero at the beginning; each is rounded by itself.
        drawdowns: How far that is below the highest sum so far, zero included; not below zero.
    """

    currency: str
    less_commission: bool
    times: tuple[datetime, ...] = field(repr=False)
    values: tuple[float, ...] = field(repr=False)
    drawdowns: tuple[float, ...] = field(repr=False)
