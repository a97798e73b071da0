"""Compact storage of the executions of an import."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zorivest_async.domain.entities import SequencedTrade, Trade
from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.domain.validation import identifier
from zorivest_async.transfer.importers.blocks import Blocks, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FIELDS", "Execution", "Executions", "PackedTrade", "identified", "pack_trade", "sequenced", "unpack_trade"]

PackedTrade: TypeAlias = Row

FIELDS: Final = tuple(f.name for f in fields(Trade))
"""Names of the values of a packed trade, in their order."""

_values_of: Final = attrgetter(*FIELDS)
# Frozen entities refuse setattr; their slots' descriptors do not.
_SETTERS: Final = tuple(Trade.__dict__[name].__set__ for name in FIELDS)
_set_sequence: Final = SequencedTrade.__dict__["sequence"].__set__
_EXEC_ID, _ACTION, _ASSET_CLASS = map(FIELDS.index, ("exec_id", "action", "asset_class"))
_ACTIONS: Final = {action.value: action for action in TradeAction}
_ASSET_CLASSES: Final[dict[str | None, AssetClass | None]] = {None: None, **{each.value: each for each in AssetClass}}


@dataclass(frozen=True, slots=True)
class Execution:
    """One row of a source about an execution: the execution itself, a correction, or a cancellation.

    Attributes:
        row: The number of the row.
        trade: The trade; ``None`` for a cancellation.
        family: The part of ``exec_id`` that all versions of the same execution share. A cancellation with one also
            cancels the versions of the account before its own.
        revision: The number of the version.
        corrected: Whether the source says that the row replaces what is stored under its ``exec_id``.
        earlier_ids: Other identifiers of versions that the row replaces or cancels; a cancellation without any is of an
            unknown execution.
        booking: The identifier by which the source's cancellations refer to it.
        order: The position among the broker's transactions; ``None`` if it is unknown.
        stated: The fields that the source states for this row; the others are neither compared with a stored execution
            nor change it. ``None`` for the fields that differ from their default, and those without one.
        account_id: The account of a cancellation, which has no trade.
    """

    row: int
    trade: Trade | None
    family: str | None = None
    revision: int = 0
    corrected: bool = False
    earlier_ids: tuple[str, ...] = ()
    booking: str | None = None
    order: int | None = None
    stated: frozenset[str] | None = None
    account_id: str | None = None


def pack_trade(trade: Trade) -> PackedTrade:
    """Return the values of a trade; equal trades have equal values."""
    values: list[Any] = [*_values_of(trade)]
    values[_ACTION] = trade.action.value
    values[_ASSET_CLASS] = None if trade.asset_class is None else trade.asset_class.value
    return tuple(values)


def unpack_trade(values: PackedTrade) -> Trade:
    """Return the trade with these values, which were checked when the packed trade was created."""
    trade: Trade = object.__new__(Trade)
    for set_field, value in zip(_SETTERS, values, strict=True):
        set_field(trade, value)
    _SETTERS[_ACTION](trade, _ACTIONS[values[_ACTION]])
    _SETTERS[_ASSET_CLASS](trade, _ASSET_CLASSES[values[_ASSET_CLASS]])
    return trade


def sequenced(trade: Trade, sequence: int) -> SequencedTrade:
    """Return a trade with its position in the source."""
    result: SequencedTrade = object.__new__(SequencedTrade)
    for set_field, value in zip(_SETTERS, _values_of(trade), strict=True):
        set_field(result, value)
    _set_sequence(result, sequence)
    return result


def identified(trade: Trade, exec_id: str) -> Trade:
    """Return a trade with another identifier; its other values are not checked again.

    Raises:
        ValidationError: The identifier is invalid.
    """
    result: Trade = object.__new__(Trade)
    for set_field, value in zip(_SETTERS, _values_of(trade), strict=True):
        set_field(result, value)
    _SETTERS[_EXEC_ID](result, identifier("Trade", "exec_id", exec_id))
    return result


class Executions:
    """A list of executions, which are stored as rows and created each time they are read."""

    def __init__(self) -> None:
        self._rows = Blocks()

    def append(self, execution: Execution) -> None:
        """Add an execution at the end."""
        self._rows.append(
            (
                execution.row,
                execution.family,
                execution.revision,
                execution.corrected,
                execution.earlier_ids,
                execution.booking,
                execution.order,
                execution.stated,
                execution.account_id,
                None if execution.trade is None else pack_trade(execution.trade),
            )
        )

    def slice(self, start: int, stop: int) -> list[Execution]:
        """Return the executions from ``start`` up to, but not including, ``stop``."""
        return [*map(_unpack, self._rows.slice(start, stop))]

    def packed_trade(self, place: int) -> PackedTrade | None:
        """Return the values of the trade at a position; ``None`` for a cancellation."""
        (row,) = self._rows.slice(place, place + 1)
        packed: PackedTrade | None = row[-1]
        return packed

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Execution]:
        return map(_unpack, self._rows.from_row(0))


def _unpack(row: Row) -> Execution:
    *about, packed = row
    trade = None if packed is None else unpack_trade(packed)
    return Execution(about[0], trade, *about[1:])
