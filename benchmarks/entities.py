"""The cheapest way found to make entities of the driver's rows, and rows of entities: by column, with loops in C."""

from __future__ import annotations

from collections import deque
from dataclasses import fields
from datetime import datetime
from itertools import repeat
from operator import add, attrgetter, itemgetter, methodcaller
from typing import TYPE_CHECKING, Any, Final

from zorivest_async import AssetClass, Trade, TradeAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["ENTITY_COLUMNS", "from_rows", "to_rows"]

ENTITY_COLUMNS: Final = tuple(field.name for field in fields(Trade))
"""The columns of every field, which have the fields' names."""

_UTC: Final = "+00:00"


def _decode_times(stored: Iterable[Any]) -> Iterable[Any]:
    return map(datetime.fromisoformat, map(add, stored, repeat(_UTC)))


def _encode_times(times: Iterable[Any]) -> Iterable[Any]:
    # The times of entities are in UTC, so what follows the microseconds is always the same.
    return map(itemgetter(slice(26)), map(methodcaller("isoformat", " ", "microseconds"), times))


def _one_of(values: dict[Any, Any]) -> Callable[[Iterable[Any]], Iterable[Any]]:
    return lambda stored: map(values.__getitem__, stored)


_DECODERS: Final[dict[str, Callable[[Iterable[Any]], Iterable[Any]]]] = {
    "time": _decode_times,
    "action": _one_of({str(member): member for member in TradeAction}),
    "asset_class": _one_of({None: None, **{str(member): member for member in AssetClass}}),
    "result_after_costs": _one_of({None: None, 0: False, 1: True}),
}
_ENCODERS: Final[dict[str, Callable[[Iterable[Any]], Iterable[Any]]]] = {
    "time": _encode_times,
    "action": _one_of({member: str(member) for member in TradeAction}),
    "asset_class": _one_of({None: None, **{member: str(member) for member in AssetClass}}),
}
# Frozen entities refuse setattr; their slots' descriptors do not.
_SETTERS: Final = [(vars(Trade)[name].__set__, _DECODERS.get(name)) for name in ENTITY_COLUMNS]
_get_all: Final = attrgetter(*ENTITY_COLUMNS)


def from_rows(rows: Sequence[Sequence[Any]]) -> list[Trade]:
    """Return a trade for each row of :data:`ENTITY_COLUMNS`, without the checks that storing has made."""
    trades = [*map(object.__new__, repeat(Trade, len(rows)))]
    for (set_field, decode), stored in zip(_SETTERS, zip(*rows, strict=True), strict=False):
        deque(map(set_field, trades, stored if decode is None else decode(stored)), maxlen=0)
    return trades


def to_rows(trades: Iterable[Trade]) -> list[tuple[Any, ...]]:
    """Return a row of :data:`ENTITY_COLUMNS` for each trade."""
    columns = zip(*map(_get_all, trades), strict=True)
    encoded = (
        values if (encode := _ENCODERS.get(name)) is None else encode(values)
        for name, values in zip(ENTITY_COLUMNS, columns, strict=True)
    )
    return list(zip(*encoded, strict=True))
