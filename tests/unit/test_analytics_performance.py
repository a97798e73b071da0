"""What executions at hand brought, computed as the definitions say."""

from __future__ import annotations

import decimal
import math
from dataclasses import fields, replace
from datetime import date, time
from fractions import Fraction
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import OPENING_BELL, make_account, make_report, make_trade, make_trades, minutes_later
from zorivest_async import InvalidQueryError, NotFoundError
from zorivest_async.analytics import Drawdown, GroupBy, Performance, Unit
from zorivest_async.analytics import equity_curve_of as curve_of_any
from zorivest_async.analytics import performance_of as performance_of_any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from zorivest_async import Trade

performance_of = partial(performance_of_any, unit=Unit.EXECUTION)
equity_curve_of = partial(curve_of_any, unit=Unit.EXECUTION)

ACCOUNTS = [make_account("U1"), make_account("U2"), make_account("E1", currency="EUR")]

AMOUNTS = st.one_of(
    st.sampled_from([0.0, 0.1, 0.2, -0.3, 1e-9, -1e16]), st.floats(-1e290, 1e290, allow_nan=False, allow_infinity=False)
).map(lambda amount: amount + 0.0)


def trades_with(*results: float, **changes: Any) -> list[Trade]:
    """Make executions a minute apart with these results."""
    return [
        replace(trade, realized_pnl=result)
        for trade, result in zip(make_trades(len(results), **changes), results, strict=True)
    ]


def only(trades: Sequence[Trade], **options: Any) -> Performance:
    """Return the performance of trades that are one group in one currency."""
    (performance,) = performance_of(trades, ACCOUNTS, **options)
    return performance


def exactly(amounts: Sequence[float]) -> Fraction:
    """Return the sum of amounts as the decimals that they print as: another way than the library's."""
    return sum((Fraction(repr(amount)) for amount in amounts), start=Fraction())


def test_each_number_is_what_it_says() -> None:
    """Three wins and two losses among opening fills, computed by hand."""
    trades = trades_with(0, 100, 0, -40, 0, 60.5, -0.5, 0, 30, commission=1.25)
    assert only(trades) == Performance(
        by=None,
        group=None,
        currency="USD",
        unit=Unit.EXECUTION,
        executions=9,
        closed=5,
        wins=3,
        losses=2,
        break_even=0,
        realized_pnl=150.0,
        gross_profit=190.5,
        gross_loss=-40.5,
        commission=11.25,
        fees=0.0,
        other_costs=(),
        win_rate=0.6,
        average_win=63.5,
        average_loss=-20.25,
        expectancy=30.0,
        profit_factor=float(Fraction("190.5") / Fraction("40.5")),
        average_r=None,
        average_holding_time=None,
        drawdown=Drawdown(40.0, minutes_later(1), minutes_later(3)),
    )


def test_what_would_be_divided_by_zero_is_none() -> None:
    """Without losses there is no profit factor; without closing trades there are no ratios at all."""
    wins = only(trades_with(1, 2))
    assert (wins.profit_factor, wins.average_loss, wins.win_rate, wins.drawdown) == (None, None, 1.0, None)
    losses = only(trades_with(-1, -2))
    assert (losses.profit_factor, losses.average_win, losses.win_rate) == (0.0, None, 0.0)
    opened = only(trades_with(0, 0))
    assert (opened.executions, opened.closed, opened.realized_pnl) == (2, 0, 0.0)
    assert (opened.win_rate, opened.expectancy, opened.profit_factor, opened.average_win) == (None,) * 4
    assert only(trades_with(1e300, -1e-300)).profit_factor is None
    assert performance_of([], ACCOUNTS) == []


def test_zero_is_an_opening_fill_unless_the_caller_knows_better() -> None:
    """Told which executions close, a result of zero is break-even, and the win rate is still of wins and losses."""
    trades = trades_with(0, 10, 0, 0, 0, -4)
    told = only(trades, closing={"00001", "00003", "00005"})
    assert (told.closed, told.wins, told.losses, told.break_even) == (3, 1, 1, 1)
    assert (told.win_rate, told.expectancy) == (0.5, 2.0)
    assert (only(trades).closed, only(trades).break_even, only(trades).expectancy) == (2, 0, 3.0)


def test_commissions_are_beside_results_not_in_them() -> None:
    """Those of opening fills count, and a rebate is negative."""
    trades = [replace(trade, commission=cost) for trade, cost in zip(trades_with(0, 10), (1.5, -0.25), strict=True)]
    assert (only(trades).realized_pnl, only(trades).commission) == (10.0, 1.25)


def test_sums_are_of_the_decimals_that_the_broker_wrote() -> None:
    """A tenth, two tenths and minus three tenths are nothing, and a small amount survives between large ones."""
    assert only(trades_with(0.1, 0.2, -0.3)).realized_pnl == 0.0
    assert only(trades_with(1e16, 1, -1e16)).realized_pnl == 1.0
    assert only(trades_with(*[0.1] * 1000)).realized_pnl == 100.0
    assert math.copysign(1, only(trades_with(0.1, -0.1)).realized_pnl) == 1


