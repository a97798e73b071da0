"""Result types of positions: frozen, slotted dataclasses, each in one currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from zorivest_async.domain.enums import AssetClass, TradeAction
    from zorivest_async.domain.queries import Review

__all__ = ["Matching", "MultiplierConflict", "Position", "Positions", "ResultSource"]


class Matching(StrEnum):
    """Rule that says which open lots a closing execution closes first."""

    FIFO = "fifo"
    LIFO = "lifo"
    AVERAGE = "average"


class ResultSource(StrEnum):
    """Where the result of a position comes from."""

    RECORDED = "recorded"
    MATCHED = "matched"


@dataclass(frozen=True, slots=True)
class Position:
    """Position: a round trip of one instrument from flat to flat, or what is still open of one.

    Amounts are exact sums, rounded once, in ``currency``. Quantities and average prices are in units after the last
    split while it was open.

    Attributes:
        account_id: The account.
        instrument: What was traded.
        currency: Currency of the prices and results.
        asset_class: Kind of what was traded; ``None`` if it is not known.
        multiplier: What one unit of the price is worth.
        side: Side of the opening: ``BOT`` is a long position, ``SLD`` a short one.
        opened: Time of the first execution; ``None`` if only closing executions are known, from their recorded results.
        closed: Time of the last execution; ``None`` while it is open.
        quantity: Largest quantity that was open at a time.
        open_quantity: Open quantity: above zero if long, below zero if short, zero if closed.
        average_entry: Average price of the opening executions; ``None`` if none is known.
        average_exit: Average price of the closing executions; ``None`` if there is none.
        average_open: Average price of what is open, by the matching rule; ``None`` if it is closed.
        gross: Realised result before costs.
        commission: Commissions in ``currency``; a cost is positive.
        fees: Fees in ``currency``; a cost is positive.
        net: Realised result after ``commission`` and ``fees``, and after ``other_costs`` if rates were given.
        other_costs: Commissions and fees in other currencies, as pairs of currency and amount, in the order of
            currencies.
        result_source: Whether the result was recorded by the broker or matched from prices.
        executions: Number of executions; one that closes a position and opens the next counts in both.
        exec_ids: Identifiers of the executions, oldest first; empty if they were not asked for.
        tags: Tags of the reports of its executions, each once.
        strategies: Strategies of the plans that led to its executions, each once.
        reviews: Reports of its executions.
        risk: What the stop of the linked plan would have lost on ``quantity``; ``None`` without a plan whose stop is
            on the losing side of ``average_entry``.
        r_multiple: ``net`` per ``risk``; ``None`` without a risk, or while it is open.
        market_value: Value of what is open, below zero if short; ``None`` if it is closed, or without a price.
        unrealized: Result before costs that closing at that price would bring; ``None`` as ``market_value``.
    """

    account_id: str
    instrument: str
    currency: str
    asset_class: AssetClass | None
    multiplier: float
    side: TradeAction
    opened: datetime | None
    closed: datetime | None
    quantity: float
    open_quantity: float
    average_entry: float | None
    average_exit: float | None
    average_open: float | None
    gross: float
    commission: float
    fees: float
    net: float
    other_costs: tuple[tuple[str, float], ...]
    result_source: ResultSource
    executions: int
    exec_ids: tuple[str, ...] = field(default=(), repr=False)
    tags: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    reviews: tuple[Review, ...] = field(default=(), repr=False)
    risk: float | None = None
    r_multiple: float | None = None
    market_value: float | None = None
    unrealized: float | None = None

    @property
    def holding_time(self) -> timedelta | None:
        """Time from the first to the last execution; ``None`` while it is open, or if its opening is not known."""
        return None if self.opened is None or self.closed is None else self.closed - self.opened


@dataclass(frozen=True, slots=True)
class MultiplierConflict:
    """Executions of one instrument in one account that have different multipliers.

    They are not closed against each other. Correct the wrong ones in the journal.

    Attributes:
        account_id: The account.
        instrument: What was traded.
        asset_class: Kind of what was traded; ``None`` if it is not known.
        multipliers: The multipliers, smallest first.
    """

    account_id: str
    instrument: str
    asset_class: AssetClass | None
    multipliers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Positions(Sequence[Position]):
    """Positions, closed ones first, in the order of closing; then open ones, in the order of opening.

    Attributes:
        items: The positions.
        conflicts: Instruments whose executions have different multipliers.
    """

    items: tuple[Position, ...] = field(repr=False)
    conflicts: tuple[MultiplierConflict, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Position: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Position, ...]: ...
    def __getitem__(self, index: int | slice) -> Position | tuple[Position, ...]:
        return self.items[index]

    def __repr__(self) -> str:
        still_open = sum(position.closed is None for position in self.items)
        return f"Positions({len(self.items)} positions, {still_open} open, {len(self.conflicts)} conflicts)"
