"""What accounts held at moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from factories import OPENING_BELL, assert_same, make_account, make_snapshot, minutes_later, refusal
from zorivest_async import BalanceSnapshot, DuplicateError, ForeignKeyError

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("balance", [0.0, -1_234.56, 0.1 + 0.2, 9_007_199_254_740_993.0, 1e308, 5e-324])
async def test_what_was_saved_is_what_is_read(journal: Journal, balance: float) -> None:
    """A balance comes back to the last bit, in another unit of work, with the row number that saving returned."""
    snapshot = make_snapshot(balance=balance, datetime=minutes_later(1e-6))
    async with journal.unit_of_work() as uow:
        number = await uow.balance_snapshots.save(snapshot)
        await uow.commit()
    async with journal.unit_of_work() as uow:
        (found,) = await uow.balance_snapshots.list_for_account("U1")
        assert_same(found, snapshot, id=number)
        assert found.balance.hex() == balance.hex()


async def test_a_moment_is_read_in_utc(journal: Journal) -> None:
    """Whatever zone it was said in; without a zone it was UTC."""
    elsewhere = datetime(2024, 3, 8, 9, 30, tzinfo=timezone(timedelta(hours=-5)))
    naive = datetime(2024, 3, 8, 14, 30)  # noqa: DTZ001 - that is what is tested
    async with journal.unit_of_work() as uow:
        for moment in (elsewhere, naive):
            await uow.balance_snapshots.save(make_snapshot(datetime=moment))
        found = await uow.balance_snapshots.list_for_account("U1")
    assert [snapshot.datetime for snapshot in found] == [OPENING_BELL, OPENING_BELL]
    assert all(snapshot.datetime.tzinfo is UTC for snapshot in found)


async def test_the_latest_is_of_the_latest_moment(journal: Journal) -> None:
    """Not the one saved last, and not another account's; of the same moment it is the one saved last."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        for minutes, balance in ((1, 1.0), (3, 3.0), (2, 2.0), (-9, 4.0)):
            await uow.balance_snapshots.save(make_snapshot(datetime=minutes_later(minutes), balance=balance))
        await uow.balance_snapshots.save(make_snapshot("U2", datetime=minutes_later(9), balance=9.0))
        latest = await uow.balance_snapshots.get_latest("U1")
        assert latest is not None
        assert latest.balance == 3.0
        number = await uow.balance_snapshots.save(make_snapshot(datetime=minutes_later(3), balance=5.0))
        assert_same(
            await uow.balance_snapshots.get_latest("U1"),
            make_snapshot(datetime=minutes_later(3), balance=5.0),
            id=number,
        )


async def test_an_account_without_snapshots_has_none(journal: Journal) -> None:
    """Whether it is stored or not."""
    async with journal.unit_of_work() as uow:
        for account_id in ("U1", "absent"):
            assert await uow.balance_snapshots.get_latest(account_id) is None
            assert await uow.balance_snapshots.list_for_account(account_id) == []
            assert await uow.balance_snapshots.count_for_account(account_id) == 0


async def test_snapshots_are_counted_and_listed_per_account(journal: Journal) -> None:
    """An account sees its own."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        for minutes in range(5):
            account_id = "U1" if minutes % 2 else "U2"
            await uow.balance_snapshots.save(make_snapshot(account_id, datetime=minutes_later(minutes)))
        for account_id, count in (("U1", 2), ("U2", 3)):
            found = await uow.balance_snapshots.list_for_account(account_id)
            assert await uow.balance_snapshots.count_for_account(account_id) == len(found) == count
            assert {snapshot.account_id for snapshot in found} == {account_id}


async def test_a_snapshot_needs_its_account(journal: Journal) -> None:
    """Nothing is stored without."""
    async with refusal(journal, ForeignKeyError) as (uow, caught):
        await uow.balance_snapshots.save(make_snapshot("absent"))
    assert str(caught.value) == "BalanceSnapshot: its account is not stored; save the account first"
    async with journal.unit_of_work() as uow:
        assert await uow.balance_snapshots.count_for_account("absent") == 0


async def test_a_row_number_is_taken_once(journal: Journal) -> None:
    """A snapshot that brings its number, as one from a backup does, keeps it; another cannot have it."""
    async with refusal(journal, DuplicateError) as (uow, caught):
        assert await uow.balance_snapshots.save(make_snapshot(id=7)) == 7
        assert await uow.balance_snapshots.save(make_snapshot()) == 8
        await uow.balance_snapshots.save(make_snapshot(id=7, balance=1.0))
    assert (caught.value.entity, caught.value.key) == ("BalanceSnapshot", 7)
    async with journal.unit_of_work() as uow:
        found = await uow.balance_snapshots.list_for_account("U1")
        assert found == [BalanceSnapshot("U1", OPENING_BELL, 10_000.0)] * 2
