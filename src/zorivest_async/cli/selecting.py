"""Options that select trades and positions: the fields of the library's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from zorivest_async.cli.fields import options_of, values_of
from zorivest_async.domain.queries import TradeFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zorivest_async.cli.journal import Journal

__all__ = ["FILTERS", "filter_of"]

FILTERS: Final = options_of(TradeFilter, required=False)
"""An option for each field of :class:`~zorivest_async.TradeFilter`."""


def filter_of(journal: Journal, options: Mapping[str, Any]) -> TradeFilter:
    """Return the filter that the options state.

    Raises:
        MisuseError: A time is invalid.
        ValidationError: A value is invalid.
    """
    return TradeFilter(**values_of(TradeFilter, options, journal))
