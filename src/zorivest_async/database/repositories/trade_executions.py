"""Reader of executions without the columns that positions do not need, for very many executions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, bindparam, func, or_, select, tuple_

from zorivest_async.database.repositories.base import window
from zorivest_async.database.repositories.stored_values import (
    column_of,
    flag_of,
    number_of,
    text_of,
    whole_number_of,
)
from zorivest_async.database.repositories.trade_conditions import narrowed
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import TRADES
from zorivest_async.database.types import Optionally, StoredTime
from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.domain.queries import ExecutionRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.database.backend import Backend
    from zorivest_async.domain.queries import UnitRow

__all__ = ["EXECUTION_ROWS", "decode_executions", "decode_units", "executions_statement", "units_statement"]

EXECUTION_ROWS: Final = 100
"""Number of executions in a slice: decoding and folding them takes about a millisecond each on a busy machine."""

# The stored text: other programs write times in other forms, which decoding and encoding would change.
_FOLLOWING: Final = tuple_(TRADES.c.time, TRADES.c.exec_id) > tuple_(
    bindparam("last_time", type_=StoredTime), bindparam("last_exec_id", type_=String)
)

_FIELDS: Final = ExecutionRow._fields
_COLUMNS: Final = tuple(
    func.coalesce(TRADES.c[name], 0.0) if name in {"commission", "fees"} else TRADES.c[name] for name in _FIELDS
)


def _positive_number(stored: Any) -> float:
    if not number_of(stored) > 0:
        raise ValueError
    return float(stored)


_ACTIONS: Final = {str(member): member for member in TradeAction}
_CLASSES: Final = {str(member): member for member in AssetClass}

_DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "exec_id": text_of,
    "sequence": Optionally(whole_number_of),
    "account_id": text_of,
    "instrument": text_of,
    "action": _ACTIONS.__getitem__,
    "quantity": _positive_number,
    "price": number_of,
    "commission": number_of,
    "realized_pnl": Optionally(number_of),
    "currency": Optionally(text_of),
    "multiplier": _positive_number,
    "asset_class": Optionally(_CLASSES.__getitem__),
    "fees": number_of,
    "commission_currency": Optionally(text_of),
    "result_after_costs": Optionally(flag_of),
}


def decode_executions(backend: Backend, rows: list[tuple[Any, ...]]) -> list[ExecutionRow]:
    """Return the executions in rows that :func:`executions_statement` has selected.

    Raises:
        ValidationError: A value is not one that a release stores, so another program has written it.
    """
    decoders = {"time": backend.read_time} | _DECODERS
    columns = (
        column_of("Trade", name, decoders[name], stored)
        for name, stored in zip(_FIELDS, zip(*rows, strict=True), strict=True)
    )
    return [*map(ExecutionRow._make, zip(*columns, strict=True))]


def decode_units(rows: list[tuple[Any, ...]]) -> list[UnitRow]:
    """Return the units in rows that :func:`units_statement` has selected.

    Raises:
        ValidationError: A value is not one that a release stores.
    """
    names = ("account_id", "instrument", "asset_class", "multiplier")
    columns = (
        column_of("Trade", name, _DECODERS[name], stored)
        for name, stored in zip(names, zip(*rows, strict=True), strict=True)
    )
    return [*zip(*columns, strict=True)]


@cache
def executions_statement(names: tuple[str, ...], *, goes_on: bool) -> Statement:
    """Return the statement for a slice of the executions that meet conditions, oldest first.

    Args:
        names: Of the conditions.
        goes_on: Whether it is for those after ``last_time`` and ``last_exec_id``.
    """
    statement = narrowed(select(*_COLUMNS), names)
    following = statement.where(_FOLLOWING) if goes_on else statement
    return window(following.order_by(TRADES.c.time, TRADES.c.exec_id))


@cache
def units_statement(names: tuple[str, ...]) -> Statement:
    """Return the statement for the units of the instruments that have several in one account.

    Args:
        names: Of the conditions.
    """
    multiplier, asset_class = TRADES.c.multiplier, TRADES.c.asset_class
    books: Any = select(TRADES.c.account_id, TRADES.c.instrument)
    several = (
        narrowed(books, names)
        .group_by(TRADES.c.account_id, TRADES.c.instrument)
        .having(
            or_(
                func.min(multiplier) != func.max(multiplier),
                func.min(asset_class) != func.max(asset_class),
                func.count(asset_class).between(1, func.count() - 1),
            )
        )
    )
    units = select(TRADES.c.account_id, TRADES.c.instrument, asset_class, multiplier).distinct()
    return Statement(units.where(tuple_(TRADES.c.account_id, TRADES.c.instrument).in_(several)))
