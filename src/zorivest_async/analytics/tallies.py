"""Accumulators that add up results one by one in the order of time, for vaults and for lists of trades."""

from __future__ import annotations

from datetime import timedelta
from heapq import merge
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.analytics.answers import Drawdown, EquityCurve, Group, Performance, Unit
from zorivest_async.analytics.exact import ZERO, ExactNumber, Running, exact, minus, plus, ratio, rounded, times
from zorivest_async.analytics.position import Matching
from zorivest_async.domain.queries import DEFAULT_CURRENCY
from zorivest_async.errors import InvalidQueryError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from datetime import datetime

    from zorivest_async.analytics.grouping import Grouping
    from zorivest_async.analytics.links import Links
    from zorivest_async.analytics.position import Position
    from zorivest_async.analytics.rates import Rates
    from zorivest_async.analytics.round_trip import Execution
    from zorivest_async.analytics.splits import Split
    from zorivest_async.domain.entities import Account

__all__ = ["Curves", "GroupKey", "Tallies", "currencies_of", "require_positions", "subtracts_costs"]

_SORTED_AT_ONCE: Final = 1000

GroupKey = tuple[Group, str]
"""A group and a currency."""


class _Tally(Running):
    """Accumulator of one group in one currency; a single object, as there may be very many groups."""

    __slots__ = (
        "begin",
        "break_even",
        "commission",
        "end",
        "executions",
        "fees",
        "held",
        "largest_fall",
        "loss",
        "losses",
        "multiples",
        "others",
        "peak_time",
        "profit",
        "timed",
        "total_r",
        "wins",
    )

    def __init__(self) -> None:
        super().__init__()
        self.executions = self.wins = self.losses = self.break_even = self.multiples = self.timed = 0
        self.commission: ExactNumber = ZERO
        self.fees: ExactNumber = ZERO
        self.profit: ExactNumber = ZERO
        self.loss: ExactNumber = ZERO
        self.largest_fall: ExactNumber = ZERO
        self.total_r: ExactNumber = ZERO
        self.held = timedelta()
        self.others: dict[str, ExactNumber] | None = None
        self.peak_time: datetime | None = None
        self.begin: datetime | None = None
        self.end: datetime | None = None

    def close(self, time: datetime, amount: ExactNumber) -> None:
        if amount > 0:
            self.wins += 1
            self.profit = plus(self.profit, amount)
        elif amount < 0:
            self.losses += 1
            self.loss = plus(self.loss, amount)
        else:
            self.break_even += 1
        fall = self.add(amount)
        if not fall or self.peak_time is None:
            self.peak_time = time
        if fall > self.largest_fall:
            self.largest_fall, self.begin, self.end = fall, self.peak_time, time

    def bear(self, commission: ExactNumber, fees: ExactNumber) -> None:
        self.commission, self.fees = plus(self.commission, commission), plus(self.fees, fees)

    def bear_other(self, currency: str, amount: ExactNumber) -> None:
        if self.others is None:
            self.others = {}
        self.others[currency] = plus(self.others.get(currency, ZERO), amount)

    def drawdown(self) -> Drawdown | None:
        if self.begin is None or self.end is None:
            return None
        return Drawdown(rounded(self.largest_fall), self.begin, self.end)


