"""Reader of what positions need of reports and plans, without their long texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import bindparam, select

from zorivest_async.database.repositories.stored_values import (
    column_of,
    flag_of,
    number_of,
    text_of,
    whole_number_of,
)
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import TRADE_PLANS, TRADE_REPORTS
from zorivest_async.database.types import Optionally
from zorivest_async.domain.queries import PlanLink, Review

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["LINKS", "LINK_ROWS", "REVIEWS", "decode_links", "decode_reviews"]

LINK_ROWS: Final = 250
"""Number of rows in a slice."""

_REVIEW: Final = ("trade_id", "setup_quality", "execution_quality", "followed_plan", "emotional_state", "tags")
_LINK: Final = ("linked_trade_id", "strategy_name", "stop_loss")

REVIEWS: Final = Statement(
    select(TRADE_REPORTS.c.id, *(TRADE_REPORTS.c[name] for name in _REVIEW))
    .where(TRADE_REPORTS.c.id > bindparam("after"))
    .order_by(TRADE_REPORTS.c.id)
    .limit(LINK_ROWS)
)
"""The reports after one, in the order of their row numbers, which come first."""

LINKS: Final = Statement(
    select(TRADE_PLANS.c.id, *(TRADE_PLANS.c[name] for name in _LINK))
    .where(TRADE_PLANS.c.id > bindparam("after"), TRADE_PLANS.c.linked_trade_id.is_not(None))
    .order_by(TRADE_PLANS.c.id)
    .limit(LINK_ROWS)
)
"""The plans after one that are linked to a trade."""


def _tags(stored: Any) -> tuple[str, ...]:
    tags: Any = () if stored is None else json.loads(stored)
    if not isinstance(tags, list | tuple):
        raise TypeError
    return tuple(map(text_of, cast("list[Any]", tags)))


_DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "trade_id": text_of,
    "setup_quality": Optionally(whole_number_of),
    "execution_quality": Optionally(whole_number_of),
    "followed_plan": Optionally(flag_of),
    "emotional_state": Optionally(text_of),
    "tags": _tags,
    "linked_trade_id": text_of,
    "strategy_name": Optionally(text_of),
    "stop_loss": Optionally(number_of),
}


def decode_reviews(rows: Sequence[tuple[Any, ...]]) -> list[Review]:
    """Return the reviews in rows of :data:`REVIEWS`.

    Raises:
        ValidationError: A value is not one that a release stores, so another program has written it.
    """
    return [Review(*values) for values in _decoded("TradeReport", _REVIEW, rows)]


def decode_links(rows: Sequence[tuple[Any, ...]]) -> list[PlanLink]:
    """Return the links in rows of :data:`LINKS`.

    Raises:
        ValidationError: A value is not one that a release stores.
    """
    return [PlanLink(*values) for values in _decoded("TradePlan", _LINK, rows)]


def _decoded(entity: str, names: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    columns = [
        column_of(entity, name, _DECODERS[name], stored)
        for name, stored in zip(names, [*zip(*rows, strict=True)][1:], strict=True)
    ]
    return [*zip(*columns, strict=True)]
