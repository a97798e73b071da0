"""Performance of positions: what is counted, by which groups, beside counts made by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_plan, make_report, make_trade, minutes_later
from zorivest_async import AssetClass, InvalidQueryError, Trade, TradeAction
from zorivest_async.analytics import (
    GroupBy,
    Performance,
    Rates,
    Split,
    Unit,
    equity_curve_of,
    performance_of,
    positions_of,
)
from zorivest_async.analytics.grouping import HOLDING_TIMES

if TYPE_CHECKING:
    from collections.abc import Sequence

ACCOUNTS = [make_account("U1"), make_account("U2"), make_account("E1", currency="EUR")]
BOT, SLD = TradeAction


def fills(*rows: tuple[TradeAction, float, float], instrument: str = "SPY", start: int = 0, **more: Any) -> list[Trade]:
    """Make executions a minute apart, of side, quantity and price, without recorded results."""
    return [
        make_trade(
            f"{instrument}/{start + n}",
            time=minutes_later(start + n),
            instrument=instrument,
            action=side,
            quantity=quantity,
            price=price,
            **{"realized_pnl": None, "commission": 0.0} | more,
        )
        for n, (side, quantity, price) in enumerate(rows)
    ]


def only(trades: Sequence[Trade], **options: Any) -> Performance:
    """Return the one answer about trades."""
    (found,) = performance_of(trades, ACCOUNTS, **options)
    return found


def groups(trades: Sequence[Trade], by: GroupBy, **options: Any) -> dict[Any, float]:
    """Return the result of each group."""
    return {found.group: found.realized_pnl for found in performance_of(trades, ACCOUNTS, by=by, **options)}


WON_IN_PARTS = fills((BOT, 100, 500.0), *[(SLD, 25, 501.0)] * 4)
LOST = fills((BOT, 100, 400.0), (SLD, 100, 399.0), instrument="QQQ", start=10)


def test_a_winner_that_was_sold_in_four_fills_is_one_win() -> None:
    """One won and one lost: the win rate is a half."""
    found = only(WON_IN_PARTS + LOST)
    assert (found.unit, found.closed, found.wins, found.losses, found.win_rate) == (Unit.POSITION, 2, 1, 1, 0.5)
    assert (found.executions, found.realized_pnl, found.expectancy) == (7, 0.0, 0.0)
    assert found.average_holding_time == timedelta(minutes=2, seconds=30)


def test_costs_are_subtracted_once() -> None:
    """Of recorded results too, whether they are before costs or after them; a position may break even by them."""
    bought, sold = fills((BOT, 10, 100.0), (SLD, 10, 101.0), commission=3.0, fees=2.0)
    for recorded, after, net in ((None, None, 0.0), (10.0, False, 0.0), (10.0, None, 0.0), (0.5, True, 0.5)):
        found = only([bought, replace(sold, realized_pnl=recorded, result_after_costs=after)])
        assert (found.realized_pnl, found.commission, found.fees) == (net, 6.0, 4.0)
        assert (found.closed, found.break_even) == (1, int(net == 0))


def test_open_positions_are_not_counted() -> None:
    """Neither their executions nor what they would bring."""
    assert performance_of(fills((BOT, 1, 1.0)), ACCOUNTS) == []
    assert equity_curve_of(fills((BOT, 1, 1.0)), ACCOUNTS) == []
    assert only(WON_IN_PARTS + fills((BOT, 1, 1.0), start=30)).executions == 5


def test_currencies_are_added_only_with_rates() -> None:
    """At the rate of the day of closing; costs in another currency enter only then, too."""
    swedish = fills((BOT, 100, 240.0), (SLD, 100, 250.0), instrument="VOLV", currency="SEK", commission=49.0)
    foreign = fills((BOT, 1, 10.0), (SLD, 1, 30.0), start=20, commission=10.0, commission_currency="SEK")
    found = performance_of(swedish + foreign, ACCOUNTS)
    assert [(one.currency, one.realized_pnl, one.other_costs) for one in found] == [
        ("SEK", 902.0, ()),
        ("USD", 20.0, (("SEK", 20.0),)),
    ]
    rates = Rates("USD", {"SEK": 0.1})
    assert only(swedish + foreign, convert=rates).realized_pnl == 90.2 + 18.0
    (curve,) = equity_curve_of(swedish + foreign, ACCOUNTS, convert=rates)
    assert (curve.currency, curve.values) == ("USD", (90.2, 108.2))
    with pytest.raises(InvalidQueryError, match="no rate"):
        performance_of(swedish, ACCOUNTS, convert=Rates("USD", {}))


def test_a_curve_has_a_point_for_each_closed_position_after_costs() -> None:
    """At its closing; results before costs are asked of executions."""
    (curve,) = equity_curve_of(WON_IN_PARTS + LOST, ACCOUNTS)
    assert (curve.unit, curve.less_commission) == (Unit.POSITION, True)
    assert (curve.times, curve.values) == ((minutes_later(4), minutes_later(11)), (100.0, 0.0))
    with pytest.raises(InvalidQueryError, match="after costs"):
        equity_curve_of(LOST, ACCOUNTS, less_commission=False)
    assert performance_of(LOST, ACCOUNTS, closing=()) == performance_of(LOST, ACCOUNTS)


def test_groups_of_time() -> None:
    """Day, week, month and weekday of the closing, and the hour of the opening; in the zone, over both changes."""
    for closing, offset in (
        (datetime(2024, 3, 10, 3, 59, tzinfo=UTC), 5),
        (datetime(2024, 11, 3, 3, 59, tzinfo=UTC), 4),
    ):
        opened, closed = closing - timedelta(hours=6), closing
        (bought, sold) = fills((BOT, 1, 1.0), (SLD, 1, 2.0))
        trades = [replace(bought, time=opened), replace(sold, time=closed)]
        zone: dict[str, Any] = {"time_zone": "America/New_York"}
        local = closed - timedelta(hours=offset)
        day = local.date()
        assert groups(trades, GroupBy.DAY, **zone) == {day: 1.0}
        assert groups(trades, GroupBy.WEEK, **zone) == {day - timedelta(days=5): 1.0}
        assert groups(trades, GroupBy.MONTH, **zone) == {day.replace(day=1): 1.0}
        assert groups(trades, GroupBy.WEEKDAY, **zone) == {6: 1.0}
        assert groups(trades, GroupBy.WEEKDAY, session_start=time(18), **zone) == {7: 1.0}
        assert groups(trades, GroupBy.HOUR, **zone) == {(opened - timedelta(hours=offset)).hour: 1.0}
        with pytest.raises(InvalidQueryError, match="time zone"):
            performance_of(trades, ACCOUNTS, by=GroupBy.HOUR)


def test_groups_of_what_was_traded() -> None:
    """Instrument, asset class, account and side of the opening; what is not known comes last."""
    option = fills((SLD, 1, 3.0), (BOT, 1, 1.0), instrument="C", multiplier=100.0, asset_class=AssetClass.OPTION)
    other = fills((BOT, 1, 1.0), (SLD, 1, 2.0), start=9, account_id="U2")
    trades = option + other
    assert [*groups(trades, GroupBy.INSTRUMENT).items()] == [("C", 200.0), ("SPY", 1.0)]
    assert [*groups(trades, GroupBy.ASSET_CLASS).items()] == [(AssetClass.OPTION, 200.0), (None, 1.0)]
    assert groups(trades, GroupBy.ACCOUNT) == {"U1": 200.0, "U2": 1.0}
    assert groups(trades, GroupBy.SIDE) == {SLD: 200.0, BOT: 1.0}


def test_groups_of_reports_and_plans_overlap() -> None:
    """A position counts in each of its tags, strategies and reviews, once; the total is that without a grouping."""
    trades = WON_IN_PARTS + LOST
    reports = [
        make_report("SPY/0", tags=("gap", "late"), setup_quality=5, followed_plan=True, emotional_state="calm"),
        make_report("SPY/3", tags=("gap",), setup_quality=2, execution_quality=None, followed_plan=True),
        make_report("QQQ/11", tags=(), setup_quality=None, execution_quality=1, followed_plan=False),
    ]
    plans = [
        make_plan(strategy_name=name, linked_trade_id=linked, stop_loss=stop)
        for name, linked, stop in (("opening", "SPY/0", 499.5), ("trend", "SPY/2", None), ("trend", "QQQ/10", 398.0))
    ]
    more: dict[str, Any] = {"reports": reports, "plans": plans}
    assert groups(trades, GroupBy.TAG, **more) == {"gap": 100.0, "late": 100.0, None: -100.0}
    assert groups(trades, GroupBy.STRATEGY, **more) == {"opening": 100.0, "trend": 0.0}
    assert groups(trades, GroupBy.SETUP_QUALITY, **more) == {2: 100.0, 5: 100.0, None: -100.0}
    assert groups(trades, GroupBy.EXECUTION_QUALITY, **more)[1] == -100.0
    assert groups(trades, GroupBy.FOLLOWED_PLAN, **more) == {False: -100.0, True: 100.0}
    assert groups(trades, GroupBy.EMOTIONAL_STATE, **more)["calm"] == 100.0
    assert groups(trades, GroupBy.R_MULTIPLE, **more) == {-1: -100.0, 2: 100.0}
    total = only(trades, **more)
    assert (total.realized_pnl, total.average_r) == (0.0, 0.75)


@pytest.mark.parametrize("shortest", HOLDING_TIMES)
def test_groups_of_holding_times_begin_where_they_say(shortest: timedelta) -> None:
    """A position of exactly that time is in the group, and one of a microsecond less is in the one before."""
    bought, sold = fills((BOT, 1, 1.0), (SLD, 1, 2.0))
    assert groups([bought, replace(sold, time=bought.time + shortest)], GroupBy.HOLDING_TIME) == {shortest: 1.0}
    if shortest:
        before = replace(sold, time=bought.time + shortest - timedelta(microseconds=1))
        assert groups([bought, before], GroupBy.HOLDING_TIME) != {shortest: 1.0}


def test_a_split_and_a_rule_of_matching_change_what_they_should() -> None:
    """Both reach the positions."""
    trades = fills((BOT, 10, 1000.0), (SLD, 100, 110.0))
    splits = [Split("SPY", minutes_later(1), 10)]
    assert only(trades, splits=splits).realized_pnl == 1000.0
    assert performance_of(trades, ACCOUNTS, by=GroupBy.SIDE, splits=splits, method="average")[0].group == BOT


@pytest.mark.parametrize("seed", range(20))
def test_sums_are_those_of_the_positions(seed: int) -> None:
    """Whatever the book: counts, sums and averages, from the positions and fractions."""
    random = Random(seed)  # noqa: S311 - the same every time
    trades = [
        make_trade(
            f"{n}",
            time=minutes_later(random.randrange(0, 3000)),
            instrument=random.choice(["SPY", "QQQ"]),
            account_id=random.choice(["U1", "E1"]),
            action=random.choice([BOT, SLD]),
            quantity=random.randrange(1, 4),
            price=random.randrange(100, 200) / 10,
            commission=random.randrange(-5, 50) / 100,
            realized_pnl=None,
        )
        for n in range(200)
    ]
    closed = [position for position in positions_of(trades, ACCOUNTS) if position.closed is not None]
    answers = performance_of(trades, ACCOUNTS, by=GroupBy.DAY, time_zone="America/New_York")
    assert sum(answer.closed for answer in answers) == len(closed)
    assert {answer.currency for answer in answers} == {position.currency for position in closed}
    for answer in answers:
        mine = [
            position
            for position in closed
            if position.currency == answer.currency and _new_york(position.closed) == answer.group
        ]
        nets = [Fraction(repr(position.net)) for position in mine]
        assert (answer.wins, answer.losses) == (sum(n > 0 for n in nets), sum(n < 0 for n in nets))
        assert answer.realized_pnl == float(sum(nets))
        assert answer.expectancy == float(sum(nets) / len(nets))
        assert answer.commission == float(sum(Fraction(repr(position.commission)) for position in mine))
        assert answer.executions == sum(position.executions for position in mine)
    assert Counter(answer.by for answer in answers) == {GroupBy.DAY: len(answers)}


def _new_york(moment: datetime | None) -> date:
    assert moment is not None
    return (moment - timedelta(hours=5 if moment < datetime(2024, 3, 10, 7, tzinfo=UTC) else 4)).date()
