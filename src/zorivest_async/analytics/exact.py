"""Arithmetic without rounding, until a result is given out.

A number counts as the decimal that it prints as, the shortest that float64 tells from its neighbours: what a broker
wrote as 0.1 is a tenth, and three of them less 0.3 are nothing.
"""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Final

from zorivest_async.errors import InvalidQueryError

__all__ = ["EXACT", "ZERO", "Running", "exact", "ratio", "rounded"]

# Products of three float64 have fewer digits than this between the largest and the smallest of them.
EXACT: Final = Context(prec=4000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])
"""Adds and multiplies exactly, whatever the caller's own decimal context is."""

ZERO: Final = Decimal(0)


def exact(number: float) -> Decimal:
    """Return the decimal that a number prints as."""
    return Decimal(repr(number))


def rounded(number: Decimal | Fraction) -> float:
    """Return the float64 that is nearest to a number.

    Raises:
        InvalidQueryError: It is beyond the largest one.
    """
    try:
        result = float(number)
    except OverflowError:
        result = math.inf
    if math.isinf(result):
        raise InvalidQueryError("Trade", problem="a sum is beyond the range of float64")
    return result + 0.0  # zero has no sign


def ratio(number: Decimal, divisor: Decimal | int) -> float | None:
    """Return the float64 that is nearest to a quotient; ``None`` where there is none, or no divisor."""
    if not divisor:
        return None
    try:
        return float(Fraction(number) / Fraction(divisor))
    except OverflowError:
        return None


class Running:
    """A sum that goes on, and how far it is below its highest value so far.

    Attributes:
        total: The sum, from zero.
        peak: The highest it was, zero included.
    """

    __slots__ = ("peak", "total")

    def __init__(self) -> None:
        self.total = self.peak = ZERO

    def add(self, amount: Decimal) -> Decimal:
        """Add an amount, and return how far the sum is below its peak now."""
        self.total = total = EXACT.add(self.total, amount)
        if total >= self.peak:
            self.peak = total
            return ZERO
        return EXACT.subtract(self.peak, total)
