"""Many executions at rest: as columns of plain values, which Python's garbage collector does not look at.

A collection of everything looks at each object that may be part of a cycle, in one go. With 100,000 entities among them
it held the event loop for 0.1 s; and the more such objects survive, the more often there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import TradeAction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Execution", "Executions", "PackedTrade", "pack_trade"]

PackedTrade: TypeAlias = "tuple[Any, ...]"

_NAMES: Final = tuple(f.name for f in fields(Trade))
_values_of: Final = attrgetter(*_NAMES)
# Frozen entities refuse setattr; their slots' descriptors do not.
_SETTERS: Final = tuple(Trade.__dict__[name].__set__ for name in _NAMES)
_OWN_COLUMNS: Final = 5
_NO_TRADE: Final = (None,) * len(_NAMES)
_ACTION: Final = _NAMES.index("action")
_ACTIONS: Final = {action.value: action for action in TradeAction}


@dataclass(frozen=True, slots=True)
class Execution:
    """One row that says something about an execution.

    Attributes:
        row: Where it comes from.
        trade: What happened; ``None`` for a cancellation.
        family: What ``exec_id`` has in common with those of earlier and later versions of the same execution.
        revision: Which of the versions it is.
        corrected: The source says itself that it replaces what is stored under its ``exec_id``.
        earlier_ids: Other identifiers of versions that it replaces, or cancels; a cancellation without any is of an
            execution that is not known.
    """

    row: int
    trade: Trade | None
    family: str | None = None
    revision: int = 0
    corrected: bool = False
    earlier_ids: tuple[str, ...] = ()


def pack_trade(trade: Trade) -> PackedTrade:
    """Return the values of a trade; equal trades have equal ones."""
    values: tuple[Any, ...] = _values_of(trade)
    return (*values[:_ACTION], trade.action.value, *values[_ACTION + 1 :])


def _unpack_trade(values: Sequence[Any]) -> Trade:
    trade: Trade = object.__new__(Trade)
    for set_field, value in zip(_SETTERS, values, strict=True):
        set_field(trade, value)
    _SETTERS[_ACTION](trade, _ACTIONS[values[_ACTION]])
    return trade


class Executions:
    """Executions in an order, made anew each time they are asked for."""

    def __init__(self) -> None:
        self._columns: tuple[list[Any], ...] = tuple([] for _ in range(_OWN_COLUMNS + len(_NAMES)))

    def append(self, execution: Execution) -> None:
        """Add one at the end."""
        values = (
            execution.row,
            execution.family,
            execution.revision,
            execution.corrected,
            "\0".join(execution.earlier_ids),  # which no identifier contains
            *(_NO_TRADE if execution.trade is None else pack_trade(execution.trade)),
        )
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)

    def slice(self, start: int, stop: int) -> list[Execution]:
        """Return some of them."""
        return [*map(_unpack, zip(*(column[start:stop] for column in self._columns), strict=True))]

    def packed_trade(self, place: int) -> PackedTrade:
        """Return the values of the trade of one of them."""
        return tuple(column[place] for column in self._columns[_OWN_COLUMNS:])

    def __len__(self) -> int:
        return len(self._columns[0])

    def __iter__(self) -> Iterator[Execution]:
        return map(_unpack, zip(*self._columns, strict=True))


def _unpack(packed: tuple[Any, ...]) -> Execution:
    row, family, revision, corrected, earlier_ids, *values = packed
    trade = None if values[0] is None else _unpack_trade(values)
    return Execution(row, trade, family, revision, corrected, tuple(earlier_ids.split("\0")) if earlier_ids else ())
