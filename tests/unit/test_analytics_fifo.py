"""Fills matched first in, first out, beside a computation that takes them apart into their smallest units."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories import make_account, make_trade, minutes_later
from zorivest_async import AssetClass, ConfigurationError, InvalidQueryError, Trade, TradeAction, ValidationError
from zorivest_async.analytics import match_fifo, performance_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

BOT, SLD = TradeAction.BOT, TradeAction.SLD
UNIT = Fraction(1, 10)
"""What the reference takes fills apart into."""


def fills(*legs: tuple[TradeAction, float, float], **changes: Any) -> list[Trade]:
    """Make fills a minute apart: side, quantity, price."""
    return [
        make_trade(f"{n:03}", time=minutes_later(n), action=action, quantity=quantity, price=price, **changes)
        for n, (action, quantity, price) in enumerate(legs)
    ]


def results_of(trades: Sequence[Trade], **options: Any) -> list[float | None]:
    """Return what each fill realises, oldest first."""
    return [trade.realized_pnl for trade in match_fifo(trades, **options).trades]


def test_a_long_position_is_closed_oldest_first() -> None:
    """Partly, over two lots, and to its end."""
    trades = fills((BOT, 10, 100), (BOT, 10, 110), (SLD, 15, 120), (SLD, 5, 90))
    match = match_fifo(trades)
    assert [trade.realized_pnl for trade in match.trades] == [0.0, 0.0, 250.0, -100.0]
    assert match.closing == {"002", "003"}
    assert match.open_lots == []


def test_a_short_position_wins_when_it_is_bought_back_lower() -> None:
    """What is left of it is open, below zero."""
    match = match_fifo(fills((SLD, 3, 50), (BOT, 2, 45)))
    assert [trade.realized_pnl for trade in match.trades] == [0.0, 10.0]
    assert [(lot.trade.exec_id, lot.quantity) for lot in match.open_lots] == [("000", -1.0)]


def test_a_fill_may_go_through_zero() -> None:
    """It closes what is open and opens the rest on the other side, at its own price."""
    match = match_fifo(fills((BOT, 1, 10), (SLD, 3, 12), (BOT, 2, 11)))
    assert [trade.realized_pnl for trade in match.trades] == [0.0, 2.0, 2.0]
    assert match.closing == {"001", "002"}
    assert match.open_lots == []


def test_decimals_close_what_they_say() -> None:
    """Three tenths close three times a tenth, which in float64 they would not; the result is as short."""
    match = match_fifo(fills((BOT, 0.1, 100.1), (BOT, 0.1, 100.1), (BOT, 0.1, 100.1), (SLD, 0.3, 100.2)))
    assert match.open_lots == []
    assert match.trades[-1].realized_pnl == 0.03


def test_accounts_and_instruments_are_apart() -> None:
    """Nothing is closed across them; what is open is in the order in which it was opened, of whatever position."""
    trades = [
        make_trade("1", action=BOT, quantity=1, price=3),
        make_trade("2", action=SLD, quantity=1, price=2, instrument="QQQ", time=minutes_later(1)),
        make_trade("3", action=SLD, quantity=1, price=1, account_id="U2", time=minutes_later(2)),
        make_trade("4", action=BOT, quantity=1, price=4, time=minutes_later(3)),
    ]
    match = match_fifo(trades)
    assert match.closing == frozenset()
    open_lots = [(lot.trade.exec_id, lot.quantity) for lot in match.open_lots]
    assert open_lots == [("1", 1.0), ("2", -1.0), ("3", -1.0), ("4", 1.0)]


def test_a_contract_is_worth_its_multiplier() -> None:
    """By instrument; what is not named counts once."""
    trades = fills((BOT, 2, 5000.25), (SLD, 2, 5001.75), instrument="ESZ4")
    assert results_of(trades) == [0.0, 3.0]
    assert results_of(trades, multipliers={"ESZ4": 50}) == [0.0, 150.0]
    assert results_of(trades, multipliers={"SPY": 50}) == [0.0, 3.0]


def test_a_multiplier_of_the_trades_own_counts_unless_it_is_named() -> None:
    """Those that contradict each other are refused, unless the caller says what holds."""
    trades = fills((BOT, 2, 1.25), (SLD, 2, 1.5), multiplier=100.0)
    assert results_of(trades) == [0.0, 50.0]
    assert results_of(trades, multipliers={"SPY": 10}) == [0.0, 5.0]
    mixed = [trades[0], replace(trades[1], multiplier=1.0)]
    with pytest.raises(ValidationError, match="differs among the fills"):
        match_fifo(mixed)
    assert results_of(mixed, multipliers={"SPY": 100}) == [0.0, 50.0]


def test_currencies_and_asset_classes_are_apart() -> None:
    """One that is not stated is the only one that is known."""
    known = make_trade("1", quantity=1, price=10, currency="USD", asset_class=AssetClass.STOCK)
    unknown = make_trade("2", time=minutes_later(1), action=SLD, quantity=1, price=12)
    assert results_of([known, unknown]) == [0.0, 2.0]
    assert results_of([known, replace(unknown, currency="CAD")]) == [0.0, 0.0]
    assert results_of([known, replace(unknown, asset_class=AssetClass.CFD)]) == [0.0, 0.0]


def test_digits_of_identifiers_count_as_numbers() -> None:
    """The second fill of a day comes before the tenth."""
    bought = [make_trade(f"S/{n}", quantity=1, price=100 + n) for n in range(1, 12)]
    match = match_fifo([*bought, make_trade("T", time=minutes_later(1), action=SLD, quantity=2, price=120)])
    assert match.trades[-1].realized_pnl == (120 - 101) + (120 - 102)
    assert [lot.trade.price for lot in match.open_lots] == [*range(103, 112)]


def test_a_result_says_whether_it_is_after_costs() -> None:
    """As the broker's did before it was replaced; fees are costs, too, and those in another currency are refused."""
    trades = fills((BOT, 1, 10), (SLD, 1, 12), commission=0.5, fees=0.25, realized_pnl=7.0, result_after_costs=True)
    assert [trade.result_after_costs for trade in match_fifo(trades).trades] == [False, False]
    after = match_fifo(trades, less_commission=True).trades
    assert [(trade.realized_pnl, trade.result_after_costs) for trade in after] == [(0.0, True), (0.5, True)]
    foreign = [replace(trade, commission_currency="SEK") for trade in trades]
    assert results_of(foreign) == [0.0, 2.0]
    with pytest.raises(ValidationError, match="commission_currency"):
        match_fifo(foreign, less_commission=True)


