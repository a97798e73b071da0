"""What is asked of repositories, and what they answer besides entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from zorivest_async.domain.entity import Entity
from zorivest_async.domain.enums import ImageOwnerType, SearchKind, TradeAction
from zorivest_async.domain.validation import Identifier, Moment, Text

__all__ = ["Page", "SaveResult", "SearchHit", "TradeFilter"]

_ItemT = TypeVar("_ItemT")


@dataclass(frozen=True, slots=True)
class TradeFilter(Entity):
    """Which trades to look at; what is ``None`` does not narrow the search.

    Attributes:
        account_id: Of this account.
        instrument: Exactly this one.
        action: Bought or sold.
        since: At this moment or later.
        until: Before this moment, so that days and months join without overlap.
        search: Text to be found in the instrument, the ``exec_id`` or the account, whatever the case of ASCII letters.
    """

    account_id: Identifier | None = None
    instrument: Identifier | None = None
    action: TradeAction | None = None
    since: Moment | None = None
    until: Moment | None = None
    search: Text | None = None


class SaveResult(NamedTuple):
    """What a bulk save did.

    Attributes:
        inserted: Rows that were new.
        skipped: Rows left alone because their identifier was stored already.
        updated: Rows that replaced what was stored.
    """

    inserted: int = 0
    skipped: int = 0
    updated: int = 0


class Page(NamedTuple, Generic[_ItemT]):
    """One page of a listing.

    Attributes:
        items: Newest first.
        next: Pass it as ``after`` to get the following page; ``None`` at the end.
    """

    items: list[_ItemT]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Something whose texts have all the words of a query.

    Attributes:
        kind: What was found.
        id: Its identifier, as its repository's ``get`` takes it: of an account a string, else a row number.
        field: The field that has the most of the words.
        excerpt: Of that field, plain text of at most 4,000 characters; ``"…"`` stands where it was cut.
        matches: Where the words are in the excerpt: ``excerpt[start:end]`` for each pair, in order and apart. Of
            more than 20,000 bytes of text they may be elsewhere, and none here.
        trade_id: Of a report: its trade's ``exec_id``.
        owner_type: Of an image: what it explains.
        owner_id: Of an image: its owner's identifier.
        watchlist_id: Of a watchlist's item: the list it is on.
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
