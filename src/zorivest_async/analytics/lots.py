"""Open lots of a position, and the rules that say which of them an execution closes."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Final, Protocol, TypeAlias

from zorivest_async.analytics.exact import ZERO, ExactNumber, minus, plus, times
from zorivest_async.analytics.position import Matching

__all__ = ["Lots", "lots_for"]

_FINEST_BITS: Final = 2000
"""Bits of the denominator of an average, beyond which it is rounded: far beyond the digits of a float64."""


class Lots(Protocol):
    """Open lots of one position."""

    def add(self, quantity: ExactNumber, price: ExactNumber, costs: ExactNumber, whole: ExactNumber) -> None:
        """Add the lot of an opening execution, with the costs of its ``whole`` quantity."""
        ...

    def take(self, quantity: ExactNumber) -> ExactNumber:
        """Close a part of what is open, and return its price times quantity."""
        ...

    def restate(self, ratio: Fraction) -> None:
        """Convert to the units after a split."""
        ...

    def value(self) -> ExactNumber:
        """Return the sum of price times quantity of what is open."""
        ...

    def costs(self) -> ExactNumber:
        """Return the costs of what is open, each lot's in proportion to its quantity."""
        ...


def lots_for(matching: Matching) -> Lots:
    """Return empty lots for a matching rule."""
    return _Pool() if matching is Matching.AVERAGE else _Queue(newest_first=matching is Matching.LIFO)


_Lot: TypeAlias = tuple[ExactNumber, ExactNumber, ExactNumber, ExactNumber]
"""Open part of an execution: its open quantity, its price, its costs, and the quantity for which they were paid.

The garbage collector leaves plain tuples of numbers alone; it would hold the event loop for very many objects.
"""


class _Queue:
    """Lots that are closed one after the other, the oldest or the newest first."""

    __slots__ = ("_lots", "_newest_first")

    def __init__(self, *, newest_first: bool) -> None:
        self._newest_first = newest_first
        self._lots: deque[_Lot] = deque()

    def add(self, quantity: ExactNumber, price: ExactNumber, costs: ExactNumber, whole: ExactNumber) -> None:
        self._lots.append((quantity, price, costs, whole))

    def take(self, quantity: ExactNumber) -> ExactNumber:
        lots = self._lots
        at = -1 if self._newest_first else 0
        total: ExactNumber = ZERO
        while quantity:
            left, price, costs, whole = lots[at]
            if quantity < left:
                lots[at] = minus(left, quantity), price, costs, whole
                return plus(total, times(price, quantity))
            total = plus(total, times(price, left))
            quantity = minus(quantity, left)
            if self._newest_first:
                lots.pop()
            else:
                lots.popleft()
        return total

    def restate(self, ratio: Fraction) -> None:
        self._lots = deque(
            (times(left, ratio), Fraction(price) / ratio, costs, times(whole, ratio))
            for left, price, costs, whole in self._lots
        )

    def value(self) -> ExactNumber:
        total: ExactNumber = ZERO
        for left, price, _, _ in self._lots:
            total = plus(total, times(price, left))
        return total

    def costs(self) -> ExactNumber:
        return sum(
            (Fraction(costs) * Fraction(left) / Fraction(whole) for left, _, costs, whole in self._lots if costs),
            start=Fraction(),
        )


class _Pool:
    """One lot at the average price."""

    __slots__ = ("_costs", "_left", "_value")

    def __init__(self) -> None:
        self._left = self._value = self._costs = Fraction()

    def add(self, quantity: ExactNumber, price: ExactNumber, costs: ExactNumber, whole: ExactNumber) -> None:
        self._left += Fraction(quantity)
        self._value += Fraction(times(quantity, price))
        if costs:
            self._costs += Fraction(costs) * Fraction(quantity) / Fraction(whole)

    def take(self, quantity: ExactNumber) -> ExactNumber:
        part = Fraction(quantity) / self._left
        value = self._value * part
        self._left -= Fraction(quantity)
        self._value = _short(self._value - value)
        self._costs = _short(self._costs * (1 - part))
        return value

    def restate(self, ratio: Fraction) -> None:
        self._left *= ratio

    def value(self) -> ExactNumber:
        return self._value

    def costs(self) -> ExactNumber:
        return self._costs


def _short(number: Fraction) -> Fraction:
    """Round a fraction whose denominator has grown too long, so that a position that never closes stays fast."""
    if number.denominator.bit_length() <= _FINEST_BITS:
        return number
    return Fraction(round(number * 2**_FINEST_BITS), 2**_FINEST_BITS)
