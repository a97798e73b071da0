"""What a filter of trades asks of the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, func, or_

from zorivest_async.database.tables import TRADES

if TYPE_CHECKING:
    from zorivest_async.domain.queries import TradeFilter

__all__ = ["conditions_of", "narrowed"]

# instr() finds % and _ as they are, unlike LIKE; lower() knows the letters of ASCII.
_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "account_id": TRADES.c.account_id == bindparam("account_id"),
    "instrument": TRADES.c.instrument == bindparam("instrument"),
    "action": TRADES.c.action == bindparam("action"),
    "since": TRADES.c.time >= bindparam("since"),
    "until": TRADES.c.time < bindparam("until"),
    "search": or_(
        *(
            func.instr(func.lower(column), func.lower(bindparam("search"))) > 0
            for column in (TRADES.c.instrument, TRADES.c.exec_id, TRADES.c.account_id)
        )
    ),
}
"""What each field of a :class:`~zorivest_async.TradeFilter` asks of a trade."""


def conditions_of(trade_filter: TradeFilter) -> dict[str, Any]:
    """Return what a filter asks for: the parameters of its conditions, by the names of its fields."""
    fields = {name: getattr(trade_filter, name) for name in _CONDITIONS}
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def narrowed(statement: Select[Any], names: tuple[str, ...]) -> Select[Any]:
    """Return a statement for the trades that fulfil the conditions of these names, whose parameters it then has."""
    return statement.where(*(_CONDITIONS[name] for name in names))