def test_the_callers_decimal_context_does_not_matter() -> None:
    """Neither its precision nor what it traps."""
    with decimal.localcontext(decimal.Context(prec=2, traps=[decimal.FloatOperation, decimal.Inexact])):
        assert only(trades_with(1000.25, 0.5)).realized_pnl == 1000.75


def test_a_drawdown_has_the_last_moment_at_its_height_and_the_first_at_its_depth() -> None:
    """The largest of several, the first of equal ones; from zero on, it begins with the first result."""
    from_the_start = only(trades_with(0, -5, -5, 20)).drawdown
    assert from_the_start == Drawdown(10.0, minutes_later(1), minutes_later(2))
    assert only(trades_with(10, -3, 3, -7, 1, 6, -7)).drawdown == Drawdown(7.0, minutes_later(2), minutes_later(3))


def test_the_order_of_equal_times_is_that_of_the_identifiers() -> None:
    """Whatever the order in which the trades come."""
    trades = [make_trade(name, realized_pnl=result) for name, result in (("b", -5.0), ("a", 3.0), ("c", 3.0))]
    assert only(trades).drawdown == only(trades[::-1]).drawdown == Drawdown(5.0, OPENING_BELL, OPENING_BELL)
    assert equity_curve_of(trades, ACCOUNTS)[0].values == (3.0, -2.0, 1.0)


def test_currencies_are_never_added() -> None:
    """One result per currency, in their order, within each group."""
    trades = [
        make_trade("1", account_id="U1", realized_pnl=1.0),
        make_trade("2", account_id="E1", realized_pnl=10.0),
        make_trade("3", account_id="U2", realized_pnl=100.0),
        make_trade("4", account_id="U2", instrument="QQQ", realized_pnl=1000.0),
    ]
    found = [(p.group, p.currency, p.realized_pnl) for p in performance_of(trades, ACCOUNTS)]
    assert found == [(None, "EUR", 10.0), (None, "USD", 1101.0)]
    found = [(p.group, p.currency, p.realized_pnl) for p in performance_of(trades, ACCOUNTS, by=GroupBy.INSTRUMENT)]
    assert found == [("QQQ", "USD", 1000.0), ("SPY", "EUR", 10.0), ("SPY", "USD", 101.0)]
    assert [(c.currency, c.values) for c in equity_curve_of(trades, ACCOUNTS)] == [
        ("EUR", (10.0,)),
        ("USD", (1.0, 101.0, 1101.0)),
    ]


def test_a_trade_with_two_tags_counts_in_both() -> None:
    """Once in each, however often it is there; what has no tag comes last."""
    trades = trades_with(1, 2, 4, 8)
    reports = [
        make_report("00000", tags=("late", "gap", "late")),
        make_report("00001", tags=("gap",)),
        make_report("00002", tags=()),
    ]
    found = performance_of(trades, ACCOUNTS, by=GroupBy.TAG, reports=reports)
    assert [(p.group, p.realized_pnl) for p in found] == [("gap", 3.0), ("late", 1.0), (None, 12.0)]


def test_groups_of_time_are_days_and_first_days_of_months() -> None:
    """In the zone that was named, with sessions that start when it was said."""
    trades = [
        make_trade(str(n), time=moment, realized_pnl=1.0)
        for n, moment in enumerate(minutes_later(60 * hours) for hours in (0, 14, 24 * 24, 24 * 24 + 8))
    ]  # 8 March 14:30, 9 March 04:30, 1 April 14:30 and 22:30, all in UTC
    in_new_york: dict[str, Any] = {"time_zone": "America/New_York"}
    days = performance_of(trades, ACCOUNTS, by=GroupBy.DAY, **in_new_york)
    assert [(p.by, p.group, p.executions) for p in days] == [
        (GroupBy.DAY, date(2024, 3, 8), 2),
        (GroupBy.DAY, date(2024, 4, 1), 2),
    ]
    sessions = performance_of(trades, ACCOUNTS, by=GroupBy.DAY, session_start=time(18), **in_new_york)
    assert [p.group for p in sessions] == [date(2024, 3, 8), date(2024, 3, 9), date(2024, 4, 1), date(2024, 4, 2)]
    months = performance_of(trades, ACCOUNTS, by=GroupBy.MONTH, **in_new_york)
    assert [(p.group, p.executions) for p in months] == [(date(2024, 3, 1), 2), (date(2024, 4, 1), 2)]


