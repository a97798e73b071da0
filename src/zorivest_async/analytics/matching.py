"""FIFO matching of fills, which computes realised P&L that a broker does not record."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from zorivest_async.analytics.exact import EXACT, ZERO, exact, rounded
from zorivest_async.analytics.ordering import in_order
from zorivest_async.analytics.units import Units
from zorivest_async.domain.enums import TradeAction
from zorivest_async.errors import ConfigurationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from zorivest_async.domain.entities import Trade

__all__ = ["FifoMatch", "OpenLot", "match_fifo"]

_CONFLICT: Final = (
    "differs among the fills of an instrument in an account; correct it, or name the instrument in multipliers"
)
_OTHER_CURRENCY: Final = "is not the trade's, so these costs cannot be subtracted; match without less_commission"
_NO_MULTIPLIERS: Final[Mapping[str, float]] = MappingProxyType({})


class OpenLot(NamedTuple):
    """Open lot: the part of an opening fill that is not closed yet.

    Attributes:
        trade: The fill.
        quantity: Open quantity: above zero if bought, below zero if sold short.
    """

    trade: Trade
    quantity: float


class FifoMatch(NamedTuple):
    """Result of FIFO matching.

    Attributes:
        trades: The fills, oldest first, with ``realized_pnl``; other fields are unchanged.
        closing: ``exec_id`` of the fills that closed a position or a part of one.
        open_lots: Open lots, in the order in which they were opened.
    """

    trades: list[Trade]
    closing: frozenset[str]
    open_lots: list[OpenLot]

    def __repr__(self) -> str:
        counts = f"{len(self.trades)} trades, {len(self.closing)} closing, {len(self.open_lots)} open lots"
        return f"{type(self).__name__}({counts})"


@dataclass(slots=True)
class _Lot:
    """Open part of a fill: its index, its quantity without sign, its price and its commission per unit."""

    number: int
    trade: Trade
    left: Decimal
    price: Decimal


def match_fifo(
    trades: Iterable[Trade],
    *,
    multipliers: Mapping[str, float] = _NO_MULTIPLIERS,
    less_commission: bool = False,
) -> FifoMatch:
    """Match fills first in, first out, and return them with their ``realized_pnl``.

    Fills close each other if they share account, instrument, currency and asset class; one that states no currency or
    asset class has the only one that is known of the instrument in the account. A fill first closes the oldest open
    lots on the other side, and opens a position with the rest, so a position may flip through zero. The result of a
    fill is the sum of (price out - price in) x quantity x multiplier, with the opposite sign for a short position; a
    fill that closes nothing gets 0. It is computed exactly and rounded to float64 once. The previous ``realized_pnl``
    of the trades is replaced, and a ``result_after_costs`` that they have is set to ``less_commission``.

    It stores nothing. Call it in a thread if there are many trades.

    Args:
        trades: All fills since the positions were opened, in any order. Fills of the same time are taken in the order
            of ``sequence``, if they are :class:`~zorivest_async.domain.entities.SequencedTrade`, then of ``exec_id``
            with its digits as numbers.
        multipliers: Units per contract, by instrument: 100 for most equity options, 50 for ES futures; the trades' own
            by default.
        less_commission: Subtract the commission and the fees of the fill and of the lots that it closes, each in
            proportion to the quantity; by default results are before costs.

    Raises:
        ConfigurationError: A multiplier is not a finite number above zero.
        InvalidQueryError: A result is beyond the range of float64.
        ValidationError: An ``exec_id`` is duplicated, the fills of an instrument have different multipliers, or costs
            that are to be subtracted are in another currency.
    """
    for instrument, multiplier in multipliers.items():
        if not 0 < multiplier < math.inf:
            raise ConfigurationError(f"the multiplier of {instrument} must be a finite number above zero")
    ordered = in_order(trades)
    if len({trade.exec_id for trade in ordered}) < len(ordered):
        raise ValidationError("Trade", "exec_id", "is duplicated; match each execution once")
    books = _Books(ordered, multipliers)
    units = {instrument: exact(float(multiplier)) for instrument, multiplier in multipliers.items()}
    positions: dict[tuple[str | None, ...], deque[_Lot]] = {}
    closing: set[str] = set()
    matched: list[Trade] = []
    for number, trade in enumerate(ordered):
        book = books.of(trade)
        lots = positions.setdefault(book, deque())
        new = _Lot(number, trade, exact(trade.quantity), exact(trade.price))
        closed = _close(lots, new)
        if new.left:
            lots.append(new)
        if closed:
            closing.add(trade.exec_id)
        worth = units.get(trade.instrument) or exact(trade.multiplier)
        result: Decimal | Fraction = _realised(closed, new, worth)
        if less_commission:
            if trade.commission_currency not in {None, trade.currency, book[2]} and (trade.commission or trade.fees):
                raise ValidationError("Trade", "commission_currency", _OTHER_CURRENCY)
            result = Fraction(result) - _costs(closed, trade)
        states = None if trade.result_after_costs is None and not less_commission else less_commission
        matched.append(replace(trade, realized_pnl=rounded(result), result_after_costs=states))
    remaining = sorted((lot for lots in positions.values() for lot in lots), key=attrgetter("number"))
    return FifoMatch(matched, frozenset(closing), [_open(lot) for lot in remaining])


class _Books:
    """Keys of what closes each other.

    Raises:
        ValidationError: The fills of an instrument have different multipliers, and no mapping names it.
    """

    def __init__(self, trades: list[Trade], multipliers: Mapping[str, float]) -> None:
        self._units = Units()
        self._units.add((trade.account_id, trade.instrument, trade.asset_class, trade.multiplier) for trade in trades)
        if any(conflict.instrument not in multipliers for conflict in self._units.conflicts()):
            raise ValidationError("Trade", "multiplier", _CONFLICT)
        self._currencies: dict[tuple[str, str], set[str]] = {}
        for trade in trades:
            if trade.currency is not None:
                self._currencies.setdefault((trade.account_id, trade.instrument), set()).add(trade.currency)

    def of(self, trade: Trade) -> tuple[str | None, ...]:
        """Return account, instrument, currency and asset class."""
        known = self._currencies.get((trade.account_id, trade.instrument), set())
        currency = trade.currency or (next(iter(known)) if len(known) == 1 else None)
        asset_class = trade.asset_class or self._units.asset_class_of(trade.account_id, trade.instrument)
        return trade.account_id, trade.instrument, currency, asset_class


def _close(lots: deque[_Lot], new: _Lot) -> list[tuple[_Lot, Decimal]]:
    """Close open lots with a fill, and reduce both; return the closed lots with the closed quantities."""
    closed: list[tuple[_Lot, Decimal]] = []
    while new.left and lots and lots[0].trade.action is not new.trade.action:
        lot = lots[0]
        quantity = min(lot.left, new.left)
        lot.left, new.left = EXACT.subtract(lot.left, quantity), EXACT.subtract(new.left, quantity)
        closed.append((lot, quantity))
        if not lot.left:
            lots.popleft()
    return closed


def _realised(closed: list[tuple[_Lot, Decimal]], new: _Lot, multiplier: Decimal) -> Decimal:
    total = ZERO
    for lot, quantity in closed:
        gain = EXACT.subtract(new.price, lot.price)
        total = EXACT.add(total, EXACT.multiply(gain, quantity))
    if new.trade.action is TradeAction.BOT:
        total = EXACT.minus(total)
    return EXACT.multiply(total, multiplier)


def _costs(closed: list[tuple[_Lot, Decimal]], trade: Trade) -> Fraction:
    """Return the costs of the closed lots, and the closing fill's share of its own."""
    return sum(
        (Fraction(quantity) * (_per_unit(lot.trade) + _per_unit(trade)) for lot, quantity in closed), start=Fraction()
    )


def _per_unit(trade: Trade) -> Fraction:
    return Fraction(EXACT.add(exact(trade.commission), exact(trade.fees))) / Fraction(exact(trade.quantity))


def _open(lot: _Lot) -> OpenLot:
    quantity = rounded(lot.left)
    return OpenLot(lot.trade, quantity if lot.trade.action is TradeAction.BOT else -quantity)
