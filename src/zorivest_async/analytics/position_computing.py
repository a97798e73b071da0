"""Positions of a list of trades. The function is synchronous: call it in a thread if there are many trades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.analytics.folding import Folding, matching_of
from zorivest_async.analytics.links import Links
from zorivest_async.analytics.ordering import in_order
from zorivest_async.analytics.position import Matching, Positions
from zorivest_async.analytics.selecting import Selection
from zorivest_async.analytics.splits import splits_by_instrument
from zorivest_async.analytics.tallies import currencies_of
from zorivest_async.analytics.units import Units
from zorivest_async.analytics.valuing import Valuation
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async.analytics.rates import Rates
    from zorivest_async.analytics.splits import Split
    from zorivest_async.analytics.valuing import Prices
    from zorivest_async.domain.entities import Account, Trade, TradePlan, TradeReport
    from zorivest_async.domain.queries import TradeFilter

__all__ = ["positions_of"]


def positions_of(
    trades: Iterable[Trade],
    accounts: Iterable[Account],
    *,
    trade_filter: TradeFilter | None = None,
    open: bool = False,  # noqa: A002 - the word of the field
    method: Matching | str = Matching.FIFO,
    splits: Iterable[Split] = (),
    prices: Prices | None = None,
    convert: Rates | None = None,
    plans: Iterable[TradePlan] = (),
    reports: Iterable[TradeReport] = (),
) -> Positions:
    """Fold trades into positions, like :func:`positions`.

    Args:
        trades: All executions since the positions were opened, in any order. Those of the same time are taken in the
            order of ``sequence``, if they are :class:`~zorivest_async.domain.entities.SequencedTrade`, then of
            ``exec_id`` with its digits as numbers.
        accounts: Their accounts, which have the currencies.
        trade_filter: Filter of the positions; all by default.
        open: Return open positions, too.
        method: ``"fifo"``, ``"lifo"`` or ``"average"``.
        splits: Splits of the instruments.
        prices: Prices at which to value open positions.
        convert: Rates for the costs in other currencies.
        plans: Plans with their linked trades.
        reports: Reports of the trades.

    Raises:
        InvalidQueryError: An argument is invalid, a rate is missing, or a sum is beyond the range of float64.
        NotFoundError: A trade's account is not among ``accounts``.
        ValidationError: An ``exec_id`` is duplicated, or a price is not a finite number.
    """
    selection, valuation = Selection(trade_filter, with_open=open), Valuation(prices, convert)
    wanted, links, units = selection.narrowing, Links(), Units()
    links.add_reports(reports)
    links.add_plans(plans)
    ordered = in_order(
        trade
        for trade in trades
        if wanted.account_id in {None, trade.account_id} and wanted.instrument in {None, trade.instrument}
    )
    if len({trade.exec_id for trade in ordered}) < len(ordered):
        raise ValidationError("Trade", "exec_id", "is duplicated; fold each execution once")
    units.add((trade.account_id, trade.instrument, trade.asset_class, trade.multiplier) for trade in ordered)
    folding = Folding(
        currencies_of(accounts),
        units,
        links,
        matching_of(method),
        splits_by_instrument(splits),
        currency=selection.filter.currency,
        asset_class=selection.filter.asset_class,
        searched=selection.filter.search,
    )
    trips = [*folding.fold(ordered), *folding.rest()]
    found = valuation.positions(filter(selection.lets_through, trips))
    return Positions(tuple(found), folding.conflicts)