class Tallies:
    """Accumulator of the performance of groups.

    Args:
        grouping: The grouping.
        rates: Rates to convert the amounts of positions into one currency.
    """

    def __init__(self, grouping: Grouping, rates: Rates | None = None) -> None:
        self._grouping = grouping
        self._rates = rates
        self._tallies: dict[GroupKey, _Tally] = {}

    def add_positions(self, positions: Iterable[Position]) -> None:
        """Add closed positions, none of which closed before one that was added.

        Raises:
            InvalidQueryError: A rate is missing or invalid.
        """
        groups_of, rates = self._grouping.groups_of_position, self._rates
        for position in positions:
            closed = position.closed
            if closed is None:
                continue
            currency = position.currency
            net, commission, fees = exact(position.net), exact(position.commission), exact(position.fees)
            amounts: tuple[ExactNumber, ...] = (net, commission, fees)
            others = position.other_costs
            if rates is not None:
                rate = rates.rate(currency, closed.date())
                amounts = tuple(times(amount, rate) for amount in amounts)
                currency = rates.currency
            held, multiple = position.holding_time, position.r_multiple
            for group in groups_of(position):
                tally = self._tally(group, currency)
                tally.executions += position.executions
                tally.bear(amounts[1], amounts[2])
                for other, amount in others:
                    tally.bear_other(other, exact(amount))
                if held is not None:
                    tally.timed += 1
                    tally.held += held
                if multiple is not None:
                    tally.multiples += 1
                    tally.total_r = plus(tally.total_r, exact(multiple))
                tally.close(closed, amounts[0])

    def add_executions(
        self,
        executions: Iterable[Execution],
        currencies: Mapping[str, str],
        links: Links,
        closing: Container[str] | None = None,
    ) -> None:
        """Add executions, none of which is older than one before it.

        Args:
            executions: The executions.
            currencies: Currencies of the accounts, by ``account_id``.
            links: Reports of the executions.
            closing: Identifiers of the executions that close a position; ``None`` means those with a result other than
                zero.

        Raises:
            NotFoundError: The account of one is not known.
        """
        groups_of, reviews = self._grouping.groups_of_execution, links.reviews
        for execution in executions:
            currency = _currency_of(execution, currencies)
            result, exec_id = execution.realized_pnl, execution.exec_id
            closes = bool(result) if closing is None else exec_id in closing
            review = reviews.get(exec_id)
            for group in groups_of(execution, () if review is None else review.tags):
                tally = self._tally(group, currency)
                tally.executions += 1
                if execution.commission or execution.fees:
                    commission, fees = exact(execution.commission or 0.0), exact(execution.fees)
                    other = execution.commission_currency
                    if other is None or other == currency:
                        tally.bear(commission, fees)
                    else:
                        tally.bear_other(other, plus(commission, fees))
                if closes:
                    tally.close(execution.time, exact(result or 0.0))

    def _tally(self, group: Group, currency: str) -> _Tally:
        tally = self._tallies.get((group, currency))
        if tally is None:
            tally = self._tallies[group, currency] = _Tally()
        return tally

    def keys(self) -> list[GroupKey]:
        """Return the groups in order, those of which the group is not known last, and the currencies of each.

        They are sorted in parts, so that a thread releases the interpreter's lock often enough.
        """
        keys = [*self._tallies]
        parts = (keys[start : start + _SORTED_AT_ONCE] for start in range(0, len(keys), _SORTED_AT_ONCE))
        return [*merge(*(sorted(part, key=_place) for part in parts), key=_place)]

    def performance(self, key: GroupKey) -> Performance:
        """Remove a group and return its performance; removing one at a time spreads the cost of freeing the objects.

        Raises:
            InvalidQueryError: A sum is beyond the range of float64.
        """
        tally = self._tallies.pop(key)
        closed = tally.wins + tally.losses + tally.break_even
        others = sorted((tally.others or {}).items())
        return Performance(
            self._grouping.by,
            *key,
            unit=self._grouping.unit,
            executions=tally.executions,
            closed=closed,
            wins=tally.wins,
            losses=tally.losses,
            break_even=tally.break_even,
            realized_pnl=rounded(tally.total),
            gross_profit=rounded(tally.profit),
            gross_loss=rounded(tally.loss),
            commission=rounded(tally.commission),
            fees=rounded(tally.fees),
            other_costs=tuple((currency, rounded(amount)) for currency, amount in others),
            win_rate=tally.wins / (tally.wins + tally.losses) if tally.wins + tally.losses else None,
            average_win=ratio(tally.profit, tally.wins),
            average_loss=ratio(tally.loss, tally.losses),
            expectancy=ratio(tally.total, closed),
            profit_factor=ratio(tally.profit, minus(ZERO, tally.loss)),
            average_r=ratio(tally.total_r, tally.multiples),
            average_holding_time=tally.held / tally.timed if tally.timed else None,
            drawdown=tally.drawdown(),
        )


