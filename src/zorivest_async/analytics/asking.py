"""Analytics of a vault: results are read and added up in slices, which leave the event loop free."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.analytics.answers import GroupBy
from zorivest_async.analytics.grouping import Grouping
from zorivest_async.analytics.tallies import Curves, Tallies, currencies_of
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine

if TYPE_CHECKING:
    from datetime import time

    from zorivest_async.analytics.answers import EquityCurve, Performance
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
    session_start: time | None = None,
) -> list[Performance]:
    """Compute the performance of executions, for each group and currency.

    It reads in the unit of work's transaction, so all numbers come from one snapshot. It blocks the event loop for
    about a millisecond at a time, for any number of executions. Cancellation ends it at once.

    Args:
        uow: The unit of work; a read-only one does not block writers.
        trade_filter: Filter of the executions; all by default.
        by: Key of the grouping; one group of all executions by default. A trade with several tags counts in the group
            of each, so groups by tag overlap.
        time_zone: IANA name of the time zone of days and months, ``"America/New_York"``.
        session_start: Local time at which a session begins, for days and months; midnight by default. A session that
            starts at noon or later belongs to the next day: with ``time(18)``, Sunday evening is Monday.

    Returns:
        Results in the order of groups (executions without a tag come last) and, within a group, of currencies; empty
        without executions.

    Raises:
        InvalidQueryError: ``by`` is invalid, there is no such time zone, days or months have no time zone,
            ``session_start`` is not a time or has a time zone, or a sum is beyond the range of float64.
        MissingDependencyError: The time zone database is missing.
        NotFoundError: An execution's account does not exist.
        ValidationError: Another program has stored a value that no release writes.
    """
    grouping = await to_thread.run_sync(Grouping, by, time_zone, session_start)
    tallies = Tallies(await _currencies(uow), grouping)
    has_any_number_of_groups = grouping.by is GroupBy.TAG  # in each row
    async with aclosing(uow.trades.stream_results(trade_filter, grouping.detail)) as slices:
        async for rows in slices:
            if has_any_number_of_groups:
                await to_thread.run_sync(hidden_call(tallies.add, rows))
            else:
                tallies.add(rows)
    keys = await to_thread.run_sync(tallies.keys)
    found: list[Performance] = []
    for start in range(0, len(keys), _GROUPS_AT_ONCE):
        if start:
            await asyncio.sleep(0)  # let the event loop run other tasks
        found += map(tallies.performance, keys[start : start + _GROUPS_AT_ONCE])
    return found


@sealed_coroutine
async def equity_curve(
    uow: UnitOfWork, trade_filter: TradeFilter | None = None, *, less_commission: bool = False
) -> list[EquityCurve]:
    """Compute equity curves, one for each currency.

    It reads like :func:`performance`.

    Args:
        uow: The unit of work; a read-only one does not block writers.
        trade_filter: Filter of the executions; all by default.
        less_commission: Subtract commissions, for brokers whose results are before commissions.

    Returns:
        Curves in the order of currencies; empty if no execution has a result.

    Raises:
        InvalidQueryError: A sum is beyond the range of float64.
        NotFoundError: An execution's account does not exist.
        ValidationError: Another program has stored a value that no release writes.
    """
    curves = Curves(await _currencies(uow), less_commission=less_commission)
    async with aclosing(uow.trades.stream_results(trade_filter)) as slices:
        async for rows in slices:
            curves.add(rows)
    return await to_thread.run_sync(curves.curves)


async def _currencies(uow: UnitOfWork) -> dict[str, str]:
    return currencies_of(await uow.accounts.list_all(limit=None))
