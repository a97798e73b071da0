"""Positions of trades at hand, rule by rule."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from factories import OPENING_BELL, make_account, make_plan, make_report, make_trade, minutes_later
from zorivest_async import (
    AssetClass,
    InvalidQueryError,
    NotFoundError,
    Trade,
    TradeAction,
    TradeFilter,
    ValidationError,
)
from zorivest_async.analytics import Position, Positions, Rates, ResultSource, Review, Split, positions_of
from zorivest_async.domain.entities import SequencedTrade

if TYPE_CHECKING:
    from collections.abc import Sequence

BOT, SLD = TradeAction.BOT, TradeAction.SLD
ACCOUNTS = [make_account("U1"), make_account("E1", currency="EUR")]


def fills(*legs: tuple[TradeAction, float, float], **changes: Any) -> list[Trade]:
    """Make fills a minute apart: side, quantity, price."""
    return [
        make_trade(f"{n:03}", time=minutes_later(n), action=action, quantity=quantity, price=price, **changes)
        for n, (action, quantity, price) in enumerate(legs)
    ]


def fold(trades: Sequence[Trade], **options: Any) -> Positions:
    """Return all positions, open ones included."""
    return positions_of(trades, ACCOUNTS, **{"open": True} | options)


def test_an_order_filled_in_parts_is_one_position() -> None:
    """One round trip that was won and one that was lost are two positions, however many fills they have."""
    winner = fills((BOT, 100, 500.0), *[(SLD, 25, 501.0)] * 4, commission=0.25)
    loser = [
        make_trade("100", instrument="QQQ", time=minutes_later(10), action=BOT, quantity=100, price=400.0),
        make_trade("101", instrument="QQQ", time=minutes_later(11), action=SLD, quantity=100, price=399.0),
    ]
    won, lost = positions_of([*winner, *loser], ACCOUNTS)
    assert won == Position(
        "U1", "SPY", "USD", None, 1.0, BOT, OPENING_BELL, minutes_later(4), 100.0, 0.0, 500.0, 501.0, None,
        100.0, 1.25, 0.0, 98.75, (), ResultSource.MATCHED, 5, ("000", "001", "002", "003", "004"),
    )  # fmt: skip
    assert won.holding_time == timedelta(minutes=4)
    assert (lost.gross, lost.executions, lost.side) == (-100.0, 2, BOT)


def test_a_short_position_wins_when_it_is_bought_back_lower() -> None:
    """What is left of it is open, below zero."""
    (found,) = fold(fills((SLD, 3, 50.0), (BOT, 2, 45.0)))
    assert (found.side, found.closed, found.quantity, found.open_quantity) == (SLD, None, 3.0, -1.0)
    assert (found.average_entry, found.average_exit, found.average_open, found.gross) == (50.0, 45.0, 50.0, 10.0)
    assert found.holding_time is None


def test_an_execution_through_zero_serves_two_positions() -> None:
    """Its costs are split by quantity, in whatever currency they are, and the sum of both is exact."""
    first, flip, last = fills((BOT, 1, 10.0), (SLD, 3, 12.0), (BOT, 2, 11.0))
    flip = make_trade("001", time=flip.time, action=SLD, quantity=3, price=12, commission=0.3, fees=0.1)
    long, short = fold([first, flip, last])
    assert (long.gross, long.commission, long.fees, long.net) == (2.0, 0.1, 0.1 / 3, 2 - 0.4 / 3)
    assert (short.gross, short.commission, short.fees) == (2.0, 0.2, 0.2 / 3)
    assert (long.exec_ids, short.exec_ids) == (("000", "001"), ("001", "002"))
    assert (short.opened, short.closed) == (minutes_later(1), minutes_later(2))
    flip = make_trade("001", time=flip.time, action=SLD, quantity=3, price=12, commission=3, commission_currency="SEK")
    long, short = fold([first, flip, last])
    assert (long.other_costs, short.other_costs) == ((("SEK", 1.0),), (("SEK", 2.0),))
    assert (long.net, short.net) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("method", "gross", "average_open"), [("fifo", 20.0, 120.0), ("lifo", 0.0, 100.0), ("average", 10.0, 110.0)]
)
def test_the_method_says_what_is_open(method: str, gross: float, average_open: float) -> None:
    """Of what is closed in full, every method makes the same result."""
    part = fills((BOT, 1, 100.0), (BOT, 1, 120.0), (SLD, 1, 120.0))
    (found,) = fold(part, method=method, prices={"SPY": 130.0})
    assert (found.gross, found.average_open, found.average_entry) == (gross, average_open, 110.0)
    assert (found.market_value, found.unrealized) == (130.0, 130.0 - average_open)
    (found,) = fold([*part, make_trade("9", time=minutes_later(9), action=SLD, quantity=1, price=130.0)], method=method)
    assert (found.gross, found.average_open, found.market_value) == (30.0, None, None)


def test_a_contract_is_worth_its_multiplier() -> None:
    """In results, in market values and in risks."""
    plan = make_plan(linked_trade_id="000", stop_loss=4990.25)
    trades = fills((BOT, 2, 5000.25), (SLD, 1, 5001.75), instrument="ESZ4", multiplier=50.0)
    (found,) = fold(trades, prices={"ESZ4": 5002.25}, plans=[plan])
    assert (found.multiplier, found.gross, found.market_value, found.unrealized) == (50.0, 75.0, 250_112.5, 100.0)
    assert (found.risk, found.r_multiple) == (1000.0, None)


def test_an_option_that_expires_is_closed_at_zero() -> None:
    """Bought, it loses its price; sold, it wins it; assigned, its shares open a position of their own."""
    option: dict[str, Any] = {"instrument": "SPY C500", "multiplier": 100.0, "asset_class": AssetClass.OPTION}
    (long,) = fold(fills((BOT, 2, 1.5), (SLD, 2, 0.0), **option))
    (short,) = fold(fills((SLD, 2, 1.5), (BOT, 2, 0.0), **option))
    assert (long.gross, short.gross, long.average_exit) == (-300.0, 300.0, 0.0)
    shares = make_trade("9", time=minutes_later(1), action=SLD, quantity=200, price=500.0, asset_class=AssetClass.STOCK)
    assigned, sold = fold([*fills((SLD, 2, 1.5), (BOT, 2, 0.0), **option), shares])
    assert (assigned.gross, sold.open_quantity, sold.average_open) == (300.0, -200.0, 500.0)


def test_a_split_changes_units_and_no_amounts() -> None:
    """What was opened before it is in new units from its time on; executions at its time are in new units, too."""
    trades = fills((BOT, 10, 1000.0), (SLD, 100, 110.0), instrument="NV")
    (found,) = fold(trades, splits=[Split("NV", minutes_later(1), 10), Split("SPY", minutes_later(1), 7)])
    assert (found.gross, found.quantity, found.average_entry, found.average_exit) == (1000.0, 100.0, 100.0, 110.0)
    third = Split("NV", minutes_later(0.5), 3)
    (found,) = fold(trades[:1], splits=[third], prices={"NV": 400.0}, method="lifo")
    assert (found.open_quantity, found.average_open, found.unrealized) == (30.0, 1000 / 3, 2000.0)
    (found,) = fold(fills((BOT, 10, 900.0), (SLD, 15, 310.0)), splits=[Split("SPY", minutes_later(0.5), 3)])
    assert (found.gross, found.open_quantity, found.average_open) == (150.0, 15.0, 300.0)


def test_a_reverse_split_that_no_decimal_expresses_is_exact_as_a_fraction() -> None:
    """Three old units are exactly one."""
    from fractions import Fraction  # noqa: PLC0415

    trades = fills((BOT, 300, 10.0), (SLD, 100, 33.0))
    (found,) = fold(trades, splits=[Split("SPY", minutes_later(1), Fraction(1, 3))])
    assert (found.open_quantity, found.gross, found.closed) == (0.0, 300.0, minutes_later(1))


@pytest.mark.parametrize("ratio", [0, -2, float("nan"), float("inf"), True, "2"])
def test_a_split_has_a_ratio_above_zero(ratio: Any) -> None:
    """Anything else is refused when it is made."""
    with pytest.raises(ValidationError, match="ratio"):
        Split("SPY", OPENING_BELL, ratio)


def test_what_is_left_open_is_known_from_elsewhere() -> None:
    """The account's currency, and the only asset class of the instrument in the account."""
    trades = [
        make_trade("1", account_id="E1", asset_class=AssetClass.ETF),
        make_trade("2", account_id="E1", currency="EUR", action=SLD, time=minutes_later(1)),
        make_trade("3", action=SLD, time=minutes_later(2)),
    ]
    closed, still_open = fold(trades)
    assert (closed.currency, closed.asset_class, closed.closed) == ("EUR", "etf", minutes_later(1))
    assert (still_open.currency, still_open.asset_class) == ("USD", None)
    ambiguous = make_trade("4", account_id="E1", asset_class=AssetClass.CFD, time=minutes_later(3))
    assert [position.asset_class for position in fold([*trades, ambiguous])] == ["etf", None, None, "cfd"]


