"""What executions brought: their results without the rest of them, for analyses of very many."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias

from sqlalchemy import String, bindparam, func, literal, select, tuple_

from zorivest_async.database.repositories.base import Repository, window
from zorivest_async.database.repositories.trade_conditions import conditions_of, narrowed
from zorivest_async.database.repositories.trades import SqlAlchemyTradeRepository
from zorivest_async.database.rows import SLICE_ROWS
from zorivest_async.database.statements import DIALECT
from zorivest_async.database.tables import TRADE_REPORTS, TRADES
from zorivest_async.database.types import UTCDateTime

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime

    from zorivest_async.database.statements import Statement
    from zorivest_async.domain.queries import TradeFilter

__all__ = ["Detail", "ResultRow", "TradeResultReader"]

Detail: TypeAlias = Literal["instrument", "tags"]

ResultRow: TypeAlias = "tuple[datetime, str, str, float, float, Any]"
"""Time, ``exec_id``, ``account_id``, commission, realised P&L, and the detail that was asked for, or ``None``."""

_FOLLOWING: Final = tuple_(TRADES.c.time, TRADES.c.exec_id) > tuple_(
    bindparam("last_time", type_=TRADES.c.time.type), bindparam("last_exec_id", type_=String)
)
_tags_of: Final = TRADE_REPORTS.c.tags.type.dialect_impl(DIALECT).result_processor(DIALECT, None)


class TradeResultReader(Repository[Any]):
    """Reads results of executions; made of another repository, ``TradeResultReader(uow.trades)``, on its connection."""

    mapper: ClassVar = SqlAlchemyTradeRepository.mapper

    async def slices(self, trade_filter: TradeFilter, detail: Detail | None) -> AsyncGenerator[list[ResultRow]]:
        """Yield the results of the executions that a filter lets through, oldest first, in slices of a millisecond.

        It holds no cursor open: other statements, and breaking off, are fine at any point.

        Args:
            trade_filter: Which ones.
            detail: What else to read: the instrument, or the tags of the execution's report.
        """
        parameters = conditions_of(trade_filter)
        names = tuple(parameters)
        following: dict[str, Any] = {}
        while rows := await self._fetch_rows(
            _statement(names, detail, goes_on=bool(following)), **parameters, **following, **self._window(SLICE_ROWS, 0)
        ):
            results = [_decoded(row, detail) for row in rows]
            following = {"last_time": results[-1][0], "last_exec_id": results[-1][1]}
            yield results


def _decoded(row: tuple[Any, ...], detail: Detail | None) -> ResultRow:
    time, exec_id, account_id, commission, realized_pnl, more = row
    more = _tags_of(more) if detail == "tags" and _tags_of is not None else more
    return UTCDateTime.from_text(time), exec_id, account_id, commission, realized_pnl, more


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
