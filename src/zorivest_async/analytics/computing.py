"""The same questions to trades at hand. Plain functions: in a coroutine, call them in a thread where there are many."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from zorivest_async.analytics.grouping import Grouping
from zorivest_async.analytics.tallies import Curves, Tallies, currencies_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from datetime import time

    from zorivest_async.analytics.answers import EquityCurve, GroupBy, Performance
    from zorivest_async.database.repositories.trade_results import Detail, ResultRow
    from zorivest_async.domain.entities import Account, Trade, TradeReport

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
    """Return what trades brought, per group and currency, as :func:`performance` does.

    Args:
        trades: In any order.
        accounts: Theirs, which say the currencies.
        by: What to group them by; everything is one group by default.
        time_zone: IANA name of the zone whose days and months are meant.
        session_start: When a session begins there; midnight by default.
        reports: Of the trades, for their tags.
        closing: ``exec_id`` of the trades that close a position, as :func:`match_fifo` gives them. By default, those
            with a result other than zero.

    Raises:
        ConfigurationError: There is no such time zone, days or months lack one, or ``session_start`` is no time or has
            a zone itself.
        InvalidQueryError: Nothing is grouped by that, or a sum is beyond the range of float64.
        MissingDependencyError: There are no time zones here.
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
    """Return what the results of trades add up to over time, one curve per currency, as :func:`equity_curve` does.

    Args:
        trades: In any order.
        accounts: Theirs, which say the currencies.
        less_commission: Subtract commissions.

    Raises:
        InvalidQueryError: A sum is beyond the range of float64.
        NotFoundError: A trade's account is not among ``accounts``.
    """
    curves = Curves(currencies_of(accounts), less_commission=less_commission)
    curves.add(_rows(trades, None, {}))
    return curves.curves()


def _rows(trades: Iterable[Trade], detail: Detail | None, tags: dict[str, tuple[str, ...]]) -> Iterator[ResultRow]:
    for trade in sorted(trades, key=_in_time):
        more = trade.instrument if detail == "instrument" else tags.get(trade.exec_id)
        # Read from a vault, both are None where another program has left them out.
        yield trade.time, trade.exec_id, trade.account_id, trade.commission or 0.0, trade.realized_pnl or 0.0, more
