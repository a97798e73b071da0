"""Exchange rates that the caller has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any, TypeAlias, cast

from zorivest_async.analytics.exact import exact
from zorivest_async.domain.validation import currency as checked_currency
from zorivest_async.errors import InvalidQueryError, ValidationError

__all__ = ["RateSource", "Rates"]

RateSource: TypeAlias = Mapping[str, float | Mapping[date, float]] | Callable[[str, date], float | None]
"""Rates by currency, or by currency and day; or a function that returns the rate of a currency on a day."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Exchange rates into one currency.

    Attributes:
        currency: The currency to convert into.
        source: What one unit of another currency is worth in it: a mapping by currency, whose values are a rate for all
            days or a mapping of rates by day; or a function of a currency and a day, which returns ``None`` if it knows
            no rate.

    Raises:
        ValidationError: The currency is invalid, or the source is neither a mapping nor a function.

    Example:
        >>> from datetime import date
        >>> from zorivest_async.analytics import Rates
        >>> rates = Rates("USD", {"SEK": {date(2024, 1, 2): 0.095}, "JPY": 0.0067})
        >>> float(rates.rate("SEK", date(2024, 1, 2)))
        0.095
    """

    currency: str
    source: RateSource = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "currency", checked_currency("Rates", "currency", self.currency))
        if not isinstance(self.source, Mapping) and not callable(self.source):
            raise ValidationError("Rates", "source", "must be a mapping of currencies to rates, or a function")

    def rate(self, currency: str, day: date) -> Fraction:
        """Return what one unit of a currency is worth on a day; 1 for the currency to convert into.

        Raises:
            InvalidQueryError: There is no rate, or it is not a finite number above zero; ``key`` is the currency and
                the day.
        """
        if currency == self.currency:
            return Fraction(1)
        source: Any = self.source
        if isinstance(source, Mapping):
            found = _found(cast("Mapping[str, Any]", source), currency)
            if isinstance(found, Mapping):
                found = _found(cast("Mapping[date, Any]", found), day)
        else:
            found = source(currency, day)
        if found is None:
            raise self._error(currency, day, "a currency has no rate on a day; add it to the rates (the key has both)")
        rate = _exact_rate(found)
        if rate is None or rate <= 0:
            raise self._error(currency, day, "a rate must be a finite number above zero (the key has its day)")
        return rate

    @staticmethod
    def _error(currency: str, day: date, problem: str) -> InvalidQueryError:
        return InvalidQueryError("Rates", key=(currency, day), problem=problem)


def _exact_rate(found: object) -> Fraction | None:
    """Return a rate; ``None`` for what is not a finite number."""
    if isinstance(found, Fraction):
        return found
    if isinstance(found, Decimal):
        return Fraction(found) if found.is_finite() else None
    if isinstance(found, bool) or not isinstance(found, Real):
        return None
    try:
        rate = float(found)
    except OverflowError:
        return None
    return Fraction(exact(rate)) if math.isfinite(rate) else None


def _found(mapping: Mapping[Any, Any], key: str | date) -> Any:
    return mapping.get(key)
