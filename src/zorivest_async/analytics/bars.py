"""Excursions of a position: how far prices went against it, and for it, while it was held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zorivest_async.analytics.exact import EXACT, ZERO, exact, ratio, rounded
from zorivest_async.domain.enums import TradeAction
from zorivest_async.domain.validation import number, timestamp
from zorivest_async.errors import InvalidQueryError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from zorivest_async.analytics.position import Position

__all__ = ["Excursions", "PriceBar", "excursions"]


@dataclass(frozen=True, slots=True)
class PriceBar:
    """Highest and lowest price of an interval.

    Attributes:
        time: Begin of the interval; without a time zone, it is taken as UTC.
        high: Highest price.
        low: Lowest price.

    Raises:
        ValidationError: A field is invalid, or ``high`` is below ``low``.
    """

    time: datetime
    high: float
    low: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", timestamp("PriceBar", "time", self.time))
        for name in ("high", "low"):
            object.__setattr__(self, name, number("PriceBar", name, getattr(self, name)))
        if self.high < self.low:
            raise ValidationError("PriceBar", "high", "must not be below low")


@dataclass(frozen=True, slots=True)
class Excursions:
    """Excursions of a position from its average entry, at its largest quantity, before costs.

    Attributes:
        currency: Currency of the position.
        mae: Maximum adverse excursion: the largest unrealised loss, at least zero; ``None`` without a bar.
        mfe: Maximum favourable excursion: the largest unrealised gain, at least zero; ``None`` without a bar.
        mae_r: ``mae`` per the position's risk; ``None`` if that is not known.
        mfe_r: ``mfe`` per the position's risk; ``None`` if that is not known.
        bars: Number of bars within the holding time.
    """

    currency: str
    mae: float | None
    mfe: float | None
    mae_r: float | None
    mfe_r: float | None
    bars: int


def excursions(position: Position, bars: Iterable[PriceBar]) -> Excursions:
    """Compute the excursions of a position from price bars.

    It is synchronous; call it in a thread if there are many bars.

    Args:
        position: The position; if it is open, all bars from its opening count.
        bars: Bars of its instrument, oldest first, in units after its splits. Those that begin outside the holding time
            are ignored, so that prices before the entry do not count.

    Raises:
        InvalidQueryError: Bars are not in the order of time, the position's opening is not known, or an amount is
            beyond the range of float64.
    """
    opened, entry = position.opened, position.average_entry
    if opened is None or entry is None:
        raise InvalidQueryError("Position", problem="its opening is not known, so it has no excursions")
    highest: float | None = None
    lowest: float | None = None
    previous: datetime | None = None
    count = 0
    for bar in bars:
        if previous is not None and bar.time <= previous:
            raise InvalidQueryError("PriceBar", problem="bars must be in the order of time, each time once; sort them")
        previous = bar.time
        if opened <= bar.time and (position.closed is None or bar.time <= position.closed):
            count += 1
            highest = bar.high if highest is None else max(highest, bar.high)
            lowest = bar.low if lowest is None else min(lowest, bar.low)
    if highest is None or lowest is None:
        return Excursions(position.currency, None, None, None, None, 0)
    above, below = _amount(position, highest, entry), _amount(position, entry, lowest)
    adverse, favourable = (below, above) if position.side == TradeAction.BOT else (above, below)
    risk = None if position.risk is None else exact(position.risk)
    return Excursions(
        position.currency,
        rounded(adverse),
        rounded(favourable),
        None if risk is None else ratio(adverse, risk),
        None if risk is None else ratio(favourable, risk),
        count,
    )


def _amount(position: Position, high: float, low: float) -> Decimal:
    """Return what a move from the lower to the higher price is worth, at least zero."""
    move = EXACT.subtract(exact(high), exact(low))
    worth = EXACT.multiply(exact(position.quantity), exact(position.multiplier))
    return max(ZERO, EXACT.multiply(move, worth))
