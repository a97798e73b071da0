"""Prices and exchange rates that the caller has, for the positions of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from zorivest_async.analytics.rates import Rates
from zorivest_async.domain.validation import number
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.analytics.position import Position
    from zorivest_async.analytics.round_trip import RoundTrip

__all__ = ["Prices", "Valuation"]

Prices: TypeAlias = Mapping[str | tuple[str, str], float]
"""Prices by instrument, or by instrument and currency; each is in the currency of the position."""


class Valuation:
    """Makes positions of round trips, with the prices and the rates that there are.

    Args:
        prices: The prices; an open position without one has no value.
        rates: The rates.

    Raises:
        InvalidQueryError: They are not a mapping, or not ``Rates``.
    """

    def __init__(self, prices: Prices | None, rates: Rates | None) -> None:
        if prices is not None and not isinstance(prices, Mapping):
            raise InvalidQueryError("Trade", problem="prices must be a mapping of instruments to prices")
        if rates is not None and not isinstance(rates, Rates):
            raise InvalidQueryError("Trade", problem="convert must be Rates")
        self._prices: Prices = prices or {}
        self._rates = rates
        self._currencies: dict[str, str] = {}

    def positions(self, trips: Iterable[RoundTrip]) -> list[Position]:
        """Return the positions of round trips.

        Raises:
            InvalidQueryError: An amount is beyond the range of float64, a rate is missing or invalid, or one price
                stands for positions in several currencies.
            ValidationError: A price is not a finite number.
        """
        priced = ((trip, self._price(trip) if trip.left and self._prices else None) for trip in trips)
        return [trip.position(self._rates, price) for trip, price in priced]

    def _price(self, trip: RoundTrip) -> float | None:
        instrument, currency = trip.key.instrument, trip.key.currency
        price = self._prices.get((instrument, currency))
        if price is None:
            price = self._prices.get(instrument)
            if price is None:
                return None
            if self._currencies.setdefault(instrument, currency) != currency:
                problem = "an instrument is open in several currencies; pass its prices by (instrument, currency)"
                raise InvalidQueryError("Trade", problem=problem)
        return number("Prices", "price", price)