def test_currencies_asset_classes_and_multipliers_are_apart() -> None:
    """Nothing is closed across them, and nothing is added up."""
    sides = [(BOT, "USD", AssetClass.STOCK), (SLD, "CAD", AssetClass.STOCK), (SLD, "USD", AssetClass.CFD)]
    trades = [
        make_trade(f"{n}", time=minutes_later(n), action=side, currency=currency, asset_class=kind)
        for n, (side, currency, kind) in enumerate(sides)
    ]
    assert [position.closed for position in fold(trades)] == [None, None, None]
    trades = [make_trade("1", multiplier=10.0), make_trade("2", action=SLD, time=minutes_later(1), multiplier=5.0)]
    found = fold(trades)
    assert [position.closed for position in found] == [None, None]
    assert [(c.account_id, c.instrument, c.asset_class, c.multipliers) for c in found.conflicts] == [
        ("U1", "SPY", None, (5.0, 10.0))
    ]
    assert repr(found) == "Positions(2 positions, 2 open, 1 conflicts)"


@pytest.mark.parametrize(
    ("results", "source", "gross", "net"),
    [
        ([(50.0, None), (49.0, False)], "recorded", 99.0, 96.0),
        ([(50.0, True), (49.0, True)], "recorded", 102.0, 99.0),
        ([(50.0, None), (None, None)], "matched", 100.0, 97.0),
        ([(0.0, None), (0.0, None)], "matched", 100.0, 97.0),
        ([(99.0, None), (0.0, None)], "recorded", 99.0, 96.0),
        ([(0.0, False), (0.0, False)], "recorded", 0.0, -3.0),
        ([(0.0, True), (0.0, True)], "recorded", 3.0, 0.0),
        ([(0.0, False), (0.0, None)], "matched", 100.0, 97.0),
        ([(50.0, True), (49.0, None)], "matched", 100.0, 97.0),
    ],
)
def test_a_result_is_recorded_by_all_closing_executions_or_matched(
    results: list[tuple[float | None, bool | None]], source: str, gross: float, net: float
) -> None:
    """Costs are subtracted once; zero counts where the source states it, or another one is not zero."""
    opening = make_trade("1", quantity=100, price=500.0, commission=1.0, realized_pnl=None)
    closing = [
        make_trade(
            f"{n}", time=minutes_later(n), action=SLD, quantity=50, price=501.0, commission=0.75, fees=0.25,
            realized_pnl=result, result_after_costs=after,
        )
        for n, (result, after) in enumerate(results, 2)
    ]  # fmt: skip
    (found,) = fold([opening, *closing])
    assert (found.result_source, found.gross, found.net) == (source, gross, net)
    assert (found.commission, found.fees) == (2.5, 0.5)


