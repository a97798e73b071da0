"""Watchlists and their items."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factories import TRICKY_TEXTS, assert_same, make_item, make_watchlist, minutes_later, refusal
from zorivest_async import DuplicateError, ForeignKeyError, NotFoundError, Watchlist, WatchlistItem
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

ITEMS = (
    WatchlistItem("NVDA", notes="earnings\non Wednesday", added_at=minutes_later(3)),
    WatchlistItem("AMD", notes="", added_at=minutes_later(2)),
    WatchlistItem("NVDA", added_at=minutes_later(1)),
)
COMPLETE = Watchlist("Ünïque 100% 'chips'", "all of them", ITEMS, None, minutes_later(0.5), minutes_later(1.5))


def tickers(items: tuple[WatchlistItem, ...] | list[WatchlistItem]) -> list[str]:
    """Return the tickers of items."""
    return [item.ticker for item in items]


@pytest.mark.parametrize("watchlist", [make_watchlist(), COMPLETE], ids=["defaults", "all fields"])
async def test_what_was_saved_is_what_is_read(empty_journal: Journal, watchlist: Watchlist) -> None:
    """A list comes back equal with its items, in another unit of work; they are in the order they were added."""
    async with empty_journal.unit_of_work() as uow:
        await uow.watchlists.save(make_watchlist("Another", "SPY", "QQQ"))
        number = await uow.watchlists.save(watchlist)
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        found = await uow.watchlists.get_one(number)
        assert_same(found, watchlist, id=number)
        assert_same(await uow.watchlists.get(number), watchlist, id=number)
        assert await uow.watchlists.exists(number)
        assert await uow.watchlists.get_items(number) == list(watchlist.items)
        for item, saved in zip(found.items, watchlist.items, strict=True):
            assert_same(item, saved, id=item.id, watchlist_id=number)
            assert item.id is not None


async def test_saving_again_makes_a_copy(empty_journal: Journal) -> None:
    """What was read is saved as another list with items of its own, once its row number is taken off."""
    async with empty_journal.unit_of_work() as uow:
        number = await uow.watchlists.save(COMPLETE)
        found = await uow.watchlists.get_one(number)
        copy_number = await uow.watchlists.save(replace(found, id=None))
        copy = await uow.watchlists.get_one(copy_number)
        assert copy == found == await uow.watchlists.get_one(number)
        assert {item.id for item in copy.items}.isdisjoint({item.id for item in found.items})


async def test_a_row_number_is_taken_once(empty_journal: Journal) -> None:
    """A list that brings its number keeps it; another cannot have it, and leaves no items behind."""
    async with refusal(empty_journal, DuplicateError) as (uow, caught):
        assert await uow.watchlists.save(make_watchlist("A", "SPY", id=7)) == 7
        await uow.watchlists.save(make_watchlist("B", "QQQ", id=7))
    assert (caught.value.entity, caught.value.key) == ("Watchlist", 7)
    async with empty_journal.unit_of_work() as uow:
        (found,) = await uow.watchlists.list_all()
        assert (found.name, tickers(found.items)) == ("A", ["SPY"])


async def test_a_list_that_is_not_stored_is_not_found(empty_journal: Journal) -> None:
    """Asking gives nothing; insisting is an error that names the number."""
    async with refusal(empty_journal, NotFoundError) as (uow, caught):
        assert await uow.watchlists.get(7) is None
        assert await uow.watchlists.get_items(7) == []
        assert not await uow.watchlists.exists(7)
        await uow.watchlists.get_one(7)
    assert (caught.value.entity, caught.value.key) == ("Watchlist", 7)


async def test_an_update_writes_name_and_description_and_says_when(empty_journal: Journal) -> None:
    """It keeps when the list was made and leaves the items alone, which have methods of their own."""
    async with empty_journal.unit_of_work() as uow:
        number = await uow.watchlists.save(COMPLETE)
        other = await uow.watchlists.save(make_watchlist("Another"))
        before = utc_now()
        await uow.watchlists.update(Watchlist("Chips", None, (), number, minutes_later(99), minutes_later(98)))
        after = utc_now()
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        found = await uow.watchlists.get_one(number)
        assert found.updated_at is not None
        assert before <= found.updated_at <= after
        assert_same(found, COMPLETE, id=number, name="Chips", description=None, updated_at=found.updated_at)
        untouched = await uow.watchlists.get_one(other)
        assert (untouched.name, untouched.updated_at) == ("Another", None)


@pytest.mark.parametrize("number", [7, None])
async def test_only_a_stored_list_is_updated(empty_journal: Journal, number: int | None) -> None:
    """An update never inserts; a list without a row number is not stored."""
    async with refusal(empty_journal, NotFoundError) as (uow, caught):
        await uow.watchlists.update(make_watchlist(id=number))
    assert (caught.value.entity, caught.value.key) == ("Watchlist", number)
    async with empty_journal.unit_of_work() as uow:
        assert await uow.watchlists.list_all() == []


async def test_deleting_takes_the_items_and_no_others(empty_journal: Journal) -> None:
    """A second deletion is no error, and row numbers are never given twice."""
    async with empty_journal.unit_of_work() as uow:
        kept, gone = [await uow.watchlists.save(make_watchlist(name, "SPY", "QQQ")) for name in ("A", "B")]
        assert await uow.watchlists.delete(gone) is True
        assert await uow.watchlists.delete(gone) is False
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        assert await uow.watchlists.get(gone) is None
        assert await uow.watchlists.get_items(gone) == []
        assert tickers(await uow.watchlists.get_items(kept)) == ["SPY", "QQQ"]
        assert await uow.watchlists.save(make_watchlist()) > gone


async def test_a_listing_brings_each_list_its_own_items(empty_journal: Journal) -> None:
    """Whatever order the items were added in."""
    async with empty_journal.unit_of_work() as uow:
        numbers = [
            await uow.watchlists.save(make_watchlist(name, created_at=minutes_later(i))) for i, name in enumerate("ABC")
        ]
        for round_ in "12":
            for number, name in zip(numbers, "ABC", strict=True):
                await uow.watchlists.add_item(number, make_item(name + round_))
        found = await uow.watchlists.list_all()
        assert [(watchlist.name, tickers(watchlist.items)) for watchlist in found] == [
            (name, [f"{name}1", f"{name}2"]) for name in "CBA"
        ]
        assert [(w.name, tickers(w.items)) for w in await uow.watchlists.list_all(1, 1)] == [("B", ["B1", "B2"])]


@pytest.mark.parametrize("name", [text for text in TRICKY_TEXTS if not text.isspace()])
async def test_a_name_is_found_exactly(empty_journal: Journal, name: str) -> None:
    """Neither its parts nor another case are it; two lists may share it."""
    async with empty_journal.unit_of_work() as uow:
        assert not await uow.watchlists.exists_by_name(name)
        await uow.watchlists.save(make_watchlist(name))
        await uow.watchlists.save(make_watchlist(name))
        assert await uow.watchlists.exists_by_name(name)
        for other in (name[:-1], f"{name} ", name.swapcase(), "%", ""):
            assert not await uow.watchlists.exists_by_name(other)


async def test_an_item_is_added_at_the_end(empty_journal: Journal) -> None:
    """It gets a row number of its own, whatever list and number it says; the list's own fields stay as they are."""
    async with empty_journal.unit_of_work() as uow:
        number = await uow.watchlists.save(COMPLETE)
        other = await uow.watchlists.save(make_watchlist("Another"))
        stray = WatchlistItem("INTC", watchlist_id=other, notes="cheap", id=1, added_at=minutes_later(-5))
        item_id = await uow.watchlists.add_item(number, stray)
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        found = await uow.watchlists.get_one(number)
        assert_same(found.items[-1], stray, id=item_id, watchlist_id=number)
        assert_same(replace(found, items=ITEMS), COMPLETE, id=number)
        assert await uow.watchlists.get_items(other) == []


