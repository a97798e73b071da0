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
from zorivest_async.domain.enums import TradeAction
from zorivest_async.errors import ConfigurationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from zorivest_async.domain.entities import Trade

__all__ = ["FifoMatch", "OpenLot", "match_fifo"]

_in_time = attrgetter("time", "exec_id")
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
    """Match fills first in, first out, for each account and instrument, and return them with their ``realized_pnl``.

    A fill first closes the oldest open lots on the other side, and opens a position with the rest, so a position may
    flip through zero. The result of a fill is the sum of (price out - price in) x quantity x multiplier, with the
    opposite sign for a short position; a fill that closes nothing gets 0. It is computed exactly and rounded to float64
    once. The previous ``realized_pnl`` of the trades is replaced.

    It stores nothing. Call it in a thread if there are many trades.

    Args:
        trades: All fills since the positions were opened, in any order; fills of the same time are ordered by
            ``exec_id``.
        multipliers: Units per contract, by instrument: 100 for most equity options, 50 for ES futures; 1 by default.
        less_commission: Subtract the commissions of the fill and of the lots that it closes, each in proportion to the
            quantity; by default results are before commissions.

    Raises:
        ConfigurationError: A multiplier is not a finite number above zero.
        InvalidQueryError: A result is beyond the range of float64.
        ValidationError: An ``exec_id`` is duplicated.
    """
    for instrument, multiplier in multipliers.items():
        if not 0 < multiplier < math.inf:
            raise ConfigurationError(f"the multiplier of {instrument} must be a finite number above zero")
    ordered = sorted(trades, key=_in_time)
    if len({trade.exec_id for trade in ordered}) < len(ordered):
        raise ValidationError("Trade", "exec_id", "is duplicated; match each execution once")
    units = {instrument: exact(float(multiplier)) for instrument, multiplier in multipliers.items()}
    positions: dict[tuple[str, str], deque[_Lot]] = {}
    closing: set[str] = set()
    matched: list[Trade] = []
    for number, trade in enumerate(ordered):
        lots = positions.setdefault((trade.account_id, trade.instrument), deque())
        new = _Lot(number, trade, exact(trade.quantity), exact(trade.price))
        closed = _close(lots, new)
        if new.left:
            lots.append(new)
        if closed:
            closing.add(trade.exec_id)
        result: Decimal | Fraction = _realised(closed, new, units.get(trade.instrument))
        if less_commission:
            result = Fraction(result) - _commission(closed, trade)
        matched.append(replace(trade, realized_pnl=rounded(result)))
    remaining = sorted((lot for lots in positions.values() for lot in lots), key=attrgetter("number"))
    return FifoMatch(matched, frozenset(closing), [_open(lot) for lot in remaining])


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


def _realised(closed: list[tuple[_Lot, Decimal]], new: _Lot, multiplier: Decimal | None) -> Decimal:
    total = ZERO
    for lot, quantity in closed:
        gain = EXACT.subtract(new.price, lot.price)
        total = EXACT.add(total, EXACT.multiply(gain, quantity))
    if new.trade.action is TradeAction.BOT:
        total = EXACT.minus(total)
    return total if multiplier is None else EXACT.multiply(total, multiplier)


def _commission(closed: list[tuple[_Lot, Decimal]], trade: Trade) -> Fraction:
    """Return the commission of the closed lots, and the closing fill's share of its own."""
    return sum(
        (Fraction(quantity) * (_per_unit(lot.trade) + _per_unit(trade)) for lot, quantity in closed), start=Fraction()
    )


def _per_unit(trade: Trade) -> Fraction:
    return Fraction(exact(trade.commission)) / Fraction(exact(trade.quantity))


def _open(lot: _Lot) -> OpenLot:
    quantity = rounded(lot.left)
    return OpenLot(lot.trade, quantity if lot.trade.action is TradeAction.BOT else -quantity)