def test_a_recorded_result_after_costs_leaves_the_costs_of_what_is_open() -> None:
    """They are subtracted from the net result as they are where results are matched."""
    opening = make_trade("1", quantity=100, price=500.0, commission=1.0, realized_pnl=None)
    part = make_trade(
        "2", time=minutes_later(1), action=SLD, quantity=25, price=501.0, commission=0.5, realized_pnl=24.25,
        result_after_costs=True,
    )  # fmt: skip
    for method in ("fifo", "lifo", "average"):
        (found,) = fold([opening, part], method=method)
        assert (found.result_source, found.gross, found.commission, found.net) == ("recorded", 25.0, 1.5, 23.5)


def test_results_of_closings_alone_are_positions_whose_opening_is_not_known() -> None:
    """The journal begins later than the account: three results in three currencies, and no short positions."""
    trades = [
        make_trade(f"{n}", time=minutes_later(n), instrument=name, currency=currency, action=SLD, realized_pnl=result)
        for n, (name, currency, result) in enumerate(
            [("VOLV", "SEK", 1000.0), ("7203", "JPY", -30_000.0), ("SPY", "USD", 400.0)]
        )
    ]
    found = fold(trades)
    assert [(p.currency, p.gross, p.side, p.opened, p.average_entry) for p in found] == [
        ("SEK", 1000.0, BOT, None, None), ("JPY", -30_000.0, BOT, None, None), ("USD", 400.0, BOT, None, None),
    ]  # fmt: skip
    assert [p.holding_time for p in found] == [None, None, None]
    rates = Rates("USD", {"SEK": 0.095, "JPY": 0.0067})
    total = sum(p.net * float(rates.rate(p.currency, p.closed.date())) for p in found if p.closed)
    assert total == pytest.approx(294)


