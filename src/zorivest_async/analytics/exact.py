"""Exact decimal arithmetic; results are rounded once, at the end.

A number counts as the decimal that it prints as, the shortest one that identifies the float64: a broker's 0.1 is a
tenth, and three times 0.1 less 0.3 is zero.
"""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EXACT", "ZERO", "ExactNumber", "Running", "exact", "minus", "plus", "ratio", "rounded", "times"]

ExactNumber: TypeAlias = Decimal | Fraction
"""A decimal, or a fraction where no decimal is exact."""

# The precision covers all digits between the largest and the smallest product of three float64.
EXACT: Final = Context(prec=4000, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])
"""Decimal context that adds and multiplies exactly, independent of the caller's context."""

ZERO: Final = Decimal(0)

_add: Callable[[Any, Any], Decimal] = EXACT.add
_subtract: Callable[[Any, Any], Decimal] = EXACT.subtract
_multiply: Callable[[Any, Any], Decimal] = EXACT.multiply


def exact(number: float) -> Decimal:
    """Return the decimal that a number prints as."""
    return Decimal(repr(number))


def plus(first: ExactNumber, second: ExactNumber) -> ExactNumber:
    """Return an exact sum."""
    try:
        return _add(first, second)
    except TypeError:  # one is a fraction
        return Fraction(first) + Fraction(second)


def minus(first: ExactNumber, second: ExactNumber) -> ExactNumber:
    """Return an exact difference."""
    try:
        return _subtract(first, second)
    except TypeError:  # one is a fraction
        return Fraction(first) - Fraction(second)


def times(first: ExactNumber, second: ExactNumber) -> ExactNumber:
    """Return an exact product."""
    try:
        return _multiply(first, second)
    except TypeError:  # one is a fraction
        return Fraction(first) * Fraction(second)


def rounded(number: ExactNumber) -> float:
    """Return the float64 that is nearest to a number.

    Raises:
        InvalidQueryError: The number is beyond the range of float64.
    """
    try:
        result = float(number)
    except OverflowError:
        result = math.inf
    if math.isinf(result):
        raise InvalidQueryError("Trade", problem="a sum is beyond the range of float64")
    return result + 0.0  # zero has no sign


def ratio(number: ExactNumber, divisor: ExactNumber | int) -> float | None:
    """Return the float64 that is nearest to a quotient; ``None`` for a divisor of zero, or beyond float64's range."""
    if not divisor:
        return None
    (dividend, over), (below, by) = number.as_integer_ratio(), divisor.as_integer_ratio()
    try:
        return dividend * by / (over * below)  # of integers, correctly rounded
    except OverflowError:
        return None


class Running:
    """Running total, with its distance from its peak.

    Attributes:
        total: The sum, from zero.
        peak: Highest value so far, at least zero.
    """

    __slots__ = ("peak", "total")

    def __init__(self) -> None:
        self.total: ExactNumber = ZERO
        self.peak: ExactNumber = ZERO

    def add(self, amount: ExactNumber) -> ExactNumber:
        """Add an amount, and return the difference of the total from its peak."""
        self.total = total = plus(self.total, amount)
        if total >= self.peak:
            self.peak = total
            return ZERO
        return minus(self.peak, total)