def test_what_cannot_be_asked_is_refused() -> None:
    """With an error that says what to do."""
    trades = trades_with(1)
    for options, error, words in (
        ({"by": GroupBy.DAY}, InvalidQueryError, "America/New_York"),
        ({"by": GroupBy.MONTH, "time_zone": "New York"}, InvalidQueryError, "no such time zone"),
        ({"by": "moon"}, InvalidQueryError, "day, week, month, weekday, hour, instrument"),
        ({"by": "strategy"}, InvalidQueryError, "unit='position'"),
        ({"unit": "fill"}, InvalidQueryError, "position, execution"),
        ({"method": "lifo"}, InvalidQueryError, "for positions"),
        (
            {"by": GroupBy.DAY, "time_zone": "UTC", "session_start": time(18, tzinfo=OPENING_BELL.tzinfo)},
            InvalidQueryError,
            "session_start",
        ),
        (
            {"by": GroupBy.DAY, "time_zone": "UTC", "session_start": "18:00"},
            InvalidQueryError,
            r"session_start .* time\(18\)",
        ),
    ):
        with pytest.raises(error, match=words):
            performance_of(trades, ACCOUNTS, **options)
    with pytest.raises(NotFoundError) as caught:
        performance_of(trades, [])
    assert (caught.value.entity, caught.value.key) == ("Account", "U1")
    with pytest.raises(NotFoundError):
        equity_curve_of(trades, [])
    assert only(trades, by="account").group == "U1"


def test_a_sum_beyond_float64_is_refused() -> None:
    """It is neither infinite nor wrong."""
    trades = trades_with(1.7e308, 1.7e308)
    for ask in (performance_of, equity_curve_of):
        with pytest.raises(InvalidQueryError, match="beyond the range"):
            ask(trades, ACCOUNTS)


@settings(deadline=None)
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, st.sampled_from(["SPY", "QQQ"])), max_size=30), st.randoms())
def test_performance_is_that_of_a_plain_computation(rows: list[tuple[float, float, str]], random: Random) -> None:
    """Compared with fractions and every pair of moments, whatever the order in which the trades come."""
    trades = [
        make_trade(f"{n:03}", time=minutes_later(n // 2), instrument=name, realized_pnl=result, commission=cost)
        for n, (result, cost, name) in enumerate(rows)
    ]
    shuffled = random.sample(trades, len(trades))
    for found in performance_of(shuffled, ACCOUNTS, by=GroupBy.INSTRUMENT):
        mine = [trade for trade in trades if trade.instrument == found.group]
        results = [trade.realized_pnl for trade in mine if trade.realized_pnl]
        wins, losses = [r for r in results if r > 0], [r for r in results if r < 0]
        assert (found.executions, found.closed) == (len(mine), len(results))
        assert (found.wins, found.losses, found.break_even) == (len(wins), len(losses), 0)
        assert found.realized_pnl == float(exactly(results))
        assert (found.gross_profit, found.gross_loss) == (float(exactly(wins)), float(exactly(losses)))
        assert found.commission == float(exactly([trade.commission for trade in mine]))
        assert found.expectancy == (float(exactly(results) / len(results)) if results else None)
        assert found.average_win == (float(exactly(wins) / len(wins)) if wins else None)
        assert found.average_loss == (float(exactly(losses) / len(losses)) if losses else None)
        if wins and losses and exactly(wins) < -exactly(losses) * 10**300:
            assert found.profit_factor == float(-exactly(wins) / exactly(losses))
        sums = [*accumulate(map(Fraction, map(repr, results)), initial=Fraction())]
        falls = [sums[i] - sums[j] for i in range(len(sums)) for j in range(i, len(sums))]
        assert (found.drawdown.amount if found.drawdown else 0.0) == float(max(falls))


@settings(deadline=None)
@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=30), st.booleans())
def test_a_curve_goes_through_every_sum(rows: list[tuple[float, float]], less_commission: bool) -> None:
    """Each value is rounded from the exact sum, and so is how far it is below the highest one so far."""
    trades = [
        make_trade(f"{n:03}", time=minutes_later(n), realized_pnl=result, commission=cost)
        for n, (result, cost) in enumerate(rows)
    ]
    curves = equity_curve_of(reversed(trades), ACCOUNTS, less_commission=less_commission)
    changing = [trade for trade in trades if trade.realized_pnl or (less_commission and trade.commission)]
    assert len(curves) == bool(changing)
    for curve in curves:
        steps = [
            exactly([trade.realized_pnl or 0.0, *([-trade.commission] if less_commission else [])])
            for trade in changing
        ]
        sums = [*accumulate(steps)]
        peaks = [max(Fraction(), *sums[: n + 1]) for n in range(len(sums))]
        assert curve.times == tuple(trade.time for trade in changing)
        assert curve.values == tuple(map(float, sums))
        assert curve.drawdowns == tuple(float(peak - value) for peak, value in zip(peaks, sums, strict=True))
        assert curve.less_commission is less_commission


def test_the_answers_are_frozen_and_slotted() -> None:
    """Like all values of the library."""
    answer = only(trades_with(1, -2))
    for value in (answer, answer.drawdown, equity_curve_of(trades_with(1), ACCOUNTS)[0]):
        assert not hasattr(value, "__dict__")
        with pytest.raises(AttributeError):
            setattr(value, fields(value)[0].name, None)  # type: ignore[arg-type]
