"""Selection of round trips by a trade filter, after they were folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.analytics.folding import ascii_folded
from zorivest_async.domain.queries import TradeFilter
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from zorivest_async.analytics.round_trip import RoundTrip

__all__ = ["Selection"]


class Selection:
    """A trade filter for round trips.

    Account, instrument, currency and asset class say which executions are folded. Everything else selects round trips.

    Args:
        trade_filter: The filter; ``None`` for all.
        with_open: Whether open round trips are selected, too.

    Attributes:
        filter: The filter.
        narrowing: The filter of the executions to read. Currency and asset class are not in it: an execution may state
            neither, and both are known once it is folded.
        with_open: Whether open round trips are selected, too.

    Raises:
        InvalidQueryError: It is not a ``TradeFilter``.
    """

    def __init__(self, trade_filter: TradeFilter | None, *, with_open: bool) -> None:
        wanted = TradeFilter() if trade_filter is None else trade_filter
        if not isinstance(wanted, TradeFilter):
            raise InvalidQueryError("Trade", problem=f"trade_filter must be a TradeFilter, not {type(wanted).__name__}")
        self.filter, self.with_open = wanted, with_open
        self.narrowing = TradeFilter(account_id=wanted.account_id, instrument=wanted.instrument)
        self._searched = ascii_folded(wanted.search) if wanted.search else None

    def lets_through(self, trip: RoundTrip) -> bool:
        """Return whether a round trip is selected: by the time of its closing, or while it is open of its opening."""
        wanted = self.filter
        if trip.closed is None and not self.with_open:
            return False
        time = trip.closed or trip.opened
        if wanted.since is not None and (time is None or time < wanted.since):
            return False
        if wanted.until is not None and (time is None or time >= wanted.until):
            return False
        return (
            (wanted.action is None or trip.side == wanted.action)
            and (not wanted.tag or wanted.tag in trip.tags)
            and (not wanted.strategy or wanted.strategy in trip.strategies)
            and self._finds(trip)
        )

    def _finds(self, trip: RoundTrip) -> bool:
        searched = self._searched
        if searched is None or trip.is_found:
            return True
        return searched in ascii_folded(trip.key.instrument) or searched in ascii_folded(trip.key.account_id)
