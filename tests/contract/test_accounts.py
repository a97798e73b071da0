"""Accounts, and what hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factories import (
    TRICKY_TEXTS,
    assert_same,
    make_account,
    make_plan,
    make_snapshot,
    make_trade,
    make_trades,
    minutes_later,
    refusal,
)
from zorivest_async import Account, AccountType, DuplicateError, ForeignKeyError, NotFoundError, TradeFilter

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

COMPLETE = Account(
    "U2", "Roth", AccountType.IRA, "Ünïbank's 100%", "EUR", True, "first line\nsecond line", minutes_later(0.5)
)


@pytest.mark.parametrize("account", [make_account("U2"), COMPLETE], ids=["defaults", "all fields"])
async def test_what_was_saved_is_what_is_read(journal: Journal, account: Account) -> None:
    """An account comes back equal, field by field and type by type, in another unit of work."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(account)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.accounts.get("U2"), account)
        assert_same(await uow.accounts.get_one("U2"), account)
        assert await uow.accounts.exists("U2")


@pytest.mark.parametrize("kind", AccountType)
async def test_every_kind_of_account_is_stored(journal: Journal, kind: AccountType) -> None:
    """The table's CHECK and the enum name the same kinds."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2", account_type=kind))
        assert (await uow.accounts.get_one("U2")).account_type is kind


@pytest.mark.parametrize("text", ["", *TRICKY_TEXTS])
async def test_notes_are_any_text(journal: Journal, text: str) -> None:
    """An empty one is not the same as none."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2", notes=text, institution=text))
        assert_same(
            await uow.accounts.get("U2"),
            make_account("U2", notes=text, institution=text, created_at=(await uow.accounts.get_one("U2")).created_at),
        )


async def test_an_account_that_is_not_stored_is_not_found(journal: Journal) -> None:
    """Asking gives nothing; insisting is an error that names the account."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        assert await uow.accounts.get("absent") is None
        assert not await uow.accounts.exists("absent")
        await uow.accounts.get_one("absent")
    assert (caught.value.entity, caught.value.key) == ("Account", "absent")


async def test_an_account_is_saved_once(journal: Journal) -> None:
    """The second one with its identifier is refused, and the first stays as it was."""
    async with refusal(journal, DuplicateError) as (uow, caught):
        await uow.accounts.save(make_account("U1", name="Another"))
    assert (caught.value.entity, caught.value.key) == ("Account", "U1")
    async with journal.unit_of_work() as uow:
        assert (await uow.accounts.get_one("U1")).name == "Margin"


async def test_an_update_writes_every_field_and_keeps_when_the_record_was_made(journal: Journal) -> None:
    """Fields that became ``None`` are written too."""
    bare = make_account("U2", created_at=minutes_later(99))
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(COMPLETE)
        await uow.accounts.update(bare)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert_same(await uow.accounts.get("U2"), bare, created_at=COMPLETE.created_at)
        assert (await uow.accounts.get_one("U1")).currency == "USD"


async def test_only_a_stored_account_is_updated(journal: Journal) -> None:
    """An update never inserts."""
    async with refusal(journal, NotFoundError) as (uow, caught):
        await uow.accounts.update(make_account("absent"))
    assert (caught.value.entity, caught.value.key) == ("Account", "absent")
    async with journal.unit_of_work() as uow:
        assert await uow.accounts.count_all() == 1


async def test_accounts_are_counted(empty_journal: Journal) -> None:
    """From none on."""
    async with empty_journal.unit_of_work() as uow:
        assert await uow.accounts.count_all() == 0
        for number in range(3):
            await uow.accounts.save(make_account(f"U{number}"))
        assert await uow.accounts.count_all() == 3


async def test_deleting_takes_the_balances_and_unlinks_the_plans(journal: Journal) -> None:
    """Other accounts keep theirs."""
    async with journal.unit_of_work() as uow:
        plans = {}
        for account_id in ("U2", "U3"):
            await uow.accounts.save(make_account(account_id))
            await uow.balance_snapshots.save(make_snapshot(account_id))
            plans[account_id] = await uow.trade_plans.save(make_plan(account_id=account_id, linked_trade_id="0001"))
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert await uow.accounts.delete("U2") is True
        assert await uow.accounts.delete("U2") is False
        await uow.commit()
    async with journal.unit_of_work() as uow:
        assert not await uow.accounts.exists("U2")
        assert [await uow.balance_snapshots.count_for_account(key) for key in ("U2", "U3")] == [0, 1]
        assert [(await uow.trade_plans.get_one(plans[key])).account_id for key in ("U2", "U3")] == [None, "U3"]
        assert (await uow.trade_plans.get_one(plans["U2"])).linked_trade_id == "0001"


async def test_an_account_with_trades_stays(journal: Journal) -> None:
    """The refusal costs it neither its balances nor its plans."""
    async with journal.unit_of_work() as uow:
        await uow.balance_snapshots.save(make_snapshot())
        plan_id = await uow.trade_plans.save(make_plan(account_id="U1"))
        await uow.commit()
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.accounts.delete("U1")
    assert (caught.value.entity, caught.value.key) == ("Account", "U1")
    assert "reassign them first" in str(caught.value)
    async with journal.unit_of_work() as uow:
        assert await uow.accounts.exists("U1")
        assert await uow.balance_snapshots.count_for_account("U1") == 1
        assert (await uow.trade_plans.get_one(plan_id)).account_id == "U1"


async def test_reassigning_is_the_way_out(journal: Journal) -> None:
    """The trades change hands, nothing else about them does, and the account can go."""
    theirs = make_trade("9999", account_id="U3")
    async with journal.unit_of_work() as uow:
        for account_id in ("U2", "U3"):
            await uow.accounts.save(make_account(account_id))
        await uow.trades.save_many([*make_trades(4), theirs])
        assert await uow.accounts.reassign_trades_to("U1", "U2") == 5
        assert await uow.accounts.reassign_trades_to("U1", "U2") == 0
        assert await uow.accounts.delete("U1")
        await uow.commit()
    async with journal.unit_of_work() as uow:
        moved = [make_trade("0001", account_id="U2"), *make_trades(4, account_id="U2"), theirs]
        assert sorted(await uow.trades.list_all(), key=repr) == sorted(moved, key=repr)
        assert await uow.trades.count_filtered(TradeFilter(account_id="U1")) == 0


async def test_reassigning_to_oneself_changes_nothing(journal: Journal) -> None:
    """All trades are counted, and stay where they are."""
    async with journal.unit_of_work() as uow:
        assert await uow.accounts.reassign_trades_to("U1", "U1") == 1
        assert await uow.trades.get("0001") == make_trade("0001")


@pytest.mark.parametrize(
    ("source", "target", "error", "key"),
    [
        ("absent", "U1", NotFoundError, "absent"),
        ("U1", "absent", ForeignKeyError, "absent"),
        ("a", "b", NotFoundError, "a"),
    ],
)
async def test_reassigning_needs_both_accounts(
    journal: Journal, source: str, target: str, error: type[NotFoundError | ForeignKeyError], key: str
) -> None:
    """The error names the one that is missing, and no trade has moved."""
    async with refusal(journal, error) as (uow, caught):
        await uow.accounts.reassign_trades_to(source, target)
    assert (caught.value.entity, caught.value.key) == ("Account", key)
    async with journal.unit_of_work() as uow:
        assert (await uow.trades.get_one("0001")).account_id == "U1"