@pytest.mark.parametrize(
    "opening",
    [
        {"realized_pnl": -1.25, "commission": 1.0, "fees": 0.25},  # some brokers book the costs of an opening so
        {"realized_pnl": 5.0, "time": minutes_later(1)},  # what follows at the same time closes it
        {"realized_pnl": None},
    ],
)
def test_a_result_that_is_no_closing_opens_a_position(opening: dict[str, Any]) -> None:
    """Its own costs, or another side at the same time, tell."""
    closing = make_trade("2", time=minutes_later(1), action=SLD, realized_pnl=None)
    (found,) = fold([make_trade("1", **opening), closing])
    assert (found.executions, found.opened is None, found.result_source) == (2, False, "matched")


def test_executions_of_one_time_are_in_the_order_of_their_source_then_of_numbers() -> None:
    """Two are before ten; a place in the source goes before identifiers; what has none comes last."""
    bought = [make_trade(f"S/{n}", quantity=1, price=100.0 + n) for n in range(1, 12)]
    sold = make_trade("T", time=minutes_later(1), action=SLD, quantity=2, price=120.0)
    (found,) = fold([sold, *reversed(bought)])
    assert found.gross == (120 - 101) + (120 - 102)
    fields: list[dict[str, Any]] = [{name: getattr(fill, name) for name in Trade.__match_args__} for fill in bought]
    placed = [SequencedTrade(**values, sequence=12 - n) for n, values in enumerate(fields, 1)]
    last = make_trade("S/0", quantity=1, price=1.0)
    (found,) = fold([*placed, last, sold])
    assert found.exec_ids == (*(f"S/{n}" for n in range(11, 0, -1)), "S/0", "T")


@pytest.mark.parametrize(
    ("side", "stop", "risk", "r_multiple"),
    [
        (BOT, 490.0, 1000.0, 2.0), (BOT, 500.0, None, None), (BOT, 510.0, None, None), (BOT, None, None, None),
        (SLD, 510.0, 1000.0, -2.0), (SLD, 490.0, None, None),
    ],
)  # fmt: skip
def test_r_is_the_result_per_what_the_stop_risked(
    side: TradeAction, stop: float | None, risk: float | None, r_multiple: float | None
) -> None:
    """A stop on the wrong side of the entry is none."""
    trades = fills((side, 100, 500.0), (SLD if side is BOT else BOT, 100, 520.0))
    plans = [make_plan(linked_trade_id="absent", stop_loss=1), make_plan(stop_loss=2)]
    (found,) = fold(trades, plans=[*plans, make_plan(linked_trade_id="000", stop_loss=stop)])
    assert (found.risk, found.r_multiple) == (risk, r_multiple)


def test_the_first_stop_on_the_losing_side_counts_in_its_own_units() -> None:
    """One that was set before a split is converted."""
    plans = [
        make_plan(linked_trade_id="000", stop_loss=stop, strategy_name=name) for stop, name in ((600, "a"), (400, "b"))
    ]
    plans.append(make_plan(linked_trade_id="001", stop_loss=1, strategy_name="a"))
    trades = fills((BOT, 10, 500.0), (SLD, 100, 70.0))
    (found,) = fold(trades, plans=plans, splits=[Split("SPY", minutes_later(1), 10)])
    assert (found.risk, found.r_multiple, found.strategies) == (1000.0, 2.0, ("a", "b"))


def test_reports_of_any_execution_belong_to_the_position() -> None:
    """Each tag once; an execution that serves two positions brings its report to both."""
    trades = fills((BOT, 1, 10.0), (SLD, 2, 12.0), (BOT, 1, 11.0))
    reports = [make_report("000", tags=("a", "b")), make_report("001", tags=("b", "c"), followed_plan=False)]
    long, short = fold(trades, reports=reports)
    assert (long.tags, short.tags) == (("a", "b", "c"), ("b", "c"))
    assert short.reviews == (Review("001", 4, None, False, None, ("b", "c")),)
    assert [*positions_of(trades, ACCOUNTS, reports=reports, trade_filter=TradeFilter(tag="a"))] == [long]


