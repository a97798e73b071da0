"""Numbers, texts and moments go through the file unchanged, to the last bit."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from factories import make_trade
from zorivest_async import Trade, TradeAction, TradeFilter

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False) | st.decimals(1, 9_999, places=2)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: not text.isspace()
)
ZONES: Any = (
    st.none() | st.just(UTC) | st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001
TRADES = st.builds(
    Trade, TEXTS, MOMENTS, TEXTS, st.sampled_from(TradeAction), POSITIVE, NUMBERS, st.just("U1"), NUMBERS, NUMBERS
)
SMALLEST, LARGEST = 5e-324, math.nextafter(math.inf, 0)


def bits(trade: Trade) -> bytes:
    """Return the numbers of a trade as they are in memory."""
    return struct.pack("<4d", trade.quantity, trade.price, trade.commission, trade.realized_pnl)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trades=st.lists(TRADES, min_size=1, max_size=8, unique_by=lambda trade: trade.exec_id))
@example([make_trade(quantity=SMALLEST, price=-LARGEST, commission=0.1 + 0.2, realized_pnl=2.0**53 - 1)])
@example(
    [make_trade(quantity=Decimal("0.1"), price=-0.0, commission=Decimal("123456789.012345"), realized_pnl=-SMALLEST)]
)
@example([make_trade(time=datetime.min.replace(tzinfo=UTC)), make_trade("2", time=datetime.max.replace(tzinfo=UTC))])
@example([make_trade("\x01\x1f\x7f\u200b\u2028\ufeff\uffff"), make_trade("e\u0301"), make_trade("\u00e9")])
async def test_any_trade_comes_back_as_it_was(journal: Journal, trades: list[Trade]) -> None:
    """Each value as it was normalised on construction, whether saved one by one or in bulk, and however it is read."""
    half = len(trades) // 2
    async with journal.unit_of_work() as uow:
        for stored in await uow.trades.list_all(None):
            await uow.trades.delete(stored.exec_id)
        for trade in trades[:half]:
            await uow.trades.save(trade)
        await uow.trades.save_many(trades[half:])
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        for trade in trades:
            found = await uow.trades.get_one(trade.exec_id)
            assert found == trade
            assert bits(found) == bits(trade)
            assert found.time.tzinfo is UTC
        listed = await uow.trades.list_filtered(TradeFilter(), "exec_id", limit=None)
        assert listed == sorted(trades, key=lambda trade: trade.exec_id)
        assert [bits(trade) for trade in listed] == [bits(found) for found in sorted(trades, key=lambda t: t.exec_id)]


@pytest.mark.parametrize("field", ["quantity", "price", "commission", "realized_pnl"])
@pytest.mark.parametrize("number", [1, 100.0, 2**53, Decimal("19.99"), 1e16, 1.0])
async def test_a_whole_number_is_read_as_a_float(journal: Journal, field: str, number: Any) -> None:
    """SQLite keeps whole numbers as integers in its file; they come back as what the entity has."""
    async with journal.unit_of_work() as uow:
        await uow.trades.update(make_trade("0001", **{field: number}))
        found = getattr(await uow.trades.get("0001"), field)
    assert type(found) is float
    assert found == float(number)


async def test_text_that_looks_like_a_number_stays_text(journal: Journal) -> None:
    """Leading zeros, exponents and signs are part of an identifier."""
    names = ["007", "7", "7.0", "1e3", "1000", "+7", "0x7", "-0", "9" * 30, "NaN"]
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many([make_trade(name, instrument=name) for name in names])
        for name in names:
            found = await uow.trades.get_one(name)
            assert (found.exec_id, found.instrument) == (name, name)
            assert await uow.trades.list_filtered(TradeFilter(instrument=name)) == [found]
