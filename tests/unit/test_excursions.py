"""How far prices went against a position, and for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_plan, make_trade, minutes_later
from zorivest_async import InvalidQueryError, TradeAction, ValidationError
from zorivest_async.analytics import Excursions, Position, PriceBar, excursions, positions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

BOT, SLD = TradeAction.BOT, TradeAction.SLD


def position(side: TradeAction = BOT, *, closed: bool = True, stop: float | None = None, **changes: Any) -> Position:
    """Make a position of 10 at 100, from the minute 10 to the minute 20."""
    trades = [make_trade("1", time=minutes_later(10), action=side, quantity=10, price=100.0, **changes)]
    if closed:
        other = SLD if side is BOT else BOT
        trades.append(make_trade("2", time=minutes_later(20), action=other, quantity=10, price=101.0, **changes))
    plans = [make_plan(linked_trade_id="1", stop_loss=stop)]
    (made,) = positions_of(trades, [make_account()], open=True, plans=plans)
    return made


def bars(*rows: tuple[float, float, float]) -> list[PriceBar]:
    """Make bars: minute, high, low."""
    return [PriceBar(minutes_later(minute), high, low) for minute, high, low in rows]


PRICES: Sequence[tuple[float, float, float]] = [
    (9, 1000.0, 1.0), (10, 102.0, 99.5), (15, 104.5, 98.0), (20, 103.0, 101.0), (21, 1000.0, 1.0),
]  # fmt: skip


def test_the_worst_and_the_best_price_while_it_was_held() -> None:
    """Bars that begin before the entry or after the exit are ignored; a short position is the mirror."""
    assert excursions(position(), bars(*PRICES)) == Excursions("USD", 20.0, 45.0, None, None, 3)
    assert excursions(position(SLD), bars(*PRICES)) == Excursions("USD", 45.0, 20.0, None, None, 3)
    future = position(multiplier=50.0, currency="JPY")
    assert excursions(future, bars(*PRICES)) == Excursions("JPY", 1000.0, 2250.0, None, None, 3)


def test_an_open_position_is_held_until_the_last_bar() -> None:
    """And prices that never went against it make zero."""
    found = excursions(position(closed=False), bars((10, 101.0, 100.5), (60, 102.0, 101.0)))
    assert found == Excursions("USD", 0.0, 20.0, None, None, 2)


def test_excursions_are_per_risk_where_it_is_known() -> None:
    """The plan's stop says how much one R is."""
    assert excursions(position(stop=98.0), bars(*PRICES)) == Excursions("USD", 20.0, 45.0, 1.0, 2.25, 3)


def test_without_a_bar_nothing_is_known() -> None:
    """That is not zero."""
    assert excursions(position(), bars((9, 1.0, 1.0), (21, 1.0, 1.0))) == Excursions("USD", None, None, None, None, 0)


@pytest.mark.parametrize("minutes", [(11, 10), (11, 11), (30, 5)])
def test_bars_out_of_order_are_refused(minutes: Sequence[float]) -> None:
    """So are two of the same time, also outside the holding time."""
    with pytest.raises(InvalidQueryError, match="bars must be in the order of time"):
        excursions(position(), bars(*[(minute, 101.0, 100.0) for minute in minutes]))


@pytest.mark.parametrize(("high", "low"), [(1.0, 2.0), (float("nan"), 1.0), (1.0, float("-inf")), ("2", 1.0)])
def test_a_bar_has_a_high_that_is_not_below_its_low(high: Any, low: Any) -> None:
    """And finite numbers."""
    with pytest.raises(ValidationError, match="PriceBar"):
        PriceBar(minutes_later(1), high, low)


def test_a_position_whose_opening_is_not_known_has_none() -> None:
    """Its entry is not known either."""
    (unknown,) = positions_of([make_trade(action=SLD, realized_pnl=5.0)], [make_account()])
    with pytest.raises(InvalidQueryError, match="opening is not known"):
        excursions(unknown, bars(*PRICES))
