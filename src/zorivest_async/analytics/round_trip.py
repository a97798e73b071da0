"""A round trip while its executions are folded: exact numbers, and the position that they make."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from zorivest_async.analytics.exact import EXACT, ZERO, ExactNumber, exact, minus, plus, ratio, rounded, times
from zorivest_async.analytics.lots import lots_for
from zorivest_async.analytics.position import Position, ResultSource
from zorivest_async.domain.enums import TradeAction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from zorivest_async.analytics.links import Links
    from zorivest_async.analytics.position import Matching
    from zorivest_async.analytics.rates import Rates
    from zorivest_async.domain.entities import Trade
    from zorivest_async.domain.enums import AssetClass
    from zorivest_async.domain.queries import ExecutionRow, PlanLink, Review

__all__ = ["BookKey", "Costs", "Execution", "Outcome", "RoundTrip"]


_time_of = itemgetter(0)


Execution: TypeAlias = "Trade | ExecutionRow"
"""What is folded: an entity, or a row with the fields of the same names."""


class BookKey(NamedTuple):
    """What executions must share to close each other."""

    account_id: str
    instrument: str
    currency: str
    asset_class: AssetClass | None
    multiplier: float


class Outcome(NamedTuple):
    """Exact amounts of a round trip, in its currency; ``others`` are costs in other currencies."""

    gross: ExactNumber
    commission: ExactNumber
    fees: ExactNumber
    net: ExactNumber
    others: dict[str, ExactNumber]
    source: ResultSource


class Costs(NamedTuple):
    """Costs of an execution, in one currency."""

    currency: str
    commission: Decimal
    fees: Decimal


class _Share(NamedTuple):
    """Costs of an execution of which a part belongs to a round trip."""

    costs: Costs
    part: ExactNumber
    whole: Decimal


class RoundTrip:
    """A round trip: what was opened from flat, until it is flat again.

    Attributes:
        key: What its executions share.
        side: Side of the opening.
        opened: Time of the first execution; ``None`` if only a closing one is known.
        closed: Time at which it was flat; ``None`` while it is open.
        last: Time of the last execution.
        left: Quantity that is open, without sign.
        executions: Number of executions.
        exec_ids: Their identifiers, oldest first, if they are kept.
        reviews: Reports of its executions.
        plans: Plans that led to its executions.
        is_found: Whether the searched text is in the identifier of an execution.
    """

    __slots__ = (
        "_any_nonzero",
        "_any_unstated",
        "_any_without_result",
        "_closed_value",
        "_closings",
        "_commission",
        "_entered",
        "_entry_value",
        "_exit_value",
        "_exited",
        "_factor",
        "_fees",
        "_is_after_costs",
        "_is_mixed",
        "_largest",
        "_lots",
        "_next_split",
        "_others",
        "_recorded",
        "_shares",
        "_splits",
        "_stops",
        "closed",
        "exec_ids",
        "executions",
        "is_found",
        "key",
        "last",
        "left",
        "opened",
        "plans",
        "reviews",
        "side",
    )

    def __init__(
        self,
        key: BookKey,
        side: TradeAction,
        time: datetime,
        matching: Matching,
        splits: Sequence[tuple[datetime, Fraction]] = (),
    ) -> None:
        self.key, self.side, self.last = key, side, time
        self.opened: datetime | None = time
        self.closed: datetime | None = None
        self.left: ExactNumber = ZERO
        self.executions = 0
        self.exec_ids: list[str] = []
        self.reviews: list[Review] = []
        self.plans: list[PlanLink] = []
        self.is_found = False
        self._lots = lots_for(matching)
        self._splits = splits
        self._next_split = bisect_right(splits, time, key=_time_of) if splits else 0
        self._factor = Fraction(1)
        self._stops: list[tuple[float, Fraction]] = []
        self._largest: ExactNumber = ZERO
        self._entered: ExactNumber = ZERO
        self._exited: ExactNumber = ZERO
        self._entry_value: ExactNumber = ZERO
        self._exit_value: ExactNumber = ZERO
        self._closed_value: ExactNumber = ZERO
        self._commission = self._fees = ZERO
        self._others: dict[str, Decimal] = {}
        self._shares: list[_Share] = []
        self._recorded = ZERO
        self._closings = 0
        self._any_nonzero = self._any_unstated = self._any_without_result = False
        self._is_after_costs: bool | None = None
        self._is_mixed = False

    def catch_up(self, time: datetime) -> None:
        """Apply the splits up to a time."""
        while self._next_split < len(self._splits) and self._splits[self._next_split][0] <= time:
            self._restate(self._splits[self._next_split][1])
            self._next_split += 1

    def apply_splits(self) -> None:
        """Apply the splits that are left."""
        for _, split in self._splits[self._next_split :]:
            self._restate(split)
        self._next_split = len(self._splits)

    def _restate(self, split: Fraction) -> None:
        self.left, self._largest = times(self.left, split), times(self._largest, split)
        self._entered, self._exited = times(self._entered, split), times(self._exited, split)
        self._lots.restate(split)
        self._factor *= split

    def bear(self, costs: Costs) -> Decimal:
        """Bear the costs of an execution, and return those in its own currency."""
        if costs.currency == self.key.currency:
            self._commission = EXACT.add(self._commission, costs.commission)
            self._fees = EXACT.add(self._fees, costs.fees)
            return EXACT.add(costs.commission, costs.fees)
        both = EXACT.add(costs.commission, costs.fees)
        self._others[costs.currency] = EXACT.add(self._others.get(costs.currency, ZERO), both)
        return ZERO

    def share(self, costs: Costs, part: ExactNumber, whole: Decimal) -> Decimal:
        """Bear the costs of a part of an execution's quantity, and return those of all of it in its own currency."""
        # Quotients are for the end: most decimals have none that is exact, and fractions are slow.
        self._shares.append(_Share(costs, part, whole))
        return EXACT.add(costs.commission, costs.fees) if costs.currency == self.key.currency else ZERO

    def enter(self, quantity: ExactNumber, price: Decimal, costs: Decimal, whole: Decimal | None = None) -> None:
        """Open more of it.

        Args:
            quantity: How much more.
            price: At which price.
            costs: Costs of the execution in its own currency.
            whole: Quantity of the execution, if it is more.
        """
        self._lots.add(quantity, price, costs, quantity if whole is None else whole)
        self.left = left = plus(self.left, quantity)
        self._entered = plus(self._entered, quantity)
        self._entry_value = plus(self._entry_value, times(price, quantity))
        self._largest = max(self._largest, left)

    def leave(self, execution: Execution, quantity: ExactNumber, price: ExactNumber) -> None:
        """Close a part of it, or all that is left."""
        if quantity == self.left:
            self._closed_value, self.left = self._entry_value, ZERO
            self.closed = execution.time
        else:
            self._closed_value = plus(self._closed_value, self._lots.take(quantity))
            self.left = minus(self.left, quantity)
        self._exited = plus(self._exited, quantity)
        self._exit_value = plus(self._exit_value, times(price, quantity))
        self._record(execution)

    def leave_unknown(self, execution: Execution, quantity: ExactNumber, price: ExactNumber) -> None:
        """Close what was opened by executions that are not known."""
        self._largest = self._exited = quantity
        self._exit_value = times(price, quantity)
        self.opened, self.closed = None, execution.time
        self._record(execution)

    def _record(self, execution: Execution) -> None:
        result, states = execution.realized_pnl, execution.result_after_costs
        if result is None:
            self._any_without_result = True
        else:
            if result:
                self._any_nonzero = True
                self._recorded = EXACT.add(self._recorded, exact(result))
            if states is None:
                self._any_unstated = True
            is_after = states is True
            self._is_mixed = self._is_mixed or (self._closings > 0 and is_after is not self._is_after_costs)
            self._is_after_costs = is_after
        self._closings += 1

    def note(self, execution: Execution, links: Links | None, *, with_ids: bool) -> None:
        """Count an execution, and take over its report and its plans."""
        self.executions += 1
        self.last = execution.time
        if with_ids:
            self.exec_ids.append(execution.exec_id)
        if links is None:
            return
        review = links.reviews.get(execution.exec_id)
        if review is not None:
            self.reviews.append(review)
        plans = links.plans.get(execution.exec_id)
        if plans is not None:
            self.plans += plans
            self._stops += [(plan.stop, self._factor) for plan in plans if plan.stop is not None]

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the reports, each once."""
        return tuple(dict.fromkeys(tag for review in self.reviews for tag in review.tags))

    @property
    def strategies(self) -> tuple[str, ...]:
        """Strategies of the plans, each once."""
        return tuple(dict.fromkeys(plan.strategy for plan in self.plans if plan.strategy))

    @property
    def source(self) -> ResultSource:
        """Recorded where all closing executions have a result, and agree on whether it is after costs.

        Zero is a result where another closing execution has a result other than zero, or where the source states it.
        """
        stated = self._any_nonzero or (self._closings > 0 and not self._any_unstated)
        is_recorded = stated and not self._any_without_result and not self._is_mixed
        return ResultSource.RECORDED if is_recorded else ResultSource.MATCHED

    def outcome(self, rates: Rates | None = None) -> Outcome:
        """Return the exact amounts of what is closed.

        Args:
            rates: Rates for the costs in other currencies, which are then subtracted, too. The rate is that of the UTC
                day of the closing; while it is open, of the last execution.

        Raises:
            InvalidQueryError: A rate is missing or invalid.
        """
        commission, fees, others = self._costs()
        costs, source = plus(commission, fees), self.source
        if source is ResultSource.RECORDED and self._is_after_costs:
            # The costs of what is still open are not in the results yet. Those in other currencies are, as far as the
            # broker has converted them, so they are not subtracted again.
            net = minus(self._recorded, self._lots.costs()) if self.left else self._recorded
            gross = plus(net, costs)
        else:
            gross = self._recorded if source is ResultSource.RECORDED else self._matched()
            net = minus(gross, costs)
            if rates is not None and others:
                net = minus(net, self._in_own_currency(others, rates))
        return Outcome(gross, commission, fees, net, others, source)

    def _costs(self) -> tuple[ExactNumber, ExactNumber, dict[str, ExactNumber]]:
        """Return commissions and fees in its own currency, and the costs in others."""
        commission: ExactNumber = self._commission
        fees: ExactNumber = self._fees
        others: dict[str, ExactNumber] = {**self._others}
        for (currency, all_commission, all_fees), part, whole in self._shares:
            share = Fraction(part) / Fraction(whole)
            if currency == self.key.currency:
                commission, fees = plus(commission, times(all_commission, share)), plus(fees, times(all_fees, share))
            else:
                costs = Fraction(EXACT.add(all_commission, all_fees)) * share
                others[currency] = plus(others.get(currency, ZERO), costs)
        return commission, fees, others

    def _matched(self) -> ExactNumber:
        gain = minus(self._exit_value, self._closed_value)
        if self.side is TradeAction.SLD:
            gain = minus(ZERO, gain)
        return times(gain, exact(self.key.multiplier))

    def _in_own_currency(self, others: dict[str, ExactNumber], rates: Rates) -> Fraction:
        day = self.last.date()
        own = rates.rate(self.key.currency, day)
        converted = (Fraction(amount) * rates.rate(currency, day) for currency, amount in others.items())
        return sum(converted, start=Fraction()) / own

    def position(self, rates: Rates | None = None, price: float | None = None) -> Position:
        """Return the position.

        Args:
            rates: Rates for the costs in other currencies.
            price: Price at which to value what is open.

        Raises:
            InvalidQueryError: An amount is beyond the range of float64, or a rate is missing or invalid.
        """
        gross, commission, fees, net, others, source = self.outcome(rates)
        sign = 1 if self.side is TradeAction.BOT else -1
        risk = self._risk()
        market_value = unrealized = average_open = None
        if self.left:
            open_value = self._lots.value()
            average_open = ratio(open_value, self.left)
            if price is not None:
                at_price, worth = times(exact(price), self.left), exact(sign * self.key.multiplier)
                market_value = rounded(times(at_price, worth))
                unrealized = rounded(times(minus(at_price, open_value), worth))
        return Position(
            *self.key,
            side=self.side,
            opened=self.opened,
            closed=self.closed,
            quantity=rounded(self._largest),
            open_quantity=sign * rounded(self.left) + 0.0,
            average_entry=ratio(self._entry_value, self._entered),
            average_exit=ratio(self._exit_value, self._exited),
            average_open=average_open,
            gross=rounded(gross),
            commission=rounded(commission),
            fees=rounded(fees),
            net=rounded(net),
            other_costs=tuple((currency, rounded(amount)) for currency, amount in sorted(others.items())),
            result_source=source,
            executions=self.executions,
            exec_ids=tuple(self.exec_ids),
            tags=self.tags if self.reviews else (),
            strategies=self.strategies if self.plans else (),
            reviews=tuple(self.reviews),
            risk=None if risk is None else rounded(risk),
            r_multiple=None if risk is None or self.left else ratio(net, risk),
            market_value=market_value,
            unrealized=unrealized,
        )

    def _risk(self) -> ExactNumber | None:
        """Return what the first stop on the losing side of the average entry would have lost."""
        if not self._stops or not self._entered:
            return None
        entry = Fraction(self._entry_value) / Fraction(self._entered)
        for stop, factor in self._stops:
            distance = entry - Fraction(exact(stop)) * factor / self._factor
            if self.side is TradeAction.SLD:
                distance = -distance
            if distance > 0:
                return distance * Fraction(self._largest) * Fraction(exact(self.key.multiplier))
        return None
