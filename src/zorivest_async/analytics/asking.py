"""Questions to a vault: results are read and added up in slices that leave the event loop free."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.analytics.answers import GroupBy
from zorivest_async.analytics.grouping import Grouping
from zorivest_async.analytics.tallies import Curves, Tallies, currencies_of
from zorivest_async.database.repositories.trade_results import TradeResultReader
from zorivest_async.domain.queries import TradeFilter

if TYPE_CHECKING:
    from datetime import time

    from zorivest_async.analytics.answers import EquityCurve, Performance
    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork

__all__ = ["equity_curve", "performance"]

_GROUPS_AT_ONCE: Final = 20
"""About a millisecond of the event loop."""


async def performance(
    uow: SqlAlchemyUnitOfWork,
    trade_filter: TradeFilter | None = None,
    *,
    by: GroupBy | None = None,
    time_zone: str | None = None,
    session_start: time | None = None,
) -> list[Performance]:
    """Return what executions brought, per group and currency.

    It reads in the unit of work's transaction, so that all numbers are of one state of the vault, and holds the event
    loop for about a millisecond at a time, however many executions there are. Cancelling it ends it at once.

    Args:
        uow: A read-only one keeps no writer waiting.
        trade_filter: Which executions; all by default.
        by: What to group them by; everything is one group by default. A trade with several tags counts in the group of
            each, so that groups by tag overlap.
        time_zone: IANA name of the zone whose days and months are meant, ``"America/New_York"``.
        session_start: When a session begins there, for days and months; midnight by default. One that starts at noon
            or later belongs to the day after: with ``time(18)``, Sunday evening is Monday.

    Returns:
        In the order of groups (what has no tag comes last) and, within each, of currencies; empty where there are no
        executions.

    Raises:
        ConfigurationError: There is no such time zone, days or months lack one, or ``session_start`` is no time or has
            a zone itself.
        InvalidQueryError: Nothing is grouped by that, or a sum is beyond the range of float64.
        MissingDependencyError: There are no time zones here.
        NotFoundError: An execution's account is not there.
        ValidationError: Something else than the library has stored a value that no release writes.
    """
    grouping = await to_thread.run_sync(Grouping, by, time_zone, session_start)
    tallies = Tallies(await _currencies(uow), grouping)
    has_any_number_of_groups = grouping.by is GroupBy.TAG  # in each row
    async with aclosing(TradeResultReader(uow.trades).slices(trade_filter or TradeFilter(), grouping.detail)) as slices:
        async for rows in slices:
            if has_any_number_of_groups:
                await to_thread.run_sync(tallies.add, rows)
            else:
                tallies.add(rows)
    keys = await to_thread.run_sync(tallies.keys)
    found: list[Performance] = []
    for start in range(0, len(keys), _GROUPS_AT_ONCE):
        if start:
            await asyncio.sleep(0)  # let the event loop do something else
        found += map(tallies.performance, keys[start : start + _GROUPS_AT_ONCE])
    return found


async def equity_curve(
    uow: SqlAlchemyUnitOfWork, trade_filter: TradeFilter | None = None, *, less_commission: bool = False
) -> list[EquityCurve]:
    """Return what results add up to over time, one curve per currency.

    It reads as :func:`performance` does.

    Args:
        uow: A read-only one keeps no writer waiting.
        trade_filter: Which executions; all by default.
        less_commission: Subtract commissions: for brokers that do not do so themselves.

    Returns:
        By currency; empty where no execution has a result.

    Raises:
        InvalidQueryError: A sum is beyond the range of float64.
        NotFoundError: An execution's account is not there.
        ValidationError: Something else than the library has stored a value that no release writes.
    """
    curves = Curves(await _currencies(uow), less_commission=less_commission)
    async with aclosing(TradeResultReader(uow.trades).slices(trade_filter or TradeFilter(), None)) as slices:
        async for rows in slices:
            curves.add(rows)
    return await to_thread.run_sync(curves.curves)


async def _currencies(uow: SqlAlchemyUnitOfWork) -> dict[str, str]:
    return currencies_of(await uow.accounts.list_all(limit=None))
