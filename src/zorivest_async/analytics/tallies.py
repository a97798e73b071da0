"""Accumulators that add up results row by row in the order of time, for vaults and for lists of trades."""

from __future__ import annotations

from heapq import merge
from typing import TYPE_CHECKING, Final

from zorivest_async.analytics.answers import Drawdown, EquityCurve, Group, Performance
from zorivest_async.analytics.exact import EXACT, ZERO, Running, exact, ratio, rounded
from zorivest_async.domain.queries import DEFAULT_CURRENCY
from zorivest_async.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from datetime import datetime

    from zorivest_async.analytics.grouping import Grouping
    from zorivest_async.domain.entities import Account
    from zorivest_async.domain.queries import ResultRow

__all__ = ["Curves", "GroupKey", "Tallies", "currencies_of"]

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
        "largest_fall",
        "loss",
        "losses",
        "peak_time",
        "profit",
        "wins",
    )

    def __init__(self) -> None:
        super().__init__()
        self.executions = self.wins = self.losses = self.break_even = 0
        self.commission = self.profit = self.loss = self.largest_fall = ZERO
        self.peak_time: datetime | None = None
        self.begin: datetime | None = None
        self.end: datetime | None = None

    def close(self, time: datetime, realized_pnl: float) -> None:
        amount = exact(realized_pnl)
        if realized_pnl > 0:
            self.wins += 1
            self.profit = EXACT.add(self.profit, amount)
        elif realized_pnl < 0:
            self.losses += 1
            self.loss = EXACT.add(self.loss, amount)
        else:
            self.break_even += 1
        fall = self.add(amount)
        if not fall or self.peak_time is None:
            self.peak_time = time
        if fall > self.largest_fall:
            self.largest_fall, self.begin, self.end = fall, self.peak_time, time

    def drawdown(self) -> Drawdown | None:
        if self.begin is None or self.end is None:
            return None
        return Drawdown(rounded(self.largest_fall), self.begin, self.end)


class Tallies:
    """Accumulator of the performance of groups.

    Args:
        currencies: Currencies of the accounts, by ``account_id``.
        grouping: The grouping.
        closing: Identifiers of the executions that close a position; ``None`` means those with a result other than
            zero.
    """

    def __init__(
        self, currencies: Mapping[str, str], grouping: Grouping, closing: Container[str] | None = None
    ) -> None:
        self._currencies = currencies
        self._grouping = grouping
        self._closing = closing
        self._tallies: dict[GroupKey, _Tally] = {}

    def add(self, rows: Iterable[ResultRow]) -> None:
        """Add executions, none of which is older than one before it.

        Raises:
            NotFoundError: The account of one is not known.
        """
        groups_of, closing, tallies = self._grouping.groups_of, self._closing, self._tallies
        for row in rows:
            time, exec_id, account_id, commission, realized_pnl, _ = row
            currency = _currency_of(account_id, self._currencies)
            closes = realized_pnl != 0 if closing is None else exec_id in closing
            for group in groups_of(row):
                tally = tallies.get((group, currency))
                if tally is None:
                    tally = tallies[group, currency] = _Tally()
                tally.executions += 1
                if commission:
                    tally.commission = EXACT.add(tally.commission, exact(commission))
                if closes:
                    tally.close(time, realized_pnl)

    def keys(self) -> list[GroupKey]:
        """Return the groups in order, executions without a tag last, and the currencies of each.

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
        return Performance(
            self._grouping.by,
            *key,
            executions=tally.executions,
            closed=closed,
            wins=tally.wins,
            losses=tally.losses,
            break_even=tally.break_even,
            realized_pnl=rounded(tally.total),
            gross_profit=rounded(tally.profit),
            gross_loss=rounded(tally.loss),
            commission=rounded(tally.commission),
            win_rate=tally.wins / (tally.wins + tally.losses) if tally.wins + tally.losses else None,
            average_win=ratio(tally.profit, tally.wins),
            average_loss=ratio(tally.loss, tally.losses),
            expectancy=ratio(tally.total, closed),
            profit_factor=ratio(tally.profit, EXACT.minus(tally.loss)),
            drawdown=tally.drawdown(),
        )


class Curves:
    """Accumulator of equity curves, one for each currency.

    Args:
        currencies: Currencies of the accounts, by ``account_id``.
        less_commission: Whether to subtract commissions.
    """

    def __init__(self, currencies: Mapping[str, str], *, less_commission: bool) -> None:
        self._currencies = currencies
        self._less_commission = less_commission
        self._curves: dict[str, tuple[Running, list[datetime], list[float], list[float]]] = {}

    def add(self, rows: Iterable[ResultRow]) -> None:
        """Add executions, none of which is older than one before it.

        Raises:
            InvalidQueryError: A sum is beyond the range of float64.
            NotFoundError: The account of one is not known.
        """
        less_commission = self._less_commission
        for time, _, account_id, commission, realized_pnl, _ in rows:
            currency = _currency_of(account_id, self._currencies)
            if realized_pnl or (less_commission and commission):
                amount = exact(realized_pnl)
                if less_commission:
                    amount = EXACT.subtract(amount, exact(commission))
                running, times, values, drawdowns = self._curves.setdefault(currency, (Running(), [], [], []))
                fall = running.add(amount)
                times.append(time)
                values.append(rounded(running.total))
                drawdowns.append(rounded(fall))

    def curves(self) -> list[EquityCurve]:
        """Return them, by currency."""
        return [
            EquityCurve(currency, self._less_commission, tuple(times), tuple(values), tuple(drawdowns))
            for currency, (_, times, values, drawdowns) in sorted(self._curves.items())
        ]


def currencies_of(accounts: Iterable[Account]) -> dict[str, str]:
    """Return the currencies of accounts, by their identifiers.

    Read from a vault, an account has none where another program has left it out, which then is the default.
    """
    return {account.account_id: account.currency or DEFAULT_CURRENCY for account in accounts}


def _place(key: GroupKey) -> tuple[bool, Group, str]:
    group, currency = key
    return group is None, "" if group is None else group, currency


def _currency_of(account_id: str, currencies: Mapping[str, str]) -> str:
    try:
        return currencies[account_id]
    except KeyError:
        raise NotFoundError("Account", account_id) from None
