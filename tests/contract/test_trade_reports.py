"""Reviews of trades, at most one each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factories import TRICKY_TEXTS, assert_same, make_image_entity, make_report, make_trade, minutes_later, refusal
from zorivest_async import DuplicateError, ForeignKeyError, ImageOwnerType, NotFoundError, TradeReport

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

COMPLETE = TradeReport(
    "0001", 1, 5, False, "calm", "Wait for the close.\nThen wait again.", ("b", "a", "b"), created_at=minutes_later(0.5)
)


@pytest.mark.parametrize(
    "report",
    [TradeReport("0001"), COMPLETE, make_report(followed_plan=True, lessons_learned="", emotional_state="")],
    ids=["defaults", "all fields", "empty texts"],
)
async def test_what_was_saved_is_what_is_read(journal: Journal, report: TradeReport) -> None:
    """A report comes back equal, field by field and type by type, with the row number that saving returned."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_reports.save(report)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trade_reports.get(number), report, id=number)
        assert_same(await uow.trade_reports.get_one(number), report, id=number)
        assert_same(await uow.trade_reports.get_for_trade("0001"), report, id=number)
        assert await uow.trade_reports.exists(number)


@pytest.mark.parametrize(
    "tags",
    [(), ("one",), ("z", "a", "z"), tuple(text for text in TRICKY_TEXTS if not text.isspace()), ('["json"]', "null")],
)
async def test_tags_keep_their_order_and_their_letters(journal: Journal, tags: tuple[str, ...]) -> None:
    """They are a tuple of strings, whatever is in them, repeated ones too."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_reports.save(make_report(tags=list(tags)))
        assert (await uow.trade_reports.get_one(number)).tags == tags


async def test_a_report_that_is_not_stored_is_not_found(journal: Journal) -> None:
    """Asking gives nothing; insisting is an error that names the number."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        assert await uow.trade_reports.get(7) is None
        assert await uow.trade_reports.get_for_trade("0001") is None
        assert not await uow.trade_reports.exists(7)
        await uow.trade_reports.get_one(7)
    assert (caught.value.entity, caught.value.key) == ("TradeReport", 7)


async def test_a_trade_has_one_report(journal: Journal) -> None:
    """A second one is refused, and the first stays as it was."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_reports.save(COMPLETE)
        await uow.commit()
    async with refusal(journal, DuplicateError) as (uow, caught):
        await uow.trade_reports.save(make_report("0001"))
    assert (caught.value.entity, caught.value.key) == ("TradeReport", "0001")
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trade_reports.get_for_trade("0001"), COMPLETE, id=number)


async def test_a_report_needs_its_trade(journal: Journal) -> None:
    """Nothing is stored without."""
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.trade_reports.save(make_report("absent"))
    assert str(caught.value) == "TradeReport: its trade is not stored; save the trade first"
    async with journal.unit_of_work() as uow:
        assert await uow.trade_reports.get_for_trade("absent") is None


async def test_an_update_writes_every_field_and_keeps_when_the_record_was_made(journal: Journal) -> None:
    """Fields that became ``None`` are written too; even the trade may change."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("0002"))
        number = await uow.trade_reports.save(COMPLETE)
        bare = TradeReport("0002", id=number, created_at=minutes_later(99))
        await uow.trade_reports.update(bare)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trade_reports.get(number), bare, created_at=COMPLETE.created_at)
        assert await uow.trade_reports.get_for_trade("0001") is None


@pytest.mark.parametrize("number", [7, None])
async def test_only_a_stored_report_is_updated(journal: Journal, number: int | None) -> None:
    """An update never inserts; a report without a row number is not stored."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        await uow.trade_reports.update(make_report(id=number))
    assert (caught.value.entity, caught.value.key) == ("TradeReport", number)
    async with journal.unit_of_work() as uow:
        assert await uow.trade_reports.get_for_trade("0001") is None


@pytest.mark.parametrize(("trade_id", "error"), [("0002", DuplicateError), ("absent", ForeignKeyError)])
async def test_an_update_cannot_take_what_is_not_free(
    journal: Journal, trade_id: str, error: type[DuplicateError | ForeignKeyError]
) -> None:
    """A trade that has a report already, or that is not there; the error names the report that stays as it was."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("0002"))
        await uow.trade_reports.save(make_report("0002"))
        number = await uow.trade_reports.save(COMPLETE)
        await uow.commit()
    async with refusal(journal, error) as (uow, caught):
        await uow.trade_reports.update(make_report(trade_id, id=number))
    assert (caught.value.entity, caught.value.key) == ("TradeReport", number)
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trade_reports.get(number), COMPLETE, id=number)


async def test_deleting_takes_its_images_and_no_others(journal: Journal) -> None:
    """The trade stays, and so do the images of owners with the same number."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("1"))
        number = await uow.trade_reports.save(make_report("1"))
        assert number == 1
        for owner_type in (ImageOwnerType.REPORT, ImageOwnerType.REPORT, ImageOwnerType.TRADE):
            await uow.images.save(number, make_image_entity(), owner_type=owner_type)
        assert await uow.trade_reports.delete(number) is True
        assert await uow.trade_reports.delete(number) is False
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert not await uow.trade_reports.exists(number)
        assert await uow.trades.exists("1")
        assert await uow.images.list_for_owner(ImageOwnerType.REPORT, number) == []
        assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, "1")) == 1


async def test_row_numbers_are_never_given_twice(journal: Journal) -> None:
    """So that an image or a bookmark of a deleted report never shows up at another one."""
    async with journal.unit_of_work() as uow:
        first = await uow.trade_reports.save(make_report())
        await uow.trade_reports.delete(first)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await uow.trade_reports.save(make_report()) > first
