"""What is asked of repositories, and what they answer besides entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from zorivest_async.domain.entity import Entity
from zorivest_async.domain.enums import TradeAction
from zorivest_async.domain.validation import Identifier, Moment, Text

__all__ = ["Page", "SaveResult", "TradeFilter"]

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
