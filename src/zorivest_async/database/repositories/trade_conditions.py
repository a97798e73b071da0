"""SQL conditions of a trade filter."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, String, bindparam, func, or_, select

from zorivest_async.database.statements import contains_folded, has_element, has_value, sought
from zorivest_async.database.tables import ACCOUNTS, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.domain.queries import DEFAULT_CURRENCY, TradeFilter
from zorivest_async.errors import InvalidQueryError

__all__ = ["conditions_of", "narrowed"]

# Aliases, as a statement may join the reports itself.
_reports, _plans = TRADE_REPORTS.alias("reviews"), TRADE_PLANS.alias("intentions")
_currency_of_account = select(ACCOUNTS.c.currency).where(ACCOUNTS.c.account_id == TRADES.c.account_id).scalar_subquery()

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "account_id": TRADES.c.account_id == bindparam("account_id"),
    "instrument": TRADES.c.instrument == bindparam("instrument"),
    "action": TRADES.c.action == bindparam("action"),
    "since": TRADES.c.time >= bindparam("since"),
    "until": TRADES.c.time < bindparam("until"),
    "search": or_(
        *(
            contains_folded(column, bindparam("search"))
            for column in (TRADES.c.instrument, TRADES.c.exec_id, TRADES.c.account_id)
        )
    ),
    "tag": select(_reports.c.id)
    .where(_reports.c.trade_id == TRADES.c.exec_id, has_element(_reports.c.tags, sought("tag", TRADE_REPORTS.c.tags)))
    .exists(),
    "asset_class": TRADES.c.asset_class == bindparam("asset_class"),
    "currency": func.coalesce(TRADES.c.currency, _currency_of_account, DEFAULT_CURRENCY)
    == bindparam("currency", type_=String),
    "strategy": select(_plans.c.id)
    .where(
        _plans.c.linked_trade_id == TRADES.c.exec_id,
        has_value(_plans.c.strategy_name, sought("strategy", TRADE_PLANS.c.strategy_name)),
    )
    .exists(),
}
"""Condition of each field of a :class:`~zorivest_async.TradeFilter`."""


def conditions_of(trade_filter: TradeFilter) -> dict[str, Any]:
    """Return the parameters of a filter's conditions, by the names of its fields.

    Raises:
        InvalidQueryError: It is not a ``TradeFilter``.
    """
    if not isinstance(trade_filter, TradeFilter):
        raise InvalidQueryError(
            "Trade", problem=f"trade_filter must be a TradeFilter, not {type(trade_filter).__name__}"
        )
    fields = {name: getattr(trade_filter, name) for name in _CONDITIONS}
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def narrowed(statement: Select[Any], names: tuple[str, ...]) -> Select[Any]:
    """Add the conditions of these names, with their parameters, to a statement."""
    return statement.where(*(_CONDITIONS[name] for name in names))
