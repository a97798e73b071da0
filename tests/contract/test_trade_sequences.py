"""The position of an execution in its source: stored beside it, kept by updates that do not know it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_trade, make_trades
from zorivest_async import DuplicateError, ForeignKeyError, NotFoundError, SqlAlchemyUnitOfWork, Trade, ValidationError
from zorivest_async.domain.entities import SequencedTrade

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio


def sequenced(trade: Trade, sequence: int | None) -> SequencedTrade:
    """Return a trade with its position."""
    values: dict[str, Any] = {field.name: getattr(trade, field.name) for field in fields(Trade)}
    return SequencedTrade(**values, sequence=sequence)


async def sequences(uow: SqlAlchemyUnitOfWork) -> dict[str, int | None]:
    """Return what is stored."""
    return {row.exec_id: row.sequence for row in await uow.rows.page(SequencedTrade)}


@pytest.mark.parametrize("on_duplicate", ["error", "skip", "update"])
async def test_it_is_stored_with_the_trade(journal: Journal, on_duplicate: Any) -> None:
    """In bulk, mixed with trades without one; what is read are plain trades."""
    trades = make_trades(60, first=10)
    mixed = [sequenced(trade, n) if n % 20 < 15 else trade for n, trade in enumerate(trades, 1)]
    async with journal.unit_of_work() as uow:
        result = await uow.trades.save_many(mixed, on_duplicate=on_duplicate)
        assert (result.inserted, result.skipped, result.updated) == (60, 0, 0)
        stored = await sequences(uow)
        assert stored == {"0001": None} | {
            trade.exec_id: n if n % 20 < 15 else None for n, trade in enumerate(trades, 1)
        }
        found = await uow.trades.get_many([trade.exec_id for trade in trades])
        assert [found[trade.exec_id] for trade in trades] == trades
        assert {type(trade) for trade in found.values()} == {Trade}


async def test_one_that_is_saved_alone_keeps_it(journal: Journal) -> None:
    """And an update sets it."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(sequenced(make_trade("a"), 7))
        assert (await sequences(uow))["a"] == 7
        await uow.trades.update(sequenced(make_trade("a", price=2), 8))
        assert ((await sequences(uow))["a"], (await uow.trades.get_one("a")).price) == (8, 2)
        await uow.trades.update(sequenced(make_trade("a", currency="EUR"), None))
        assert (await sequences(uow))["a"] is None
        with pytest.raises(NotFoundError):
            await uow.trades.update(sequenced(make_trade("gone"), 1))
        with pytest.raises(ForeignKeyError, match="its account is not stored"):
            await uow.trades.update(sequenced(make_trade("a", account_id="gone"), 9))
        with pytest.raises(ForeignKeyError, match="its account is not stored"):
            await uow.trades.save(sequenced(make_trade("b", account_id="gone"), 9))
        with pytest.raises(DuplicateError):
            await uow.trades.save(sequenced(make_trade("a"), 9))
        assert await sequences(uow) == {"0001": None, "a": None}


async def test_a_plain_trade_leaves_it_as_it_is(journal: Journal) -> None:
    """Whichever way it is updated; a sequenced one overwrites it."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many([sequenced(make_trade("a"), 7)])
        plain = make_trade("a", price=2)
        await uow.trades.update(plain)
        await uow.trades.save_many([plain], on_duplicate="update")
        await uow.trades.save_many([sequenced(plain, 9)], on_duplicate="skip")
        assert (await sequences(uow))["a"] == 7
        await uow.trades.save_many([sequenced(plain, 9)], on_duplicate="update")
        assert (await sequences(uow))["a"] == 9


@pytest.mark.parametrize("place", [0, 24, 25, 26, 60, 89])
@pytest.mark.parametrize("kind", ["plain", "sequenced"])
async def test_a_duplicate_is_named_wherever_it_is(journal: Journal, place: int, kind: str) -> None:
    """Rows are sent many at a time; the error names the one that is stored already, and none of them is stored."""
    trades = make_trades(90, first=100)
    trades[place] = replace(trades[place], exec_id="0001")
    saved = [sequenced(trade, n) for n, trade in enumerate(trades, 1)] if kind == "sequenced" else trades
    async with journal.unit_of_work() as uow:
        with pytest.raises(DuplicateError) as caught:
            await uow.trades.save_many(saved)
        assert (caught.value.entity, caught.value.key) == ("Trade", "0001")
        assert await uow.rows.count(Trade) == 1


@pytest.mark.parametrize("on_duplicate", ["error", "skip", "update"])
async def test_a_missing_account_is_named_among_many(journal: Journal, on_duplicate: Any) -> None:
    """Whatever is done with duplicates."""
    trades = make_trades(90, first=100)
    trades[40] = replace(trades[40], account_id="gone")
    async with journal.unit_of_work() as uow:
        with pytest.raises(ForeignKeyError, match="its account is not stored; save the account first"):
            await uow.trades.save_many(trades, on_duplicate=on_duplicate)
        assert await uow.rows.count(Trade) == 1


async def test_rows_are_written_as_one_class(journal: Journal) -> None:
    """Plain trades without a position, sequenced ones with it; a mixture would lose some."""
    async with journal.unit_of_work() as uow:
        await uow.rows.insert([make_trade("a")])
        await uow.rows.insert([sequenced(make_trade("b"), 2)])
        assert await sequences(uow) == {"0001": None, "a": None, "b": 2}
        with pytest.raises(ValidationError, match="must be a Trade, as the first of these entities is"):
            await uow.rows.insert([make_trade("c"), sequenced(make_trade("d"), 4)])
        assert [type(row) for row in await uow.rows.page(Trade)] == [Trade] * 3
