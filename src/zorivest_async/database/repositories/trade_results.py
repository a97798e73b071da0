"""What executions brought: their results without the rest of them, for analyses of very many."""

from __future__ import annotations

import json
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, cast

from anyio import to_thread
from sqlalchemy import String, bindparam, func, literal, select, tuple_

from zorivest_async.database.repositories.base import Repository, window
from zorivest_async.database.repositories.trade_conditions import conditions_of, narrowed
from zorivest_async.database.repositories.trades import SqlAlchemyTradeRepository
from zorivest_async.database.rows import SLICE_ROWS
from zorivest_async.database.tables import TRADE_REPORTS, TRADES
from zorivest_async.database.types import UTCDateTime
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
    from datetime import datetime

    from zorivest_async.database.statements import Statement
    from zorivest_async.domain.queries import TradeFilter

__all__ = ["Detail", "ResultRow", "TradeResultReader"]

Detail: TypeAlias = Literal["instrument", "tags"]

ResultRow: TypeAlias = "tuple[datetime, str, str, float, float, Any]"
"""Time, ``exec_id``, ``account_id``, commission, realised P&L, and the detail that was asked for, or ``None``."""

# The text as it is stored: other programs write moments in other forms, which would come back as another text.
_FOLLOWING: Final = tuple_(TRADES.c.time, TRADES.c.exec_id) > tuple_(
    bindparam("last_time", type_=String), bindparam("last_exec_id", type_=String)
)


class TradeResultReader(Repository[Any]):
    """Reads results of executions; made of another repository, ``TradeResultReader(uow.trades)``, on its connection."""

    mapper: ClassVar = SqlAlchemyTradeRepository.mapper

    async def slices(self, trade_filter: TradeFilter, detail: Detail | None) -> AsyncGenerator[list[ResultRow]]:
        """Yield the results of the executions that a filter lets through, oldest first, in slices of a millisecond.

        It holds no cursor open: other statements, and breaking off, are fine at any point.

        Args:
            trade_filter: Which ones.
            detail: What else to read: the instrument, or the tags of the execution's report.

        Raises:
            ValidationError: A value is not one that a release stores, so something else has written it.
        """
        parameters = conditions_of(trade_filter)
        names = tuple(parameters)
        following: dict[str, Any] = {}
        while rows := await self._fetch_rows(
            _statement(names, detail, goes_on=bool(following)), **parameters, **following, **self._window(SLICE_ROWS, 0)
        ):
            following = {"last_time": rows[-1][0], "last_exec_id": rows[-1][1]}
            # A report may have any number of tags.
            yield await to_thread.run_sync(_decoded, rows, detail) if detail == "tags" else _decoded(rows, detail)


def _decoded(rows: Sequence[tuple[Any, ...]], detail: Detail | None) -> list[ResultRow]:
    times, exec_ids, account_ids, commissions, results, details = zip(*rows, strict=True)
    if detail == "tags":
        details = _column("TradeReport", "tags", _tags, details)
    elif detail == "instrument":
        details = _column("Trade", "instrument", _text, details)
    return [
        *zip(
            _column("Trade", "time", UTCDateTime.from_text, times),
            exec_ids,
            account_ids,
            _column("Trade", "commission", _number, commissions),
            _column("Trade", "realized_pnl", _number, results),
            details,
            strict=True,
        )
    ]


def _column(entity: str, field: str, decode: Callable[[Any], Any], stored: tuple[Any, ...]) -> tuple[Any, ...]:
    try:
        return tuple(map(decode, stored))
    except (TypeError, ValueError, RecursionError):
        # Not from that error, which shows the value.
        raise ValidationError(entity, field, "is stored in a form that no release writes") from None


def _number(stored: Any) -> float:
    if not isfinite(stored):
        raise ValueError
    return float(stored)


def _text(stored: Any) -> str:
    if not isinstance(stored, str):
        raise TypeError
    return stored


def _tags(stored: Any) -> tuple[str, ...]:
    tags: Any = json.loads(stored) if stored is not None else ()
    if not isinstance(tags, list | tuple):
        raise TypeError
    return tuple(map(_text, cast("Iterable[Any]", tags)))


@cache
def _statement(names: tuple[str, ...], detail: Detail | None, *, goes_on: bool) -> Statement:
    details = {"instrument": TRADES.c.instrument, "tags": TRADE_REPORTS.c.tags, None: literal(None)}
    statement: Any = select(
        TRADES.c.time,
        TRADES.c.exec_id,
        TRADES.c.account_id,
        func.coalesce(TRADES.c.commission, 0.0),
        func.coalesce(TRADES.c.realized_pnl, 0.0),
        details[detail],
    ).select_from(TRADES)
    if detail == "tags":  # a trade has one report at most
        statement = statement.outerjoin(TRADE_REPORTS, TRADE_REPORTS.c.trade_id == TRADES.c.exec_id)
    statement = narrowed(statement, names)
    following = statement.where(_FOLLOWING) if goes_on else statement
    return window(following.order_by(TRADES.c.time, TRADES.c.exec_id))