async def test_an_item_needs_its_list(empty_journal: Journal) -> None:
    """Nothing is stored without."""
    async with refusal(empty_journal, ForeignKeyError) as (uow, caught):
        await uow.watchlists.add_item(7, make_item())
    assert str(caught.value) == "WatchlistItem: its watchlist is not stored; save the watchlist first"
    async with empty_journal.unit_of_work() as uow:
        assert await uow.watchlists.get_items(7) == []


async def test_an_item_is_updated_in_place(empty_journal: Journal) -> None:
    """Its ticker and notes change; its list, its place and when it was added do not."""
    async with empty_journal.unit_of_work() as uow:
        number = await uow.watchlists.save(COMPLETE)
        first, second, third = await uow.watchlists.get_items(number)
        changed = replace(second, ticker="ARM", notes=None, watchlist_id=number + 1, added_at=minutes_later(99))
        await uow.watchlists.update_item(changed)
        await uow.commit()
    async with empty_journal.unit_of_work() as uow:
        items = await uow.watchlists.get_items(number)
        assert_same(items[0], first)
        assert_same(items[1], second, ticker="ARM", notes=None)
        assert_same(items[2], third)


@pytest.mark.parametrize("number", [7, None])
async def test_only_a_stored_item_is_updated(empty_journal: Journal, number: int | None) -> None:
    """An update never inserts; an item without a row number is not stored."""
    async with refusal(empty_journal, NotFoundError) as (uow, caught):
        await uow.watchlists.update_item(make_item(id=number))
    assert (caught.value.entity, caught.value.key) == ("WatchlistItem", number)


async def test_removing_an_item_leaves_the_others(empty_journal: Journal) -> None:
    """A second removal is no error."""
    async with empty_journal.unit_of_work() as uow:
        number = await uow.watchlists.save(COMPLETE)
        first, second, third = await uow.watchlists.get_items(number)
        assert second.id is not None
        assert await uow.watchlists.remove_item(second.id) is True
        assert await uow.watchlists.remove_item(second.id) is False
        assert await uow.watchlists.get_items(number) == [first, third]
