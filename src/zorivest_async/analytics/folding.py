"""Folding of executions into round trips, one after the other, in the order of time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from zorivest_async.analytics.exact import ZERO, exact, minus, plus
from zorivest_async.analytics.position import Matching
from zorivest_async.analytics.round_trip import BookKey, Costs, RoundTrip
from zorivest_async.domain.enums import TradeAction
from zorivest_async.errors import InvalidQueryError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from zorivest_async.analytics.exact import ExactNumber
    from zorivest_async.analytics.links import Links
    from zorivest_async.analytics.position import MultiplierConflict
    from zorivest_async.analytics.round_trip import Execution
    from zorivest_async.analytics.splits import SplitTable
    from zorivest_async.analytics.units import Units
    from zorivest_async.domain.enums import AssetClass

__all__ = ["Folding", "ascii_folded", "matching_of"]

_KNOWN_NUMBERS: Final = 4096
"""Number of decimals that are kept: prices, quantities and costs come again and again."""

_Key: TypeAlias = "tuple[str, str, str, AssetClass | None, float]"


def matching_of(method: str) -> Matching:
    """Return the matching rule with this name.

    Raises:
        InvalidQueryError: There is none.
    """
    if method not in tuple(Matching):
        raise InvalidQueryError("Trade", problem=f"method must be one of: {', '.join(Matching)}")
    return Matching(method)


class Folding:
    """Folds executions into round trips; it holds the open ones only.

    Args:
        currencies: Currencies of the accounts, by ``account_id``.
        units: What the executions leave open: asset classes by account and instrument.
        links: Reports and plans of the executions.
        matching: Which open lots a closing execution closes first.
        splits: Splits by instrument.
        currency: Only executions in this currency.
        asset_class: Only executions of this asset class.
        searched: A text that :attr:`RoundTrip.is_found` tells of.
        with_ids: Whether round trips keep the identifiers of their executions.
    """

    def __init__(
        self,
        currencies: Mapping[str, str],
        units: Units,
        links: Links,
        matching: Matching,
        splits: SplitTable,
        *,
        currency: str | None = None,
        asset_class: AssetClass | None = None,
        searched: str | None = None,
        with_ids: bool = True,
    ) -> None:
        self._currencies = currencies
        self._units = units
        self._links = links if links.reviews or links.plans else None
        self._matching = matching
        self._splits = splits
        self._currency = currency
        self._asset_class = asset_class
        self._searched = ascii_folded(searched) if searched else None
        self._with_ids = with_ids
        self._open: dict[_Key, RoundTrip] = {}
        self._decimal: Callable[[float], Decimal] = lru_cache(maxsize=_KNOWN_NUMBERS)(exact)
        self._last_time: datetime | None = None
        self._last_places: dict[tuple[str, str, TradeAction], int] = {}

    def fold(self, executions: Sequence[Execution], begin: int = 0, end: int | None = None) -> list[RoundTrip]:
        """Fold some of the executions that follow those before, and return the round trips that they close.

        Args:
            executions: Executions in order, with all of the same time as any of them.
            begin: Index of the first one to fold.
            end: Index of the one to stop before; all by default.

        Raises:
            NotFoundError: The account of one is not known.
        """
        finished: list[RoundTrip] = []
        open_trips, decimal = self._open, self._decimal
        for index in range(begin, len(executions) if end is None else end):
            execution = executions[index]
            key = self._key_of(execution)
            if key is None:
                continue
            quantity, price = decimal(execution.quantity), decimal(execution.price)
            trip = open_trips.get(key)
            if trip is None:
                if execution.realized_pnl and self._closes_unknown(executions, index):
                    finished.append(self._unknown(key, execution, quantity, price))
                else:
                    trip = open_trips[key] = self._new(key, execution.action, execution)
                    trip.enter(quantity, price, self._bear(trip, execution))
                continue
            if self._splits:
                trip.catch_up(execution.time)
            self._note(trip, execution)
            if execution.action == trip.side:
                trip.enter(quantity, price, self._bear(trip, execution))
            elif quantity > trip.left:
                finished.append(self._flip(trip, execution, quantity, price))
            else:
                self._bear(trip, execution)
                trip.leave(execution, quantity, price)
                if trip.closed is not None:
                    finished.append(open_trips.pop(key))
        return finished

    def rest(self) -> Iterator[RoundTrip]:
        """Yield the round trips that are open, in the order of opening, with the splits after their last execution."""
        for trip in self._open.values():
            trip.apply_splits()
            yield trip

    @property
    def conflicts(self) -> tuple[MultiplierConflict, ...]:
        """Instruments that have several multipliers."""
        return tuple(self._units.conflicts(self._asset_class))

    def _key_of(self, execution: Execution) -> _Key | None:
        account_id, instrument = execution.account_id, execution.instrument
        currency = execution.currency or self._currency_of(account_id)
        asset_class = execution.asset_class or self._units.asset_class_of(account_id, instrument)
        if self._currency is not None and currency != self._currency:
            return None
        if self._asset_class is not None and asset_class != self._asset_class:
            return None
        return account_id, instrument, currency, asset_class, execution.multiplier

    def _currency_of(self, account_id: str) -> str:
        try:
            return self._currencies[account_id]
        except KeyError:
            raise NotFoundError("Account", account_id) from None

    def _costs_of(self, execution: Execution, currency: str) -> Costs | None:
        commission, fees = execution.commission, execution.fees
        if not commission and not fees:
            return None
        # Read from a vault, they are None where another program has left them out.
        decimal = self._decimal
        return Costs(execution.commission_currency or currency, decimal(commission or 0.0), decimal(fees or 0.0))

    def _bear(self, trip: RoundTrip, execution: Execution) -> Decimal:
        costs = self._costs_of(execution, trip.key.currency)
        return ZERO if costs is None else trip.bear(costs)

    def _share(self, trip: RoundTrip, execution: Execution, part: ExactNumber, whole: Decimal) -> Decimal:
        costs = self._costs_of(execution, trip.key.currency)
        return ZERO if costs is None else trip.share(costs, part, whole)

    def _new(self, key: _Key, side: TradeAction, execution: Execution) -> RoundTrip:
        splits = self._splits.get(execution.instrument, ()) if self._splits else ()
        trip = RoundTrip(BookKey(*key), side, execution.time, self._matching, splits)
        self._note(trip, execution)
        return trip

    def _note(self, trip: RoundTrip, execution: Execution) -> None:
        trip.note(execution, self._links, with_ids=self._with_ids)
        if self._searched is not None and self._searched in ascii_folded(execution.exec_id):
            trip.is_found = True

    def _flip(self, trip: RoundTrip, execution: Execution, quantity: Decimal, price: Decimal) -> RoundTrip:
        """Close a round trip with a part of an execution, open the next one with the rest, and return the first."""
        closing, rest, key = trip.left, minus(quantity, trip.left), trip.key
        self._share(trip, execution, closing, quantity)
        trip.leave(execution, closing, price)
        following = self._new(key, execution.action, execution)
        following.enter(rest, price, self._share(following, execution, rest, quantity), quantity)
        del self._open[key]  # open ones are in the order of opening
        self._open[key] = following
        return trip

    def _unknown(self, key: _Key, execution: Execution, quantity: Decimal, price: Decimal) -> RoundTrip:
        trip = self._new(key, _opposite(execution.action), execution)
        self._bear(trip, execution)
        trip.leave_unknown(execution, quantity, price)
        return trip

    def _closes_unknown(self, executions: Sequence[Execution], index: int) -> bool:
        """Return whether an execution that finds nothing open closes what was opened before the journal begins.

        Its broker has recorded a result other than its costs, and no execution on the other side follows at the same
        time.
        """
        execution = executions[index]
        costs = plus(exact(execution.commission or 0.0), exact(execution.fees or 0.0))
        if not plus(exact(execution.realized_pnl or 0.0), costs):
            return False
        if self._last_time != execution.time:
            self._last_time, self._last_places = execution.time, _last_places(executions, index)
        other_side = (execution.account_id, execution.instrument, _opposite(execution.action))
        return self._last_places.get(other_side, -1) < index


def _opposite(action: TradeAction) -> TradeAction:
    return TradeAction.SLD if action == TradeAction.BOT else TradeAction.BOT


def _last_places(executions: Sequence[Execution], index: int) -> dict[tuple[str, str, TradeAction], int]:
    """Return the last index of each account, instrument and side among the executions of one time from an index on."""
    time, places = executions[index].time, dict[tuple[str, str, TradeAction], int]()
    while index < len(executions) and executions[index].time == time:
        execution = executions[index]
        places[execution.account_id, execution.instrument, execution.action] = index
        index += 1
    return places


def ascii_folded(text: str) -> str:
    """Return a text in lower case, as SQL's search folds it: ASCII letters only."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
