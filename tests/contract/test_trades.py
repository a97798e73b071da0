"""Trades: stored, found, changed and deleted one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from factories import (
    TRICKY_TEXTS,
    assert_same,
    make_account,
    make_image_entity,
    make_plan,
    make_report,
    make_trade,
    minutes_later,
    refusal,
)
from zorivest_async import (
    DuplicateError,
    ForeignKeyError,
    ImageOwnerType,
    NotFoundError,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeAction,
    ValidationError,
)
from zorivest_async.database.models import TradeModel
from zorivest_async.database.repositories import SqlAlchemyTradeRepository

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

COMPLETE = make_trade(
    "0000e0d5.65b8a1f3.01.01",
    time=minutes_later(0.123456),
    instrument="SPY 240621C00520000",
    action=TradeAction.SLD,
    quantity=0.1,
    price=-37.63,
    commission=1.02,
    realized_pnl=-0.30000000000000004,
)


@pytest.mark.parametrize("trade", [make_trade("with defaults"), COMPLETE], ids=["defaults", "all fields"])
async def test_what_was_saved_is_what_is_read(journal: Journal, trade: Trade) -> None:
    """A trade comes back equal, field by field and type by type, in another unit of work."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(trade)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trades.get(trade.exec_id), trade)
        assert_same(await uow.trades.get_one(trade.exec_id), trade)


@pytest.mark.parametrize("text", [text for text in TRICKY_TEXTS if not text.isspace()])
async def test_any_text_names_a_trade(journal: Journal, text: str) -> None:
    """Quotes, wildcards and letters of all scripts are found by what they are."""
    trade = make_trade(text, instrument=text)
    async with journal.unit_of_work() as uow:
        await uow.trades.save(trade)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await uow.trades.get(text) == trade
        assert await uow.trades.exists(text)
        assert await uow.trades.delete(text)
        assert not await uow.trades.exists(text)


async def test_a_trade_that_is_not_stored_is_not_found(journal: Journal) -> None:
    """Asking gives nothing; insisting is an error that names the trade."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        assert await uow.trades.get("absent") is None
        assert not await uow.trades.exists("absent")
        await uow.trades.get_one("absent")
    assert (caught.value.entity, caught.value.key) == ("Trade", "absent")
    assert isinstance(caught.value, LookupError)


async def test_identifiers_are_exact(journal: Journal) -> None:
    """Case and white space make another trade."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(
            [make_trade("a1"), make_trade("A1"), make_trade("a1 "), make_trade("1"), make_trade("01")]
        )
        assert [await uow.trades.exists(key) for key in ("a1", "A1", "a1 ", " a1", "1", "01", "1.0")] == [
            *[True] * 3,
            False,
            *[True] * 2,
            False,
        ]


async def test_a_trade_is_saved_once(journal: Journal) -> None:
    """The second one with its identifier is refused, and the first stays as it was."""
    async with refusal(journal, DuplicateError) as (uow, caught):
        await uow.trades.save(make_trade("0001", price=1.0))
    assert (caught.value.entity, caught.value.key) == ("Trade", "0001")
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trades.get("0001"), make_trade("0001"))


async def test_a_trade_needs_its_account(journal: Journal) -> None:
    """The error names the trade that was refused."""
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.trades.save(make_trade("0002", account_id="absent"))
    assert (caught.value.entity, caught.value.key) == ("Trade", "0002")
    assert str(caught.value) == "Trade: its account is not stored; save the account first"
    async with journal.unit_of_work() as uow:
        assert not await uow.trades.exists("0002")


async def test_an_update_writes_every_field(journal: Journal) -> None:
    """All but the identifier may change, the account among them."""
    changed = make_trade(
        "0001",
        time=minutes_later(5),
        instrument="QQQ",
        action=TradeAction.SLD,
        quantity=3,
        price=438.5,
        account_id="U2",
        commission=0.35,
        realized_pnl=12.5,
    )
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        await uow.trades.save(make_trade("0002"))
        await uow.trades.update(changed)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trades.get("0001"), changed)
        assert_same(await uow.trades.get("0002"), make_trade("0002"))


async def test_only_a_stored_trade_is_updated(journal: Journal) -> None:
    """An update never inserts."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        await uow.trades.update(make_trade("absent"))
    assert (caught.value.entity, caught.value.key) == ("Trade", "absent")
    async with journal.unit_of_work() as uow:
        assert not await uow.trades.exists("absent")


async def test_an_update_cannot_lose_the_account(journal: Journal) -> None:
    """The row stays as it was."""
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.trades.update(make_trade("0001", account_id="absent", price=1.0))
    assert (caught.value.entity, caught.value.key) == ("Trade", "0001")
    async with journal.unit_of_work() as uow:
        assert_same(await uow.trades.get("0001"), make_trade("0001"))


@pytest.mark.parametrize("method", ["save", "update"])
@pytest.mark.parametrize("stranger", [make_account("0001"), None, "0001"], ids=["account", "none", "text"])
async def test_only_trades_are_trades(journal: Journal, method: str, stranger: Any) -> None:
    """Another entity, though it may have fields of the same names, is refused before anything is sent."""
    async with refusal(journal, ValidationError) as (uow, caught):
        await getattr(uow.trades, method)(stranger)
    assert caught.value.entity == "Trade"


async def test_deleting_tells_whether_there_was_one(journal: Journal) -> None:
    """A second deletion is no error."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.delete("0001") is True
        assert await uow.trades.delete("0001") is False
        assert await uow.trades.get("0001") is None


