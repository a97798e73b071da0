"""Reader of execution results without the other columns, for analytics of very many executions."""

from __future__ import annotations

import json
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, cast

from anyio import to_thread
from sqlalchemy import String, bindparam, func, literal, select, tuple_

from zorivest_async.database.models import TRADE_REPORTS, TRADES
from zorivest_async.database.repositories.base import window
from zorivest_async.database.repositories.trade_conditions import narrowed
from zorivest_async.database.types import StoredTime
from zorivest_async.errors import ValidationError
from zorivest_async.security.tracebacks import hidden_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from zorivest_async.database.backend import Backend
    from zorivest_async.database.statements import Statement
    from zorivest_async.domain.queries import ResultDetail, ResultRow

__all__ = ["FOLLOWING", "column_of", "decode_results", "number_of", "results_statement", "text_of"]

# The stored text: other programs write times in other forms, which decoding and encoding would change.
FOLLOWING: Final = tuple_(TRADES.c.time, TRADES.c.exec_id) > tuple_(
    bindparam("last_time", type_=StoredTime), bindparam("last_exec_id", type_=String)
)
"""Condition of the trades after ``last_time`` and ``last_exec_id``."""


async def decode_results(backend: Backend, rows: list[tuple[Any, ...]], detail: ResultDetail | None) -> list[ResultRow]:
    """Return the results in rows that :func:`results_statement` has selected.

    Raises:
        ValidationError: A value is not one that a release stores, so another program has written it.
    """
    if detail == "tags":  # of which a report may have any number
        return await to_thread.run_sync(hidden_call(_decoded, backend, rows, detail))
    return _decoded(backend, rows, detail)


def _decoded(backend: Backend, rows: Sequence[tuple[Any, ...]], detail: ResultDetail | None) -> list[ResultRow]:
    times, exec_ids, account_ids, commissions, results, details = zip(*rows, strict=True)
    if detail == "tags":
        details = column_of("TradeReport", "tags", _tags, details)
    elif detail == "instrument":
        details = column_of("Trade", "instrument", text_of, details)
    return [
        *zip(
            column_of("Trade", "time", backend.read_time, times),
            exec_ids,
            account_ids,
            column_of("Trade", "commission", number_of, commissions),
            column_of("Trade", "realized_pnl", number_of, results),
            details,
            strict=True,
        )
    ]


def column_of(entity: str, field: str, decode: Callable[[Any], Any], stored: tuple[Any, ...]) -> tuple[Any, ...]:
    """Decode the values of a column.

    Raises:
        ValidationError: One is not a value that a release stores.
    """
    try:
        return tuple(map(decode, stored))
    except (KeyError, RecursionError, TypeError, ValueError):
        # Not "from error", which shows the value.
        raise ValidationError(entity, field, "is stored in a form that no release writes") from None


def number_of(stored: Any) -> float:
    """Return a finite number."""
    if not isfinite(stored):
        raise ValueError
    return float(stored)


def text_of(stored: Any) -> str:
    """Return a text."""
    if not isinstance(stored, str):
        raise TypeError
    return stored


def _tags(stored: Any) -> tuple[str, ...]:
    tags: Any = json.loads(stored) if stored is not None else ()
    if not isinstance(tags, list | tuple):
        raise TypeError
    return tuple(map(text_of, cast("Iterable[Any]", tags)))


@cache
def results_statement(names: tuple[str, ...], detail: ResultDetail | None, *, goes_on: bool) -> Statement:
    """Return the statement for a slice of the results of the trades that meet conditions, oldest first.

    Args:
        names: Of the conditions.
        detail: What else to read.
        goes_on: Whether it is for those after ``last_time`` and ``last_exec_id``.
    """
    details = {"instrument": TRADES.c.instrument, "tags": TRADE_REPORTS.c.tags, None: literal(None)}
    statement: Any = select(
        TRADES.c.time,
        TRADES.c.exec_id,
        TRADES.c.account_id,
        func.coalesce(TRADES.c.commission, 0.0),
        func.coalesce(TRADES.c.realized_pnl, 0.0),
        details[detail],
    ).select_from(TRADES)
    if detail == "tags":  # a trade has at most one report
        statement = statement.outerjoin(TRADE_REPORTS, TRADE_REPORTS.c.trade_id == TRADES.c.exec_id)
    statement = narrowed(statement, names)
    following = statement.where(FOLLOWING) if goes_on else statement
    return window(following.order_by(TRADES.c.time, TRADES.c.exec_id))
