"""Positions of a vault: executions are read and folded in slices, which leave the event loop free."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.analytics.folding import Folding, matching_of
from zorivest_async.analytics.links import Links
from zorivest_async.analytics.ordering import Ordering
from zorivest_async.analytics.position import Matching, Position, Positions
from zorivest_async.analytics.selecting import Selection
from zorivest_async.analytics.splits import splits_by_instrument
from zorivest_async.analytics.tallies import currencies_of
from zorivest_async.analytics.units import Units
from zorivest_async.analytics.valuing import Valuation
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from zorivest_async.analytics.rates import Rates
    from zorivest_async.analytics.round_trip import RoundTrip
    from zorivest_async.analytics.splits import Split
    from zorivest_async.analytics.valuing import Prices
    from zorivest_async.domain.queries import ExecutionRow, TradeFilter
    from zorivest_async.ports import UnitOfWork

__all__ = ["currencies_in", "executions_in_order", "folding_for", "load_reviews", "positions", "round_trips"]

_FOLDED_AT_ONCE: Final = 50
"""Number of executions, or of round trips, that take less than a millisecond of the event loop."""

_SORTED_ON_THE_LOOP: Final = 1000
"""Number of executions of the same time, beyond which they are sorted and folded in a thread."""


@sealed_coroutine
async def positions(
    uow: UnitOfWork,
    trade_filter: TradeFilter | None = None,
    *,
    open: bool = False,  # noqa: A002 - the word of the field
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    prices: Prices | None = None,
    convert: Rates | None = None,
    exec_ids: bool = True,
) -> Positions:
    """Fold the executions of a vault into positions: round trips from flat to flat.

    Executions close each other if they share account, instrument, currency, asset class and multiplier. An execution
    without a currency has its account's, one without an asset class the only one that is known of the instrument in the
    account. The whole history is folded, and the filter selects positions afterwards: account, instrument, currency and
    asset class say what is folded; ``since`` and ``until`` select by the time of closing, ``action`` by the side of the
    opening, and the others by any of a position's executions.

    The result of a position is the one that the broker recorded, if all its closing executions have one; else it is
    matched from the prices. An execution with a recorded result that finds nothing open closes what was opened before
    the journal begins: it makes a position of its own, whose ``opened`` is ``None``.

    It reads in the unit of work's transaction, so all numbers come from one snapshot. It blocks the event loop for a
    few milliseconds at a time, for any number of executions. Cancellation ends it at once.

    Args:
        uow: The unit of work; a read-only one does not block writers.
        trade_filter: Filter of the positions; all by default.
        open: Return open positions, too. They pass ``since`` and ``until`` by the time of their opening.
        method: Which open lots a closing execution closes first: ``"fifo"``, ``"lifo"``, or ``"average"`` for the
            average price. It changes the numbers of open positions only.
        splits: Splits of the instruments, in all accounts; all of them are applied.
        prices: Prices at which to value open positions, by instrument, or by ``(instrument, currency)``.
        convert: Rates at which the costs in other currencies are subtracted from ``net``.
        exec_ids: Whether positions have the identifiers of their executions. Without them, memory grows with the number
            of positions and open lots only.

    Raises:
        InvalidQueryError: An argument is invalid, a rate is missing, or a sum is beyond the range of float64.
        NotFoundError: An execution's account does not exist.
        ValidationError: Another program has stored a value that no release writes, or a price is not a finite number.
    """
    selection, valuation = Selection(trade_filter, with_open=open), Valuation(prices, convert)
    folding = await folding_for(uow, selection, method=method, splits=splits, exec_ids=exec_ids)
    found: list[Position] = []
    async with aclosing(round_trips(uow, folding, selection)) as slices:
        async for trips in slices:
            if trips and trips[0].closed is None:  # an open one may have any number of lots
                found += await to_thread.run_sync(hidden_call(valuation.positions, trips))
            else:
                found += valuation.positions(trips)
    return Positions(tuple(found), folding.conflicts)


async def folding_for(
    uow: UnitOfWork,
    selection: Selection,
    *,
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    exec_ids: bool = False,
) -> Folding:
    """Return what folds the executions of a vault, with its accounts, units, reports and plans.

    Args:
        uow: The unit of work.
        selection: Which executions are folded.
        method: Which open lots a closing execution closes first.
        splits: Splits of the instruments.
        exec_ids: Whether round trips keep the identifiers of their executions.

    Raises:
        InvalidQueryError: There is no such method, or the splits are invalid.
        ValidationError: Another program has stored a value that no release writes.
    """
    matching, table = matching_of(method), splits_by_instrument(splits)
    currencies = await currencies_in(uow)
    units, links = Units(), Links()
    mixed = await uow.trades.list_mixed_units(selection.narrowing)
    await to_thread.run_sync(hidden_call(units.add, mixed))
    await load_reviews(uow, links)
    async with aclosing(uow.trade_plans.stream_links()) as plans:
        async for linked in plans:
            links.add_links(linked)
    wanted = selection.filter
    return Folding(
        currencies,
        units,
        links,
        matching,
        table,
        currency=wanted.currency,
        asset_class=wanted.asset_class,
        searched=wanted.search,
        with_ids=exec_ids,
    )


async def currencies_in(uow: UnitOfWork) -> dict[str, str]:
    """Return the currencies of a vault's accounts, by their identifiers."""
    return currencies_of(await uow.accounts.list_all(limit=None))


