"""Splits of instruments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from zorivest_async.analytics.exact import exact
from zorivest_async.domain.validation import identifier, number, timestamp
from zorivest_async.errors import InvalidQueryError, ValidationError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Split", "SplitTable", "splits_by_instrument"]

_NOT_SPLITS: Final = "splits must be an iterable of Split"
_NOT_POSITIVE: Final = "must be greater than zero; it is the number of new units for an old one"


@dataclass(frozen=True, slots=True)
class Split:
    """A split: each unit of an instrument becomes several, or several become one.

    Attributes:
        instrument: What was split.
        time: When the new units are first traded: executions at this time or later are in new units. Without a time
            zone, it is taken as UTC.
        ratio: Number of new units for an old one: 10 for a 10-for-1 split, 0.1 for a 1-for-10 reverse split. Pass a
            ``Fraction`` where decimals are not exact, as ``Fraction(1, 3)``.

    Raises:
        ValidationError: The ratio is not a finite number above zero, or another field is invalid.
    """

    instrument: str
    time: datetime
    ratio: float | Decimal | Fraction

    def __post_init__(self) -> None:
        object.__setattr__(self, "instrument", identifier("Split", "instrument", self.instrument))
        object.__setattr__(self, "time", timestamp("Split", "time", self.time))
        if not isinstance(self.ratio, Fraction | Decimal):
            number("Split", "ratio", self.ratio)
        elif isinstance(self.ratio, Decimal) and not self.ratio.is_finite():
            raise ValidationError("Split", "ratio", "must be a finite number")
        if self.ratio <= 0:
            raise ValidationError("Split", "ratio", _NOT_POSITIVE)

    @property
    def exact_ratio(self) -> Fraction:
        """The ratio; a float counts as the decimal that it prints as."""
        return Fraction(exact(self.ratio) if isinstance(self.ratio, float) else self.ratio)


SplitTable = dict[str, list[tuple["datetime", Fraction]]]
"""Times and ratios of the splits of each instrument, oldest first."""


def splits_by_instrument(splits: Iterable[Split]) -> SplitTable:
    """Return splits in the order of time, by instrument.

    Raises:
        InvalidQueryError: An item is not a :class:`Split`, or a split is duplicated.
    """
    found: SplitTable = {}
    if not isinstance(splits, Iterable):
        raise InvalidQueryError("Split", problem=_NOT_SPLITS)
    for split in splits:
        if not isinstance(split, Split):
            raise InvalidQueryError("Split", problem=_NOT_SPLITS)
        found.setdefault(split.instrument, []).append((split.time, split.exact_ratio))
    for of_one in found.values():
        of_one.sort()
        if len({time for time, _ in of_one}) < len(of_one):
            raise InvalidQueryError("Split", problem="an instrument has two splits at the same time; pass each once")
    return found
