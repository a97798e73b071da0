"""Entities of a journal: frozen, slotted dataclasses that check and normalise their fields when they are constructed.

An invalid field raises :class:`~zorivest_async.ValidationError`, so every entity can be stored. Times become aware UTC
and numbers become float64, so that an entity that was read equals the one that was saved. Row numbers (``id``) are
``None`` until stored and take no part in ``==``. The repr shows all fields except the bytes of images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, cast

from zorivest_async.domain.entity import Entity, PictureEntity
from zorivest_async.domain.enums import (
    AccountType,
    AssetClass,
    ConvictionLevel,
    ImageOwnerType,
    PlanStatus,
    TradeAction,
)
from zorivest_async.domain.validation import (
    Blob,
    Count,
    Currency,
    Flag,
    Identifier,
    Multiplier,
    Number,
    PositiveNumber,
    Rating,
    Sha256,
    Size,
    Tags,
    Text,
    Timestamp,
    utc_now,
)
from zorivest_async.errors import ValidationError

__all__ = [
    "Account",
    "BalanceSnapshot",
    "ImageAttachment",
    "ImageInfo",
    "Import",
    "SequencedTrade",
    "Trade",
    "TradePlan",
    "TradeReport",
    "Watchlist",
    "WatchlistItem",
]


@dataclass(frozen=True, slots=True)
class Trade(Entity):
    """One execution, as the broker reported it.

    Attributes:
        exec_id: The broker's identifier of the execution, unique in the vault.
        time: When it was executed; without a time zone, it is taken as UTC.
        instrument: What was traded, ``"SPY"``.
        action: Bought or sold.
        quantity: How many units, above zero.
        price: Per unit, in the trade's currency; negative prices exist.
        account_id: The account, which must exist.
        commission: A cost is positive, a rebate negative.
        realized_pnl: Realised profit or loss that the broker recorded for this execution, in the trade's currency;
            ``None`` if it recorded none.
        currency: 2 to 12 capital letters or digits, ISO 4217 where it is money; ``None`` is the account's.
        multiplier: What one unit of the price is worth: 100 for a US equity option, 50 for ES futures.
        asset_class: Kind of what was traded; ``None`` if it is not known.
        fees: Costs besides the commission, such as exchange fees and taxes; a cost is positive.
        commission_currency: Currency of the commission and the fees; ``None`` is the trade's.
        notes: Free text.
        order_id: The broker's identifier of the order, which several executions may share.
        result_after_costs: Whether ``realized_pnl`` is after commission and fees; ``None`` counts as before.
    """

    exec_id: Identifier
    time: Timestamp
    instrument: Identifier
    action: TradeAction
    quantity: PositiveNumber
    price: Number
    account_id: Identifier
    commission: Number = 0.0
    realized_pnl: Number | None = 0.0
    currency: Currency | None = None
    multiplier: Multiplier = 1.0
    asset_class: AssetClass | None = None
    fees: Number = 0.0
    commission_currency: Currency | None = None
    notes: Text | None = None
    order_id: Identifier | None = None
    result_after_costs: Flag | None = None


@dataclass(frozen=True, slots=True)
class SequencedTrade(Trade):
    """An execution with its position in the source that it was imported from.

    The position orders executions of the same time. A vault stores it beside the execution; repositories accept it in
    ``save_many()``, and return plain :class:`Trade` entities.

    Attributes:
        sequence: The position, from 1, oldest first; ``None`` if it is not known.
    """

    sequence: Size | None = None


@dataclass(frozen=True, slots=True)
class Account(Entity):
    """An account that holds money.

    Attributes:
        account_id: The institution's identifier, unique in the vault.
        name: What the trader calls it.
        account_type: What kind of account it is.
        institution: Who keeps it.
        currency: Currency of its amounts, 2 to 12 capital letters or digits, ISO 4217 where it is money. It is also the
            currency of its trades that state none, and cannot change while there are any.
        is_tax_advantaged: Whether gains are taxed differently from a plain account's.
        notes: Free text.
        created_at: When the record was made; kept by later updates.
    """

    account_id: Identifier
    name: Identifier
    account_type: AccountType
    institution: Text | None = None
    currency: Currency = "USD"
    is_tax_advantaged: Flag = False
    notes: Text | None = None
    created_at: Timestamp = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class ImageAttachment(PictureEntity):
    """An image with its original bytes.

    Attributes:
        data: The original, byte for byte.
        owner_type: Whether it explains a trade, a report or a plan.
        owner_id: The owner's identifier; reports and plans have numbers, written in decimal.
        id: Row number.
        thumbnail: A small WebP, upright and without metadata.
        mime_type: Of the original.
        caption: Free text.
        width: Of the upright original, in pixels.
        height: Of the upright original, in pixels.
        file_size: Of the original, in bytes; follows from ``data``.
        created_at: When the record was made.
    """

    data: Blob = field(repr=False)
    owner_type: ImageOwnerType = ImageOwnerType.TRADE
    owner_id: Text = ""
    id: Size | None = field(default=None, compare=False)
    thumbnail: Blob | None = field(default=None, repr=False)
    mime_type: Identifier = "image/png"
    caption: Text | None = None
    width: Size | None = None
    height: Size | None = None
    file_size: Size | None = None
    created_at: Timestamp = field(default_factory=utc_now)

    def __post_init__(self) -> None:
        Entity.__post_init__(self)
        if self.file_size is None:
            object.__setattr__(self, "file_size", len(self.data))
        elif self.file_size != len(self.data):
            raise ValidationError("ImageAttachment", "file_size", "must be the number of bytes in data, or None")


@dataclass(frozen=True, slots=True)
class ImageInfo(PictureEntity):
    """Metadata and thumbnail of an image, for galleries: reading it does not read the original.

    It has the attributes of :class:`ImageAttachment`, except ``data``.
    """

    owner_type: ImageOwnerType = ImageOwnerType.TRADE
    owner_id: Text = ""
    id: Size | None = field(default=None, compare=False)
    thumbnail: Blob | None = field(default=None, repr=False)
    mime_type: Identifier = "image/png"
    caption: Text | None = None
    width: Size | None = None
    height: Size | None = None
    file_size: Size | None = None
    created_at: Timestamp = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class TradeReport(Entity):
    """Review of a trade; a trade has at most one.

    Attributes:
        trade_id: ``exec_id`` of the trade.
        setup_quality: 1 (poor) to 5 (excellent).
        execution_quality: 1 (poor) to 5 (excellent).
        followed_plan: Whether the trader followed the plan.
        emotional_state: In a few words.
        lessons_learned: Free text.
        tags: In the order given.
        id: Row number.
        created_at: When the record was made; kept by later updates.
    """

    trade_id: Identifier
    setup_quality: Rating | None = None
    execution_quality: Rating | None = None
    followed_plan: Flag | None = None
    emotional_state: Text | None = None
    lessons_learned: Text | None = None
    tags: Tags = ()
    id: Size | None = field(default=None, compare=False)
    created_at: Timestamp = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class TradePlan(Entity):
    """Plan of a trade.

    Attributes:
        ticker: What to trade.
        direction: Bought or sold.
        conviction: How confident the trader is.
        strategy_name: Name of the strategy.
        strategy_description: Free text.
        entry_price: Planned price of the entry.
        stop_loss: Price at which to close with a loss.
        target_price: Price at which to take the profit.
        entry_conditions: Conditions of the entry.
        exit_conditions: Conditions of the exit.
        timeframe: Of the chart or the holding, ``"5m"``, ``"swing"``.
        status: State of the plan, such as draft or executed.
        linked_trade_id: ``exec_id`` of the trade that executed the plan.
        account_id: The account to trade in.
        id: Row number.
        created_at: When the record was made; kept by later updates.
        updated_at: When it was last updated; an update sets it.
    """

    ticker: Identifier
    direction: TradeAction
    conviction: ConvictionLevel
    strategy_name: Text | None = None
    strategy_description: Text | None = None
    entry_price: Number | None = None
    stop_loss: Number | None = None
    target_price: Number | None = None
    entry_conditions: Text | None = None
    exit_conditions: Text | None = None
    timeframe: Text | None = None
    status: PlanStatus = PlanStatus.DRAFT
    linked_trade_id: Identifier | None = None
    account_id: Identifier | None = None
    id: Size | None = field(default=None, compare=False)
    created_at: Timestamp = field(default_factory=utc_now)
    updated_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class WatchlistItem(Entity):
    """A ticker on a watchlist.

    Attributes:
        ticker: What to watch.
        watchlist_id: Row number of the list; ``None`` until stored.
        notes: Free text.
        id: Row number.
        added_at: When it was added to the list; kept by later updates.
    """

    ticker: Identifier
    watchlist_id: Size | None = field(default=None, compare=False)
    notes: Text | None = None
    id: Size | None = field(default=None, compare=False)
    added_at: Timestamp = field(default_factory=utc_now)


def _watchlist_items(entity_name: str, field_name: str, value: object) -> tuple[WatchlistItem, ...]:
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    items: tuple[object, ...] = tuple(cast("Sequence[object]", value)) if is_sequence else (None,)
    if not all(isinstance(item, WatchlistItem) for item in items):
        raise ValidationError(entity_name, field_name, "must be a sequence of WatchlistItem")
    return cast("tuple[WatchlistItem, ...]", items)


@dataclass(frozen=True, slots=True)
class Watchlist(Entity):
    """A named collection of tickers.

    Attributes:
        name: What the trader calls it.
        description: Free text.
        items: In the order they were added.
        id: Row number.
        created_at: When the record was made; kept by later updates.
        updated_at: When the list, not its items, was last updated; an update sets it.
    """

    name: Identifier
    description: Text | None = None
    items: Annotated[tuple[WatchlistItem, ...], _watchlist_items] = ()
    id: Size | None = field(default=None, compare=False)
    created_at: Timestamp = field(default_factory=utc_now)
    updated_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class BalanceSnapshot(Entity):
    """Balance of an account at a given time.

    Attributes:
        account_id: The account, which must exist.
        datetime: The time of the balance.
        balance: In the account's currency; a debt is negative.
        id: Row number.
    """

    account_id: Identifier
    datetime: Timestamp
    balance: Number
    id: Size | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Import(Entity):
    """An import of executions that the journal remembers, and can undo.

    Attributes:
        source: Name of the file, without its folder; for another source, the name of its class.
        sha256: SHA-256 of the file; for another source, of its executions.
        profile: How the source was read, such as the name of the profile and the time zone.
        imported_at: When it was imported.
        inserted: Number of new rows.
        duplicate: Number of rows that changed nothing.
        updated: Number of rows that changed a stored execution.
        failed: Number of rows that were not stored.
        id: Row number.
    """

    source: Identifier
    sha256: Sha256
    profile: Text | None = None
    imported_at: Timestamp = field(default_factory=utc_now)
    inserted: Count = 0
    duplicate: Count = 0
    updated: Count = 0
    failed: Count = 0
    id: Size | None = field(default=None, compare=False)