def test_a_match_is_shown_in_a_line() -> None:
    """However many fills it has."""
    match = match_fifo(fills(*[(BOT, 1, 10), (SLD, 1, 12)] * 500, (BOT, 1, 10)))
    assert repr(match) == "FifoMatch(1001 trades, 500 closing, 1 open lots)"


def test_commissions_are_left_out_unless_they_are_asked_for() -> None:
    """Then a result bears its own and that of what it closes, in proportion; an opening fill's waits for its close."""
    trades = fills((BOT, 3, 10), (SLD, 1, 11), (SLD, 4, 12), commission=3)
    assert results_of(trades) == [0.0, 1.0, 4.0]
    assert results_of(trades, less_commission=True) == [0.0, 1 - 3 - 1.0, 4 - 2 - 1.5]
    assert [trade.commission for trade in match_fifo(trades, less_commission=True).trades] == [3.0, 3.0, 3.0]


def test_fills_of_the_same_time_are_taken_in_the_order_of_their_identifiers() -> None:
    """Whatever the order in which they come; the result is oldest first."""
    trades = [
        make_trade(name, action=action, quantity=1, price=price)
        for name, action, price in (("c", SLD, 30), ("a", BOT, 10), ("b", BOT, 20))
    ]
    for given_order in (trades, trades[::-1]):
        match = match_fifo(given_order)
        assert [(trade.exec_id, trade.realized_pnl) for trade in match.trades] == [("a", 0.0), ("b", 0.0), ("c", 20.0)]


def test_what_was_recorded_is_replaced_and_nothing_else() -> None:
    """The trades that were given stay as they are."""
    trades = fills((BOT, 1, 10), (SLD, 1, 12), realized_pnl=77.0, commission=1.0)
    matched = match_fifo(trades).trades
    assert [trade.realized_pnl for trade in trades] == [77.0, 77.0]
    assert matched == [replace(trades[0], realized_pnl=0.0), replace(trades[1], realized_pnl=2.0)]


def test_a_close_at_the_same_price_is_break_even() -> None:
    """The match says that it closes, so that the performance can count it."""
    match = match_fifo(fills((BOT, 1, 10), (SLD, 1, 10), (BOT, 1, 10), (SLD, 1, 11)))
    (found,) = performance_of(match.trades, [make_account()], unit="execution", closing=match.closing)
    assert (found.closed, found.wins, found.losses, found.break_even, found.win_rate) == (2, 1, 0, 1, 1.0)


