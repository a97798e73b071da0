"""Bulk saving: all or none, whatever is repeated, wrong or missing, and wherever in the batch it is."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest

from factories import (
    assert_same,
    make_account,
    make_image_entity,
    make_report,
    make_trade,
    make_trades,
    minutes_later,
    refusal,
)
from zorivest_async import (
    DuplicateError,
    ForeignKeyError,
    InvalidQueryError,
    SaveResult,
    Trade,
    TradeAction,
    TradeFilter,
    ValidationError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from implementations import Journal

pytestmark = pytest.mark.asyncio

MANY = make_trades(1_201)
"""More than two of the slices in which rows are sent."""


async def _stored(journal: Journal) -> list[Trade]:
    """Return all trades by identifier, as another unit of work sees them."""
    async with journal.unit_of_work(read_only=True) as uow:
        return await uow.trades.list_filtered(TradeFilter(), "exec_id", limit=None)


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_201])
@pytest.mark.parametrize("on_duplicate", ["error", "skip", "update"])
async def test_any_number_is_stored(journal: Journal, count: int, on_duplicate: Any) -> None:
    """Every trade arrives once, exactly as it was, around the limits of the slices too."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.save_many(MANY[:count], on_duplicate) == SaveResult(inserted=count)
        await uow.commit()
    expected = [*MANY[:count], make_trade("0001")]
    assert await _stored(journal) == sorted(expected, key=attrgetter("exec_id"))


@pytest.mark.parametrize("make", [list, tuple, iter, lambda trades: (trade for trade in trades), dict.fromkeys])
async def test_any_iterable_will_do(journal: Journal, make: Any) -> None:
    """A generator is consumed once, and what it had made before the last slice need not be kept."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.save_many(make(MANY)) == SaveResult(inserted=len(MANY))


async def test_an_iterator_is_consumed_as_it_is_stored(journal: Journal) -> None:
    """Memory stays flat: no more than a slice is alive at a time."""
    alive = most_alive = 0

    class Tracked(Trade):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def track() -> Iterator[Trade]:
        nonlocal alive, most_alive
        for trade in MANY:
            alive += 1
            most_alive = max(most_alive, alive)
            yield Tracked(*(getattr(trade, name) for name in Trade.__match_args__))

    async with journal.unit_of_work() as uow:
        assert (await uow.trades.save_many(track())).inserted == len(MANY)
    assert most_alive <= 2 * 500


@pytest.mark.parametrize(
    ("batch", "key"),
    [
        ([make_trade("0002"), make_trade("0001"), make_trade("0003")], "0001"),
        ([make_trade("0002"), make_trade("0003"), make_trade("0003"), make_trade("0001")], "0003"),
        ([*MANY[:500], make_trade("0001")], "0001"),
        ([*MANY[:700], MANY[600], MANY[601]], "00600"),
        ([*MANY[:700], MANY[3], MANY[4]], "00003"),
        ([MANY[0], *[MANY[0]] * 3], "00000"),
    ],
    ids=["stored", "twice", "stored, in another slice", "twice in a later slice", "across slices", "all the same"],
)
async def test_a_repeated_identifier_is_an_error_by_default(journal: Journal, batch: list[Trade], key: str) -> None:
    """Nothing is stored, and the error names the first trade that could not be."""
    async with refusal(journal, DuplicateError) as (uow, caught):
        await uow.trades.save_many(batch)
    assert (caught.value.entity, caught.value.key) == ("Trade", key)
    assert await _stored(journal) == [make_trade("0001")]


@pytest.mark.parametrize(
    ("batch", "result", "price"),
    [
        ([make_trade("0001", price=2.0)], SaveResult(skipped=1), 513.07),
        ([make_trade("0002", price=2.0), make_trade("0002", price=3.0)], SaveResult(inserted=1, skipped=1), 2.0),
        ([*MANY, make_trade("00007", price=2.0)], SaveResult(inserted=1_201, skipped=1), 513.07),
        ([*MANY[:10], *MANY[:10], *MANY[:10]], SaveResult(inserted=10, skipped=20), 513.07),
    ],
    ids=["stored", "twice", "across slices", "thrice"],
)
async def test_skipping_keeps_the_first(journal: Journal, batch: list[Trade], result: SaveResult, price: float) -> None:
    """The later one of two with an identifier changes nothing, and is counted."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.save_many(batch, on_duplicate="skip") == result
        await uow.commit()
    assert next(trade.price for trade in await _stored(journal) if trade.exec_id == batch[-1].exec_id) == price
    assert len(await _stored(journal)) == 1 + result.inserted


