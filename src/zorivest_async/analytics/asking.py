"""Analytics of a vault: results are read and added up in slices, which leave the event loop free."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.analytics.answers import GroupBy, Unit
from zorivest_async.analytics.grouping import Grouping, unit_of
from zorivest_async.analytics.links import Links
from zorivest_async.analytics.position import Matching
from zorivest_async.analytics.position_asking import (
    currencies_in,
    executions_in_order,
    folding_for,
    load_reviews,
    round_trips,
)
from zorivest_async.analytics.selecting import Selection
from zorivest_async.analytics.tallies import Curves, Tallies, require_positions, subtracts_costs
from zorivest_async.analytics.valuing import Valuation
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncGenerator, Iterable

    from zorivest_async.analytics.answers import EquityCurve, Performance
    from zorivest_async.analytics.position import Position
    from zorivest_async.analytics.rates import Rates
    from zorivest_async.analytics.splits import Split
    from zorivest_async.domain.queries import TradeFilter
    from zorivest_async.ports import UnitOfWork

__all__ = ["equity_curve", "performance"]

_GROUPS_AT_ONCE: Final = 20
"""Number of groups that take about a millisecond of the event loop."""


@sealed_coroutine
async def performance(
    uow: UnitOfWork,
    trade_filter: TradeFilter | None = None,
    *,
    by: GroupBy | None = None,
    time_zone: str | None = None,
    session_start: dt.time | None = None,
    unit: Unit | str = Unit.POSITION,
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    convert: Rates | None = None,
) -> list[Performance]:
    """Compute the performance of closed positions, for each group and currency.

    It reads in the unit of work's transaction, so all numbers come from one snapshot. It blocks the event loop for a
    few milliseconds at a time, for any number of executions. Cancellation ends it at once.

    Args:
        uow: The unit of work; a read-only one does not block writers.
        trade_filter: Filter of the positions, as :func:`positions` takes it, or of the executions; all by default.
        by: Key of the grouping; one group of all by default. A position with several tags, strategies or reports counts
            in the group of each, so such groups overlap: totals come from an answer without a grouping.
        time_zone: IANA name of the time zone of days, weeks, months, weekdays and hours, ``"America/New_York"``.
        session_start: Local time at which a session begins, for days, weeks, months and weekdays; midnight by default.
            A session that starts at noon or later belongs to the next day: with ``time(18)``, Sunday evening is Monday.
        unit: ``"position"``, or ``"execution"`` to count each execution with the result that the broker recorded for
            it. Executions have no strategies, reviews, holding times or multiples of R.
        method: Which open lots a closing execution closes first, as for :func:`positions`.
        splits: Splits of the instruments, as for :func:`positions`.
        convert: Rates at which the amounts of positions are added up in one currency, each at the rate of the UTC day
            of its closing; by default, each currency has an answer of its own.

    Returns:
        Results in the order of groups (those of which the group is not known come last) and, within a group, of
        currencies; empty without positions.

    Raises:
        InvalidQueryError: An argument is invalid, there is no such time zone, a grouping by time has no time zone, a
            rate is missing, or a sum is beyond the range of float64.
        MissingDependencyError: The time zone database is missing.
        NotFoundError: An execution's account does not exist.
        ValidationError: Another program has stored a value that no release writes.
    """
    grouping = await to_thread.run_sync(Grouping, by, time_zone, session_start, unit_of(unit))
    tallies = Tallies(grouping, convert)
    has_any_number_of_groups = grouping.by is GroupBy.TAG  # of each
    if grouping.unit is Unit.POSITION:
        async with aclosing(_closed_positions(uow, trade_filter, method, splits, convert)) as slices:
            async for positions in slices:
                if has_any_number_of_groups:
                    await to_thread.run_sync(hidden_call(tallies.add_positions, positions))
                else:
                    tallies.add_positions(positions)
    else:
        require_positions(method=method, splits=splits, convert=convert)
        currencies, links = await currencies_in(uow), Links()
        if grouping.by is GroupBy.TAG:
            await load_reviews(uow, links)
        async with aclosing(executions_in_order(uow, trade_filter)) as executions:
            async for rows in executions:
                if has_any_number_of_groups:
                    await to_thread.run_sync(hidden_call(tallies.add_executions, rows, currencies, links))
                else:
                    tallies.add_executions(rows, currencies, links)
    keys = await to_thread.run_sync(tallies.keys)
    found: list[Performance] = []
    for start in range(0, len(keys), _GROUPS_AT_ONCE):
        if start:
            await asyncio.sleep(0)  # let the event loop run other tasks
        found += map(tallies.performance, keys[start : start + _GROUPS_AT_ONCE])
    return found


@sealed_coroutine
async def equity_curve(
    uow: UnitOfWork,
    trade_filter: TradeFilter | None = None,
    *,
    unit: Unit | str = Unit.POSITION,
    less_commission: bool | None = None,
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    convert: Rates | None = None,
) -> list[EquityCurve]:
    """Compute equity curves, one for each currency: a point for each closed position.

    It reads like :func:`performance`.

    Args:
        uow: The unit of work; a read-only one does not block writers.
        trade_filter: Filter of the positions or executions; all by default.
        unit: ``"position"``, or ``"execution"`` for a point for each execution with a recorded result.
        less_commission: For executions: subtract commissions and fees in their currency, unless the recorded result is
            after costs; ``False`` by default. Results of positions are always after costs.
        method: As for :func:`performance`.
        splits: As for :func:`performance`.
        convert: As for :func:`performance`.

    Returns:
        Curves in the order of currencies; empty without any result.

    Raises:
        InvalidQueryError: An argument is invalid, a rate is missing, or a sum is beyond the range of float64.
        NotFoundError: An execution's account does not exist.
        ValidationError: Another program has stored a value that no release writes.
    """
    counted = unit_of(unit)
    curves = Curves(counted, less_commission=subtracts_costs(counted, less_commission), rates=convert)
    if counted is Unit.POSITION:
        async with aclosing(_closed_positions(uow, trade_filter, method, splits, convert)) as slices:
            async for positions in slices:
                curves.add_positions(positions)
    else:
        require_positions(method=method, splits=splits, convert=convert)
        currencies = await currencies_in(uow)
        async with aclosing(executions_in_order(uow, trade_filter)) as executions:
            async for rows in executions:
                curves.add_executions(rows, currencies)
    return await to_thread.run_sync(curves.curves)


async def _closed_positions(
    uow: UnitOfWork,
    trade_filter: TradeFilter | None,
    method: Matching | str,
    splits: Iterable[Split],
    convert: Rates | None,
) -> AsyncGenerator[list[Position]]:
    """Yield the closed positions in the order of closing, in slices."""
    selection, valuation = Selection(trade_filter, with_open=False), Valuation(None, convert)
    folding = await folding_for(uow, selection, method=method, splits=splits)
    async with aclosing(round_trips(uow, folding, selection)) as slices:
        async for trips in slices:
            yield valuation.positions(trips)