def test_what_cannot_be_matched_is_refused() -> None:
    """A multiplier that is none, a duplicated execution, a result that float64 cannot hold."""
    trades = fills((BOT, 1, 10), (SLD, 1, 12))
    for multiplier in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="multiplier of SPY"):
            match_fifo(trades, multipliers={"SPY": multiplier})
    with pytest.raises(ValidationError, match="is duplicated"):
        match_fifo([*trades, trades[0]])
    for less_commission in (False, True):
        with pytest.raises(InvalidQueryError, match="beyond the range"):
            match_fifo(fills((BOT, 1e200, -1e200), (SLD, 1e200, 1e200)), less_commission=less_commission)


def reference(trades: Sequence[Trade], multipliers: dict[str, int], *, less_commission: bool) -> list[Fraction]:
    """Match unit by unit: each fill is so many units of a tenth, each of which knows its price and cost."""
    waiting: dict[tuple[str, str], deque[tuple[TradeAction, Fraction, Fraction]]] = {}
    results = []
    for trade in sorted(trades, key=lambda trade: (trade.time, trade.exec_id)):
        queue = waiting.setdefault((trade.account_id, trade.instrument), deque())
        price, units = Fraction(repr(trade.price)), Fraction(repr(trade.quantity)) / UNIT
        assert units.denominator == 1
        cost = Fraction(repr(trade.commission)) / units
        result = Fraction()
        for _ in range(int(units)):
            if queue and queue[0][0] is not trade.action:
                _, entry, entry_cost = queue.popleft()
                gain = price - entry if trade.action is SLD else entry - price
                result += gain * UNIT * multipliers.get(trade.instrument, 1)
                result -= cost + entry_cost if less_commission else 0
            else:
                queue.append((trade.action, price, cost))
        results.append(result)
    return results


FILLS: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.builds(
        dict,
        action=st.sampled_from(TradeAction),
        quantity=st.integers(1, 60).map(lambda tenths: tenths / 10),
        price=st.integers(-500, 20_000).map(lambda cents: cents / 100),
        commission=st.integers(-20, 300).map(lambda cents: cents / 100),
        instrument=st.sampled_from(["SPY", "ES"]),
        account_id=st.sampled_from(["U1", "U2"]),
        time=st.integers(0, 15).map(minutes_later),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(FILLS, st.booleans(), st.randoms())
def test_matching_is_that_of_smallest_units(
    legs: list[dict[str, Any]],
    less_commission: bool,
    random: Random,
) -> None:
    """Every result is the exact one, rounded once, whatever the order in which the fills come."""
    trades = [make_trade(f"{n:03}", **leg) for n, leg in enumerate(legs)]
    random.shuffle(trades)
    multipliers = {"ES": 50}
    expected = reference(trades, multipliers, less_commission=less_commission)
    assert results_of(trades, multipliers=multipliers, less_commission=less_commission) == [*map(float, expected)]


@settings(deadline=None)
@given(FILLS, st.integers(-1000, 30_000))
def test_nothing_is_won_or_lost_by_matching(legs: list[dict[str, Any]], mark_cents: int) -> None:
    """At any price, what was realised and what is open are worth what was paid and received; quantities agree."""
    mark = Fraction(mark_cents, 100)
    trades = [make_trade(f"{n:03}", **leg) for n, leg in enumerate(legs)]
    match = match_fifo(trades)
    signed = [(Fraction(repr(t.quantity)) * (1 if t.action is BOT else -1), Fraction(repr(t.price))) for t in trades]
    cash = sum(-quantity * price for quantity, price in signed)
    position = sum(quantity for quantity, _ in signed)
    lots = [(Fraction(repr(lot.quantity)), Fraction(repr(lot.trade.price))) for lot in match.open_lots]
    realised = sum(Fraction(repr(trade.realized_pnl or 0.0)) for trade in match.trades)
    assert sum(quantity for quantity, _ in lots) == position
    assert realised + sum(quantity * (mark - price) for quantity, price in lots) == cash + position * mark


@settings(deadline=None)
@given(FILLS)
def test_a_position_is_open_on_one_side_only(legs: list[dict[str, Any]]) -> None:
    """And what closed nothing realised nothing."""
    match = match_fifo([make_trade(f"{n:03}", **leg) for n, leg in enumerate(legs)])
    sides: dict[tuple[str, str], set[TradeAction]] = {}
    for lot in match.open_lots:
        sides.setdefault((lot.trade.account_id, lot.trade.instrument), set()).add(lot.trade.action)
        assert 0 < abs(lot.quantity) <= lot.trade.quantity
    assert all(len(side) == 1 for side in sides.values())
    assert all(trade.realized_pnl == 0 for trade in match.trades if trade.exec_id not in match.closing)
