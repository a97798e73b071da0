"""Analytics of a list of trades. The functions are synchronous: call them in a thread if there are many trades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.analytics.answers import Unit
from zorivest_async.analytics.grouping import Grouping, unit_of
from zorivest_async.analytics.links import Links
from zorivest_async.analytics.ordering import in_order
from zorivest_async.analytics.position import Matching
from zorivest_async.analytics.position_computing import positions_of
from zorivest_async.analytics.tallies import Curves, Tallies, currencies_of, require_positions, subtracts_costs

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Container, Iterable

    from zorivest_async.analytics.answers import EquityCurve, GroupBy, Performance
    from zorivest_async.analytics.rates import Rates
    from zorivest_async.analytics.splits import Split
    from zorivest_async.domain.entities import Account, Trade, TradePlan, TradeReport

__all__ = ["equity_curve_of", "performance_of"]


def performance_of(
    trades: Iterable[Trade],
    accounts: Iterable[Account],
    *,
    by: GroupBy | None = None,
    time_zone: str | None = None,
    session_start: dt.time | None = None,
    reports: Iterable[TradeReport] = (),
    plans: Iterable[TradePlan] = (),
    unit: Unit | str = Unit.POSITION,
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    convert: Rates | None = None,
    closing: Container[str] | None = None,
) -> list[Performance]:
    """Compute the performance of trades, for each group and currency, like :func:`performance`.

    Args:
        trades: All executions since the positions were opened, in any order.
        accounts: Their accounts, which have the currencies.
        by: Key of the grouping; one group of all by default.
        time_zone: IANA name of the time zone of days, weeks, months, weekdays and hours.
        session_start: Local time at which a session begins; midnight by default.
        reports: Reports of the trades.
        plans: Plans with their linked trades.
        unit: ``"position"``, or ``"execution"``.
        method: ``"fifo"``, ``"lifo"`` or ``"average"``.
        splits: Splits of the instruments.
        convert: Rates at which the amounts of positions are added up in one currency.
        closing: For executions: ``exec_id`` of those that close a position, as :func:`match_fifo` returns them. By
            default, those with a result other than zero. Positions do not need it.

    Raises:
        InvalidQueryError: An argument is invalid, there is no such time zone, a grouping by time has no time zone, a
            rate is missing, or a sum is beyond the range of float64.
        MissingDependencyError: The time zone database is missing.
        NotFoundError: A trade's account is not among ``accounts``.
        ValidationError: An ``exec_id`` is duplicated.
    """
    grouping = Grouping(by, time_zone, session_start, unit_of(unit))
    tallies = Tallies(grouping, convert)
    if grouping.unit is Unit.POSITION:
        tallies.add_positions(
            positions_of(trades, accounts, method=method, splits=splits, convert=convert, plans=plans, reports=reports)
        )
    else:
        require_positions(method=method, splits=splits, convert=convert)
        links = Links()
        links.add_reports(reports)
        tallies.add_executions(in_order(trades), currencies_of(accounts), links, closing)
    return [*map(tallies.performance, tallies.keys())]


def equity_curve_of(
    trades: Iterable[Trade],
    accounts: Iterable[Account],
    *,
    unit: Unit | str = Unit.POSITION,
    less_commission: bool | None = None,
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    convert: Rates | None = None,
) -> list[EquityCurve]:
    """Compute equity curves of trades, one for each currency, like :func:`equity_curve`.

    Args:
        trades: All executions since the positions were opened, in any order.
        accounts: Their accounts, which have the currencies.
        unit: ``"position"``, or ``"execution"``.
        less_commission: For executions: subtract commissions and fees; ``False`` by default.
        method: ``"fifo"``, ``"lifo"`` or ``"average"``.
        splits: Splits of the instruments.
        convert: Rates at which the results of positions are added up in one currency.

    Raises:
        InvalidQueryError: An argument is invalid, a rate is missing, or a sum is beyond the range of float64.
        NotFoundError: A trade's account is not among ``accounts``.
        ValidationError: An ``exec_id`` is duplicated.
    """
    counted = unit_of(unit)
    curves = Curves(counted, less_commission=subtracts_costs(counted, less_commission), rates=convert)
    if counted is Unit.POSITION:
        curves.add_positions(positions_of(trades, accounts, method=method, splits=splits, convert=convert))
    else:
        require_positions(method=method, splits=splits, convert=convert)
        curves.add_executions(in_order(trades), currencies_of(accounts))
    return curves.curves()
