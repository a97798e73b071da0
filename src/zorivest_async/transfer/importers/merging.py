"""Comparison of a row with the execution that is stored under its identifier, field by field."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Final

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.packing import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.transfer.importers.packing import PackedTrade

__all__ = ["Merge", "corrected", "merge"]

_DEFAULTS: Final = {f.name: f.default for f in fields(Trade) if f.default is not MISSING}
_RESULT: Final = frozenset({"realized_pnl", "result_after_costs"})
_COMMISSION, _REALIZED_PNL, _CURRENCY, _MULTIPLIER, _ASSET_CLASS, _FEES, _AFTER_COSTS = map(
    FIELDS.index,
    ("commission", "realized_pnl", "currency", "multiplier", "asset_class", "fees", "result_after_costs"),
)
_STOCK_AND_ETF: Final = (AssetClass.STOCK.value, AssetClass.ETF.value)


@dataclass(frozen=True, slots=True)
class Merge:
    """What a row adds to a stored execution, and what it contradicts.

    Attributes:
        filled: The stored values, with those of the row that were not stored.
        replaced: The stored values, with all that the row states.
        adds: The fields of the row that were not stored.
        conflicts: The fields for which the row states other values than the stored ones.
    """

    filled: PackedTrade
    replaced: PackedTrade
    adds: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def merge(stored: PackedTrade, row: PackedTrade, stated: frozenset[str] | None) -> Merge:
    """Compare a row with the stored execution; fields that the source does not state are not compared.

    Args:
        stored: The values of the stored execution.
        row: The values of the row.
        stated: See :class:`~zorivest_async.transfer.importers.Execution`.
    """
    if stored == row:
        return Merge(stored, stored)
    filled, replaced = [*stored], [*stored]
    adds, conflicts = list[str](), list[str]()
    for place, name in enumerate(FIELDS):
        if stored[place] == row[place] or not _is_stated(name, row[place], stated):
            continue
        if place == _ASSET_CLASS and (row[place], stored[place]) == _STOCK_AND_ETF:
            continue  # not every statement says which stocks are funds
        replaced[place] = row[place]
        if _is_missing(place, stored, row):
            filled[place] = row[place]
            adds.append(name)
        else:
            conflicts.append(name)
    if filled[_REALIZED_PNL] != row[_REALIZED_PNL] and "result_after_costs" in adds:
        filled[_AFTER_COSTS] = stored[_AFTER_COSTS]  # the row describes its own result, not the stored one
        adds.remove("result_after_costs")
    return Merge(tuple(filled), tuple(replaced), tuple(adds), tuple(conflicts))


def corrected(row: PackedTrade, stated: frozenset[str] | None, earlier: Iterable[PackedTrade]) -> PackedTrade:
    """Return the values of a correction, with what the source does not state taken from the corrected executions.

    A result is not taken from them: it belongs to the values that were wrong.

    Args:
        row: The values of the correction.
        stated: See :class:`~zorivest_async.transfer.importers.Execution`.
        earlier: The values of the corrected executions, the preferred first.
    """
    values, known = [*row], [*earlier]
    for place, name in enumerate(FIELDS):
        if name not in _RESULT and not _is_stated(name, row[place], stated):
            values[place] = next((old[place] for old in known if old[place] != _DEFAULTS[name]), row[place])
    return tuple(values)


def _is_stated(name: str, value: object, stated: frozenset[str] | None) -> bool:
    if name not in _DEFAULTS:
        return True
    return value != _DEFAULTS[name] if stated is None else name in stated


def _is_missing(place: int, stored: PackedTrade, row: PackedTrade) -> bool:
    """Whether a stored value stands for one that was not known, as the releases before units stored them."""
    old = stored[place]
    if old is None:
        return True
    has_no_units = stored[_ASSET_CLASS] is None and stored[_CURRENCY] is None
    if place == _MULTIPLIER:
        return bool(old == 1) and stored[_ASSET_CLASS] is None
    if place == _FEES:  # a confirmation may lack them, as it lacks results
        return bool(old == 0) and (has_no_units or stored[_REALIZED_PNL] is None)
    if place == _COMMISSION:
        return bool(old == 0) and has_no_units
    if place == _REALIZED_PNL:
        return bool(old == 0) and stored[_AFTER_COSTS] is None and row[_AFTER_COSTS] is not None
    return place == _ASSET_CLASS and (old, row[place]) == _STOCK_AND_ETF
