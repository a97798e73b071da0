"""Analytics of a list of trades. The functions are synchronous: call them in a thread if there are many trades."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from zorivest_async.analytics.grouping import Grouping
from zorivest_async.analytics.tallies import Curves, Tallies, currencies_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from datetime import time

    from zorivest_async.analytics.answers import EquityCurve, GroupBy, Performance
    from zorivest_async.domain.entities import Account, Trade, TradeReport
    from zorivest_async.domain.queries import ResultDetail, ResultRow

__all__ = ["equity_curve_of", "performance_of"]

_in_time = attrgetter("time", "exec_id")


def performance_of(
    trades: Iterable[Trade],
    accounts: Iterable[Account],
    *,
    by: GroupBy | None = None,
    time_zone: str | None = None,
    session_start: time | None = None,
    reports: Iterable[TradeReport] = (),
    closing: Container[str] | None = None,
) -> list[Performance]:
    """Compute the performance of trades, for each group and currency, like :func:`performance`.

    Args:
        trades: The trades, in any order.
        accounts: Their accounts, which have the currencies.
        by: Key of the grouping; one group of all trades by default.
        time_zone: IANA name of the time zone of days and months.
        session_start: Local time at which a session begins; midnight by default.
        reports: Reports of the trades, for their tags.
        closing: ``exec_id`` of the trades that close a position, as :func:`match_fifo` returns them. By default, those
            with a result other than zero.

    Raises:
        InvalidQueryError: ``by`` is invalid, there is no such time zone, days or months have no time zone,
            ``session_start`` is not a time or has a time zone, or a sum is beyond the range of float64.
        MissingDependencyError: The time zone database is missing.
        NotFoundError: A trade's account is not among ``accounts``.
    """
    grouping = Grouping(by, time_zone, session_start)
    tags = {report.trade_id: report.tags for report in reports}
    tallies = Tallies(currencies_of(accounts), grouping, closing)
    tallies.add(_rows(trades, grouping.detail, tags))
    return [*map(tallies.performance, tallies.keys())]


def equity_curve_of(
    trades: Iterable[Trade], accounts: Iterable[Account], *, less_commission: bool = False
) -> list[EquityCurve]:
    """Compute equity curves of trades, one for each currency, like :func:`equity_curve`.

    Args:
        trades: The trades, in any order.
        accounts: Their accounts, which have the currencies.
        less_commission: Subtract commissions.

    Raises:
        InvalidQueryError: A sum is beyond the range of float64.
        NotFoundError: A trade's account is not among ``accounts``.
    """
    curves = Curves(currencies_of(accounts), less_commission=less_commission)
    curves.add(_rows(trades, None, {}))
    return curves.curves()


def _rows(
    trades: Iterable[Trade], detail: ResultDetail | None, tags: dict[str, tuple[str, ...]]
) -> Iterator[ResultRow]:
    for trade in sorted(trades, key=_in_time):
        more = trade.instrument if detail == "instrument" else tags.get(trade.exec_id)
        # In rows from a vault, both are None if another program has left them out.
        yield trade.time, trade.exec_id, trade.account_id, trade.commission or 0.0, trade.realized_pnl or 0.0, more
