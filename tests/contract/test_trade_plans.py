"""Trades thought through before they are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from factories import assert_same, make_account, make_image_entity, make_plan, make_trade, minutes_later, refusal
from zorivest_async import (
    ConvictionLevel,
    DuplicateError,
    ForeignKeyError,
    ImageOwnerType,
    InvalidQueryError,
    NotFoundError,
    PlanStatus,
    TradeAction,
    TradePlan,
)
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

COMPLETE = TradePlan(
    "NVDA",
    TradeAction.SLD,
    ConvictionLevel.MAX,
    "Fade the gap",
    "Sell what opens 3 % up.",
    0.1 + 0.2,
    -1.5,
    1e-300,
    "Volume dries up",
    "A close above the high",
    "5m",
    PlanStatus.EXECUTED,
    "0001",
    "U1",
    created_at=minutes_later(0.5),
    updated_at=minutes_later(1.5),
)


@pytest.mark.parametrize("plan", [make_plan(), COMPLETE], ids=["defaults", "all fields"])
async def test_what_was_saved_is_what_is_read(journal: Journal, plan: TradePlan) -> None:
    """A plan comes back equal, field by field and type by type, with the row number that saving returned."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_plans.save(plan)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trade_plans.get(number), plan, id=number)
        assert_same(await uow.trade_plans.get_one(number), plan, id=number)
        assert await uow.trade_plans.exists(number)


@pytest.mark.parametrize(
    ("field", "member"),
    [
        (name, member)
        for name, enum in (("direction", TradeAction), ("conviction", ConvictionLevel), ("status", PlanStatus))
        for member in enum
    ],
)
async def test_every_member_is_stored(journal: Journal, field: str, member: Any) -> None:
    """The table's CHECKs and the enums name the same members."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_plans.save(make_plan(**{field: member}))
        assert getattr(await uow.trade_plans.get_one(number), field) is member


async def test_a_plan_that_is_not_stored_is_not_found(journal: Journal) -> None:
    """Asking gives nothing; insisting is an error that names the number."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        assert await uow.trade_plans.get(7) is None
        assert not await uow.trade_plans.exists(7)
        await uow.trade_plans.get_one(7)
    assert (caught.value.entity, caught.value.key) == ("TradePlan", 7)


@pytest.mark.parametrize("method", ["save", "update"])
@pytest.mark.parametrize(("field", "what"), [("linked_trade_id", "trade"), ("account_id", "account")])
async def test_a_plan_refers_to_what_exists(journal: Journal, method: str, field: str, what: str) -> None:
    """Or to nothing; the message names which is missing, and the refused plan leaves the stored one as it was."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_plans.save(COMPLETE)
        await uow.commit()
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await getattr(uow.trade_plans, method)(
            make_plan(id=number if method == "update" else None, **{field: "absent"})
        )
    assert str(caught.value) == f"TradePlan: its {what} is not stored; save the {what} first"
    async with journal.unit_of_work() as uow:
        (found,) = await uow.trade_plans.list_all()
        assert_same(found, COMPLETE, id=number)


async def test_an_update_writes_every_field_and_says_when(journal: Journal) -> None:
    """It keeps when the record was made, and is stamped with the present, whatever the entity says."""
    async with journal.unit_of_work() as uow:
        number = await uow.trade_plans.save(COMPLETE)
        bare = make_plan("AMD", id=number, created_at=minutes_later(99), updated_at=minutes_later(98))
        before = utc_now()
        await uow.trade_plans.update(bare)
        after = utc_now()
        await uow.commit()
    async with journal.unit_of_work() as uow:
        found = await uow.trade_plans.get_one(number)
        assert found.updated_at is not None
        assert before <= found.updated_at <= after
        assert_same(found, bare, created_at=COMPLETE.created_at, updated_at=found.updated_at)


@pytest.mark.parametrize("number", [7, None])
async def test_only_a_stored_plan_is_updated(journal: Journal, number: int | None) -> None:
    """An update never inserts; a plan without a row number is not stored."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        await uow.trade_plans.update(make_plan(id=number))
    assert (caught.value.entity, caught.value.key) == ("TradePlan", number)
    async with journal.unit_of_work() as uow:
        assert await uow.trade_plans.list_all() == []


async def test_a_row_number_is_taken_once(journal: Journal) -> None:
    """A plan that brings its number keeps it; another cannot have it, even after the first is gone."""
    async with refusal(journal, DuplicateError) as (uow, caught):
        assert await uow.trade_plans.save(make_plan(id=7)) == 7
        assert await uow.trade_plans.save(make_plan()) == 8
        await uow.trade_plans.delete(8)
        assert await uow.trade_plans.save(make_plan()) == 9
        await uow.trade_plans.save(make_plan("AMD", id=7))
    assert (caught.value.entity, caught.value.key) == ("TradePlan", 7)
    async with journal.unit_of_work() as uow:
        assert (await uow.trade_plans.get_one(7)).ticker == "SPY"


async def test_listings_narrow_by_status_and_ticker(journal: Journal) -> None:
    """Either, both or none; tickers are exact."""
    plans = [("SPY", "draft"), ("SPY", "active"), ("QQQ", "active"), ("spy", "active"), ("SP%", "expired")]
    async with journal.unit_of_work() as uow:
        for minutes, (ticker, status) in enumerate(plans):
            await uow.trade_plans.save(make_plan(ticker, status=status, created_at=minutes_later(minutes)))

        async def found(**narrow: Any) -> list[tuple[str, str]]:
            return [(plan.ticker, str(plan.status)) for plan in await uow.trade_plans.list_all(**narrow)]

        assert await found() == plans[::-1]
        assert await found(status=PlanStatus.ACTIVE) == plans[3:0:-1]
        assert await found(status="active", ticker="SPY") == [("SPY", "active")]
        assert await found(ticker="SPY") == plans[1::-1]
        assert await found(ticker="SP%") == [("SP%", "expired")]
        assert await found(ticker="S") == await found(status=PlanStatus.CANCELLED) == []
        assert await found(status=PlanStatus.ACTIVE, limit=1, offset=1) == [("QQQ", "active")]


@pytest.mark.parametrize("status", ["", "ACTIVE", "done", 1])
async def test_an_unknown_status_is_refused(journal: Journal, status: Any) -> None:
    """It is not a listing of nothing; the message says which there are."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        await uow.trade_plans.list_all(status=status)
    assert all(member in str(caught.value) for member in PlanStatus)


async def test_plans_are_counted_per_account(journal: Journal) -> None:
    """Those for no account count for none."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        for account_id in ("U1", "U2", "U2", None):
            await uow.trade_plans.save(make_plan(account_id=account_id))
        assert [await uow.trade_plans.count_for_account(key) for key in ("U1", "U2", "absent")] == [1, 2, 0]


async def test_deleting_takes_its_images_and_no_others(journal: Journal) -> None:
    """The trade that came of it stays, and so do the images of owners with the same number."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade("1"))
        number = await uow.trade_plans.save(make_plan(linked_trade_id="1"))
        assert number == 1
        for owner_type in (ImageOwnerType.PLAN, ImageOwnerType.PLAN, ImageOwnerType.TRADE):
            await uow.images.save(number, make_image_entity(), owner_type=owner_type)
        assert await uow.trade_plans.delete(number) is True
        assert await uow.trade_plans.delete(number) is False
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert not await uow.trade_plans.exists(number)
        assert await uow.trades.exists("1")
        assert await uow.images.list_for_owner(ImageOwnerType.PLAN, number) == []
        assert len(await uow.images.list_for_owner(ImageOwnerType.TRADE, "1")) == 1