async def _store_all_about(uow: SqlAlchemyUnitOfWork, exec_id: str) -> tuple[int, int]:
    """Give a trade two images, a report with an image, and a plan with an image; return both row numbers."""
    report_id = await uow.trade_reports.save(make_report(exec_id))
    plan_id = await uow.trade_plans.save(make_plan(linked_trade_id=exec_id, account_id="U1"))
    await uow.images.save(exec_id, make_image_entity())
    await uow.images.save(exec_id, make_image_entity())
    await uow.images.save(report_id, make_image_entity(), owner_type=ImageOwnerType.REPORT)
    await uow.images.save(plan_id, make_image_entity(), owner_type=ImageOwnerType.PLAN)
    return report_id, plan_id


async def _images(uow: SqlAlchemyUnitOfWork, exec_id: str, report_id: int, plan_id: int) -> tuple[int, int, int]:
    """Count the images of a trade, its report and its plan."""
    owners: list[tuple[ImageOwnerType, Any]] = [*zip(ImageOwnerType, (exec_id, report_id, plan_id), strict=True)]
    of_trade, of_report, of_plan = [len(await uow.images.list_for_owner(*owner)) for owner in owners]
    return of_trade, of_report, of_plan


async def test_deleting_takes_everything_about_the_trade_and_nothing_else(journal: Journal) -> None:
    """Its images, its report and the report's images go; its plan stays, unlinked; other rows are not touched."""
    async with journal.unit_of_work() as uow:
        # Named like the row numbers of the reports and plans, which must not be mistaken for them.
        await uow.trades.save_many([make_trade("1"), make_trade("2")])
        first, second = await _store_all_about(uow, "1"), await _store_all_about(uow, "2")
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await uow.trades.delete("2")
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await _images(uow, "1", *first) == (2, 1, 1)
        assert await _images(uow, "2", *second) == (0, 0, 1)
        assert await uow.trade_reports.exists(first[0])
        assert not await uow.trade_reports.exists(second[0])
        linked = [(await uow.trade_plans.get_one(plan_id)).linked_trade_id for _, plan_id in (first, second)]
        assert linked == ["1", None]
        assert (await uow.trade_plans.get_one(second[1])).account_id == "U1"


async def test_a_deletion_can_be_taken_back(journal: Journal) -> None:
    """It is part of the unit of work's transaction, with all that it takes along."""
    async with journal.unit_of_work() as uow:
        report_id, plan_id = await _store_all_about(uow, "0001")
        await uow.commit()
    async with journal.unit_of_work() as uow:
        await uow.trades.delete("0001")
        await uow.rollback()
        assert await uow.trades.exists("0001")
        assert await _images(uow, "0001", report_id, plan_id) == (2, 1, 1)
        assert (await uow.trade_plans.get_one(plan_id)).linked_trade_id == "0001"


@pytest.mark.parametrize("kind", ["session", "connection"])
async def test_a_repository_takes_a_session_or_a_connection(journal: Journal, kind: str) -> None:
    """Without a unit of work, committing is the session's or the connection's."""
    opened = AsyncSession(journal.engine) if kind == "session" else journal.engine.connect()
    async with opened as source:
        trades = SqlAlchemyTradeRepository(source)
        await trades.save(make_trade("0002"))
        assert (await trades.save_many([make_trade("0003"), make_trade("0002")], "skip")).inserted == 1
        await source.commit()
        await trades.delete("0001")
    async with journal.unit_of_work() as uow:
        assert [trade.exec_id for trade in await uow.trades.list_all()] == ["0003", "0002", "0001"]


async def test_what_was_added_to_a_session_is_there_for_a_repository(journal: Journal) -> None:
    """As for the session's own queries, it is flushed first."""
    async with AsyncSession(journal.engine) as session:
        trades = SqlAlchemyTradeRepository(session)
        added = make_trade("0002", action=TradeAction.SLD)
        session.add(TradeModel(**{name: getattr(added, name) for name in Trade.__match_args__}))
        assert_same(await trades.get("0002"), added)
        (await session.get_one(TradeModel, "0002")).price = 1.5
        assert_same(await trades.get("0002"), added, price=1.5)


async def test_many_are_found_by_their_identifiers(journal: Journal) -> None:
    """Those that are stored, however many are asked for; the others are left out."""
    trades = [make_trade(f"many-{number}") for number in range(1100)]
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(trades)
        found = await uow.trades.get_many(["absent", *(trade.exec_id for trade in trades[1:])])
        assert await uow.trades.get_many([]) == {}
    assert found == {trade.exec_id: trade for trade in trades[1:]}