def test_costs_in_other_currencies_are_subtracted_at_the_rates_that_are_given() -> None:
    """On the UTC day of the closing; a result that is after costs has them already."""
    night = datetime(2024, 3, 8, 23, 30, tzinfo=UTC)
    costs: dict[str, Any] = {"currency": "SEK", "commission": 2.0, "fees": 0.5, "commission_currency": "USD"}
    trades = [
        make_trade("1", time=night, quantity=10, price=100.0, **costs),
        make_trade("2", time=night + timedelta(hours=1), action=SLD, quantity=10, price=110.0, **costs),
    ]
    (found,) = fold(trades)
    assert (found.other_costs, found.commission, found.net) == ((("USD", 5.0),), 0.0, 100.0)
    days: list[Any] = []

    def rate(currency: str, day: Any) -> float:
        days.append((currency, day.isoformat()))
        return 0.1

    (found,) = fold(trades, convert=Rates("USD", rate))
    assert (found.net, found.gross, days) == (50.0, 100.0, [("SEK", "2024-03-09")])
    recorded = make_trade(
        "2", time=trades[1].time, action=SLD, quantity=10, realized_pnl=60.0, result_after_costs=True, **costs
    )
    (found,) = fold([trades[0], recorded], convert=Rates("USD", rate))
    assert (found.net, found.gross) == (60.0, 60.0)


@pytest.mark.parametrize(
    "source", [{}, {"SEK": {}}, {"SEK": 0.0}, {"SEK": float("nan")}, lambda *_: None, lambda *_: -1]
)
def test_a_rate_that_is_missing_is_an_error(source: Any) -> None:
    """It names the currency and the day in its key, not in its message."""
    day = OPENING_BELL.date()
    with pytest.raises(InvalidQueryError, match="rate") as caught:
        Rates("USD", source).rate("SEK", day)
    assert caught.value.key == ("SEK", day)
    assert "SEK" not in str(caught.value)
    assert Rates("USD", source).rate("USD", day) == 1
    with pytest.raises(ValidationError):
        Rates("$", source)


def test_bad_arguments_are_typed_errors() -> None:
    """Each says what to do."""
    trades = fills((BOT, 1, 10.0), (SLD, 1, 12.0))
    with pytest.raises(InvalidQueryError, match="method must be one of: fifo, lifo, average"):
        fold(trades, method="hifo")
    with pytest.raises(ValidationError, match="is duplicated"):
        fold([*trades, trades[0]])
    with pytest.raises(NotFoundError):
        positions_of(trades, [make_account("other")])
    with pytest.raises(InvalidQueryError, match="beyond the range"):
        fold(fills((BOT, 1e200, -1e200), (SLD, 1e200, 1e200)))


def test_positions_are_a_sequence() -> None:
    """They have a length, indices and slices, and are compared by value."""
    found = fold(fills((BOT, 1, 10.0), (SLD, 2, 12.0)))
    assert (len(found), found[0].open_quantity, found[-1].open_quantity) == (2, 0.0, -1.0)
    assert found[:1] == (found[0],)
    assert found == fold(fills((BOT, 1, 10.0), (SLD, 2, 12.0)))
    assert len(positions_of(fills((BOT, 1, 10.0), (SLD, 2, 12.0)), ACCOUNTS)) == 1


@pytest.mark.parametrize("rate", ["0.095", True, 10**400, math.nan, math.inf, -1, 0, [1], object()])
def test_a_rate_that_is_no_number_above_zero_is_refused(rate: Any) -> None:
    """From a mapping or a function alike; the key says which rate."""
    day = date(2024, 3, 8)
    for source in ({"SEK": rate}, {"SEK": {day: rate}}, lambda _currency, _day: rate):
        with pytest.raises(InvalidQueryError, match="a rate must be a finite number above zero") as caught:
            Rates("USD", source).rate("SEK", day)
        assert caught.value.key == ("SEK", day)


@pytest.mark.parametrize("wrong", [None, 5])
def test_what_is_neither_rates_nor_splits_is_refused(wrong: Any) -> None:
    """Before anything is folded."""
    with pytest.raises(ValidationError, match="mapping of currencies"):
        Rates("USD", wrong)
    with pytest.raises(InvalidQueryError, match="iterable of Split"):
        positions_of([], [], splits=wrong)