@pytest.mark.parametrize(
    ("batch", "result"),
    [
        ([make_trade("0001", price=2.0)], SaveResult(updated=1)),
        ([make_trade("0002", price=1.0), make_trade("0002", price=2.0)], SaveResult(inserted=1, updated=1)),
        ([*MANY, make_trade("00007", price=2.0)], SaveResult(inserted=1_201, updated=1)),
        ([*MANY[:10], make_trade("0001"), make_trade("0001", price=2.0)], SaveResult(inserted=10, updated=2)),
    ],
    ids=["stored", "twice", "across slices", "stored and twice"],
)
async def test_updating_keeps_the_last(journal: Journal, batch: list[Trade], result: SaveResult) -> None:
    """The later one of two with an identifier is what remains, and is counted."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.save_many(batch, on_duplicate="update") == result
        await uow.commit()
    assert next(trade.price for trade in await _stored(journal) if trade.exec_id == batch[-1].exec_id) == 2.0
    assert len(await _stored(journal)) == 1 + result.inserted


async def test_updating_writes_every_field_and_keeps_what_belongs_to_the_trade(journal: Journal) -> None:
    """The row is changed, not replaced: its report and its images stay."""
    changed = Trade("0001", minutes_later(1), "QQQ", TradeAction.SLD, 3, 4.5, "U2", 0.25, -1.5)
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        await uow.trade_reports.save(make_report("0001"))
        await uow.images.save("0001", make_image_entity())
        await uow.trades.save_many([changed], on_duplicate="update")
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trades.get("0001"), changed)
        assert await uow.trade_reports.get_for_trade("0001") is not None
        assert len(await uow.images.get_for_trade("0001")) == 1


@pytest.mark.parametrize("on_duplicate", ["error", "skip", "update"])
@pytest.mark.parametrize("position", [0, 250, 1_201])
async def test_one_trade_without_an_account_refuses_all(journal: Journal, on_duplicate: Any, position: int) -> None:
    """Nothing of the batch is stored, whatever slice the trade is in."""
    batch = [*MANY[:position], make_trade("orphan", account_id="absent"), *MANY[position:]]
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.trades.save_many(batch, on_duplicate)
    assert caught.value.entity == "Trade"
    assert await _stored(journal) == [make_trade("0001")]


@pytest.mark.parametrize(
    "stranger", [None, "0001", make_account(), ("0002",)], ids=["none", "text", "account", "tuple"]
)
@pytest.mark.parametrize("position", [0, 1_000])
async def test_one_that_is_not_a_trade_refuses_all(journal: Journal, stranger: Any, position: int) -> None:
    """Nothing of the batch is stored, not even the slices before it."""
    async with refusal(journal, ValidationError) as (uow, caught):
        await uow.trades.save_many([*MANY[:position], stranger, *MANY[position:]])
    assert caught.value.entity == "Trade"
    assert await _stored(journal) == [make_trade("0001")]


async def test_a_generator_that_fails_refuses_all(journal: Journal) -> None:
    """Its error comes out as it is, and the slices that were already sent are undone."""

    def broken() -> Iterable[Trade]:
        yield from MANY[:700]
        raise OSError("the file ends here")

    async with refusal(journal, OSError) as (uow, caught):
        await uow.trades.save_many(broken())
    assert str(caught.value) == "the file ends here"
    assert await _stored(journal) == [make_trade("0001")]


@pytest.mark.parametrize("mode", ["", "ignore", "ERROR", None])
async def test_an_unknown_mode_is_refused(journal: Journal, mode: Any) -> None:
    """The message says which there are."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        await uow.trades.save_many(MANY, mode)
    assert all(word in str(caught.value) for word in ("error", "skip", "update"))
    assert await _stored(journal) == [make_trade("0001")]


async def test_a_bulk_save_is_part_of_the_transaction(journal: Journal) -> None:
    """It neither commits what came before nor survives a rollback."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        await uow.trades.save_many(MANY)
        await uow.rollback()
        assert not await uow.accounts.exists("U2")
    assert await _stored(journal) == [make_trade("0001")]