class Curves:
    """Accumulator of equity curves, one for each currency.

    Args:
        unit: What the points are.
        less_commission: Whether to subtract commissions and fees from the results of executions.
        rates: Rates to convert the results of positions into one currency.
    """

    def __init__(self, unit: Unit, *, less_commission: bool, rates: Rates | None = None) -> None:
        self._unit = unit
        self._less_commission = less_commission
        self._rates = rates
        self._curves: dict[str, tuple[Running, list[datetime], list[float], list[float]]] = {}

    def add_positions(self, positions: Iterable[Position]) -> None:
        """Add closed positions, none of which closed before one that was added.

        Raises:
            InvalidQueryError: A sum is beyond the range of float64, or a rate is missing or invalid.
        """
        for position in positions:
            if position.closed is not None:
                amount: ExactNumber = exact(position.net)
                currency = position.currency
                if self._rates is not None:
                    amount = times(amount, self._rates.rate(currency, position.closed.date()))
                    currency = self._rates.currency
                self._add(currency, position.closed, amount)

    def add_executions(self, executions: Iterable[Execution], currencies: Mapping[str, str]) -> None:
        """Add executions, none of which is older than one before it.

        Raises:
            InvalidQueryError: A sum is beyond the range of float64.
            NotFoundError: The account of one is not known.
        """
        for execution in executions:
            result, costs = execution.realized_pnl or 0.0, (execution.commission or 0.0, execution.fees)
            currency = _currency_of(execution, currencies)
            in_currency = execution.commission_currency in {None, currency}
            subtracts = self._less_commission and in_currency and not execution.result_after_costs and any(costs)
            if result or subtracts:
                amount: ExactNumber = exact(result)
                if subtracts:
                    amount = minus(amount, plus(exact(costs[0]), exact(costs[1])))
                self._add(currency, execution.time, amount)

    def _add(self, currency: str, time: datetime, amount: ExactNumber) -> None:
        running, when, values, drawdowns = self._curves.setdefault(currency, (Running(), [], [], []))
        fall = running.add(amount)
        when.append(time)
        values.append(rounded(running.total))
        drawdowns.append(rounded(fall))

    def curves(self) -> list[EquityCurve]:
        """Return them, by currency."""
        return [
            EquityCurve(currency, self._unit, self._less_commission, tuple(when), tuple(values), tuple(drawdowns))
            for currency, (_, when, values, drawdowns) in sorted(self._curves.items())
        ]


def require_positions(*, method: Matching | str, splits: Iterable[Split], convert: Rates | None) -> None:
    """Refuse arguments that only positions have.

    Raises:
        InvalidQueryError: There is one.
    """
    if method != Matching.FIFO or [*splits] or convert is not None:
        raise InvalidQueryError(
            "Trade", problem="method, splits and convert are for positions; executions have the broker's results"
        )


def subtracts_costs(unit: Unit, less_commission: bool | None) -> bool:
    """Return whether costs are subtracted from results.

    Raises:
        InvalidQueryError: Results of positions before costs were asked for.
    """
    if unit is Unit.EXECUTION:
        return bool(less_commission)
    if less_commission is False:
        raise InvalidQueryError(
            "Trade", problem="results of positions are after costs; for those before, add up Position.gross"
        )
    return True


def currencies_of(accounts: Iterable[Account]) -> dict[str, str]:
    """Return the currencies of accounts, by their identifiers.

    Read from a vault, an account has none where another program has left it out, which then is the default.
    """
    return {account.account_id: account.currency or DEFAULT_CURRENCY for account in accounts}


def _place(key: GroupKey) -> tuple[bool, Any, str]:
    group, currency = key
    return group is None, "" if group is None else group, currency


def _currency_of(execution: Execution, currencies: Mapping[str, str]) -> str:
    if execution.currency is not None:
        return execution.currency
    try:
        return currencies[execution.account_id]
    except KeyError:
        raise NotFoundError("Account", execution.account_id) from None