async def load_reviews(uow: UnitOfWork, links: Links) -> None:
    """Add the reviews of a vault.

    Raises:
        ValidationError: Another program has stored a value that no release writes.
    """
    async with aclosing(uow.trade_reports.stream_reviews()) as slices:
        async for reviews in slices:
            links.add_reviews(reviews)


async def round_trips(uow: UnitOfWork, folding: Folding, selection: Selection) -> AsyncGenerator[list[RoundTrip]]:
    """Yield the round trips that are selected, in slices: closed ones in the order of closing, then open ones.

    Args:
        uow: The unit of work.
        folding: What :func:`folding_for` has returned.
        selection: Which executions are folded, and which round trips are selected.

    Raises:
        NotFoundError: An execution's account does not exist.
        ValidationError: Another program has stored a value that no release writes.
    """
    async with aclosing(executions_in_order(uow, selection.narrowing)) as slices:
        async for ready in slices:
            async for trips in _folded(folding, ready):
                yield [*filter(selection.lets_through, trips)]
    if selection.with_open:
        remaining = folding.rest()
        while trips := await to_thread.run_sync(_some_of, remaining):
            yield [*filter(selection.lets_through, trips)]


def _some_of(remaining: Iterator[RoundTrip]) -> list[RoundTrip]:
    return [*islice(remaining, _FOLDED_AT_ONCE)]


async def executions_in_order(
    uow: UnitOfWork, trade_filter: TradeFilter | None = None
) -> AsyncGenerator[list[ExecutionRow]]:
    """Yield executions in their order, in slices; those of the same time are together.

    Args:
        uow: The unit of work.
        trade_filter: Filter of the executions; all by default.

    Raises:
        ValidationError: Another program has stored a value that no release writes.
    """
    ordering: Ordering[ExecutionRow] = Ordering()
    async with aclosing(uow.trades.stream_executions(trade_filter)) as slices:
        async for rows in slices:
            if ordering.held < _SORTED_ON_THE_LOOP:
                yield ordering.add(rows)
            else:
                yield await to_thread.run_sync(hidden_call(ordering.add, rows))
    yield await to_thread.run_sync(ordering.rest)


async def _folded(folding: Folding, ready: list[ExecutionRow]) -> AsyncGenerator[list[RoundTrip]]:
    for begin in range(0, len(ready), _FOLDED_AT_ONCE):
        end = min(begin + _FOLDED_AT_ONCE, len(ready))
        if len(ready) > _SORTED_ON_THE_LOOP:
            yield await to_thread.run_sync(hidden_call(folding.fold, ready, begin, end))
        else:
            await asyncio.sleep(0)  # let the event loop run other tasks
            yield folding.fold(ready, begin, end)
