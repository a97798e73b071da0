"""Arguments and results of repositories, other than entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeAlias, TypeVar

from zorivest_async.domain.entity import Entity
from zorivest_async.domain.enums import AssetClass, ImageOwnerType, SearchKind, TradeAction
from zorivest_async.domain.validation import Currency, Identifier, Text, Timestamp

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "DEFAULT_CURRENCY",
    "ExecutionRow",
    "Page",
    "PlanLink",
    "Review",
    "SaveResult",
    "SearchHit",
    "TradeFilter",
    "UndoResult",
    "UnitRow",
]

DEFAULT_CURRENCY: Final = "USD"
"""Currency of an account in which another program has left it out."""

_ItemT = TypeVar("_ItemT")

UnitRow: TypeAlias = "tuple[str, str, AssetClass | None, float]"
"""``account_id``, instrument, asset class and multiplier."""


class ExecutionRow(NamedTuple):
    """What positions need of an execution: fields of :class:`~zorivest_async.domain.entities.SequencedTrade`."""

    time: datetime
    exec_id: str
    sequence: int | None
    account_id: str
    instrument: str
    action: TradeAction
    quantity: float
    price: float
    commission: float
    realized_pnl: float | None
    currency: str | None
    multiplier: float
    asset_class: AssetClass | None
    fees: float
    commission_currency: str | None
    result_after_costs: bool | None


@dataclass(frozen=True, slots=True)
class Review:
    """The parts of a report that positions are grouped by.

    Attributes:
        trade_id: ``exec_id`` of the trade.
        setup_quality: 1 (poor) to 5 (excellent).
        execution_quality: 1 (poor) to 5 (excellent).
        followed_plan: Whether the trader followed the plan.
        emotional_state: In a few words.
        tags: In the order given.
    """

    trade_id: str
    setup_quality: int | None = None
    execution_quality: int | None = None
    followed_plan: bool | None = None
    emotional_state: str | None = None
    tags: tuple[str, ...] = ()


class PlanLink(NamedTuple):
    """The parts of a plan that the position of its trade needs."""

    trade_id: str
    strategy: str | None
    stop: float | None


@dataclass(frozen=True, slots=True)
class TradeFilter(Entity):
    """Filter of trades; ``None`` means any value.

    Attributes:
        account_id: Of this account.
        instrument: Of exactly this instrument.
        action: Bought or sold.
        since: At this time or later.
        until: Before this time, so that consecutive days and months do not overlap.
        search: Text within the instrument, the ``exec_id`` or the account; the case of ASCII letters does not matter.
        tag: With exactly this tag in its report.
        asset_class: Of this kind.
        currency: In this currency, which is its account's where it states none.
        strategy: Linked to a plan with exactly this name of a strategy.
    """

    account_id: Identifier | None = None
    instrument: Identifier | None = None
    action: TradeAction | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    search: Text | None = None
    tag: Text | None = None
    asset_class: AssetClass | None = None
    currency: Currency | None = None
    strategy: Text | None = None


@dataclass(frozen=True, slots=True)
class UndoResult:
    """Result of undoing an import.

    Attributes:
        deleted: Number of executions that the import had inserted.
        restored: Number of executions that have their earlier values again.
        brought_back: Number of executions that the import had deleted.
        accounts_deleted: Number of accounts that the import had created.
    """

    deleted: int = 0
    restored: int = 0
    brought_back: int = 0
    accounts_deleted: int = 0


@dataclass(frozen=True, slots=True)
class SaveResult:
    """Result of a bulk save.

    Attributes:
        inserted: Number of new rows.
        skipped: Number of rows that were skipped because their identifier was already stored.
        updated: Number of rows that replaced a stored row.
    """

    inserted: int = 0
    skipped: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[_ItemT]):
    """One page of a listing.

    Attributes:
        items: Newest first.
        next: Pass it as ``after`` to get the following page; ``None`` at the end.
    """

    items: list[_ItemT]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Search hit: a row whose texts contain all the words of a query.

    Attributes:
        kind: Kind of the row.
        id: Its identifier, as its repository's ``get`` takes it: a string for an account, else a row number.
        field: The field that contains most of the words.
        excerpt: Part of that field, plain text of at most 4,000 characters; ``"…"`` marks where it was cut.
        matches: Positions of the words in the excerpt: ``excerpt[start:end]`` for each pair, in order, without overlap.
            For texts of more than 20,000 bytes it may be empty.
        trade_id: For a report: its trade's ``exec_id``.
        owner_type: For an image: the kind of its owner.
        owner_id: For an image: its owner's identifier.
        watchlist_id: For an item of a watchlist: row number of the list.
    """

    kind: SearchKind
    id: int | str
    field: str
    excerpt: str
    matches: tuple[tuple[int, int], ...]
    trade_id: str | None = None
    owner_type: ImageOwnerType | None = None
    owner_id: str | None = None
    watchlist_id: int | None = None
