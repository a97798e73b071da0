"""The currency of trades that have none of their own, which is their account's, never changes without a word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_snapshot, make_trade
from zorivest_async import CurrencyChangeError, ForeignKeyError, NotFoundError, SqlAlchemyUnitOfWork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from implementations import Journal

pytestmark = pytest.mark.asyncio

U1, U2, U3 = make_account("U1"), make_account("U2"), make_account("U3", currency="EUR")
IN_USD = make_trade("own", currency="USD")
IMPLICIT = make_trade("0001")

CHANGES: dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]] = {
    "accounts.update": lambda uow: uow.accounts.update(replace(U1, currency="EUR")),
    "accounts.reassign_trades_to": lambda uow: uow.accounts.reassign_trades_to("U1", "U3"),
    "trades.update": lambda uow: uow.trades.update(replace(IMPLICIT, account_id="U3")),
    "trades.save_many": lambda uow: uow.trades.save_many(
        [make_trade("new"), replace(IMPLICIT, account_id="U3")], on_duplicate="update"
    ),
}
"""Every method that could change the currency of the trade ``0001``."""

KEEPS: dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]] = {
    "accounts.update": lambda uow: uow.accounts.update(replace(U1, name="Another")),
    "accounts.reassign_trades_to": lambda uow: uow.accounts.reassign_trades_to("U1", "U2"),
    "accounts.reassign_trades_to, itself": lambda uow: uow.accounts.reassign_trades_to("U1", "U1"),
    "trades.update": lambda uow: uow.trades.update(replace(IMPLICIT, account_id="U2")),
    "trades.update, own": lambda uow: uow.trades.update(replace(IMPLICIT, account_id="U3", currency="USD")),
    "trades.save_many": lambda uow: uow.trades.save_many([replace(IMPLICIT, account_id="U2")], on_duplicate="update"),
    "trades.save_many, own": lambda uow: uow.trades.save_many(
        [replace(IMPLICIT, account_id="U3", currency="USD")], on_duplicate="update"
    ),
    "trades.save_many, skip": lambda uow: uow.trades.save_many([replace(IMPLICIT, account_id="U3")], "skip"),
}


async def fill(uow: SqlAlchemyUnitOfWork) -> None:
    """Store two more accounts, one in another currency, and a trade that states its currency."""
    await uow.accounts.save(U2)
    await uow.accounts.save(U3)
    await uow.trades.save(IN_USD)


async def everything(uow: SqlAlchemyUnitOfWork) -> list[Any]:
    """Return what the changes are about."""
    return [await uow.accounts.list_all(), await uow.trades.list_all()]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_it_does_not_change_with_the_account(
    journal: Journal, change: Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]
) -> None:
    """The error says what to do, nothing is stored, and after that it works."""
    async with journal.unit_of_work() as uow:
        await fill(uow)
        before = await everything(uow)
        with pytest.raises(CurrencyChangeError, match="set the currency of these trades first") as caught:
            await change(uow)
        assert (caught.value.entity, caught.value.key) in {("Account", "U1"), ("Trade", "0001")}
        assert "0001" not in str(caught.value)
        assert await everything(uow) == before
        await uow.trades.update(replace(IMPLICIT, currency="USD"))
        await change(uow)
        assert await everything(uow) != before


@pytest.mark.parametrize("change", KEEPS.values(), ids=KEEPS)
async def test_what_does_not_change_it_is_stored(
    journal: Journal, change: Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]
) -> None:
    """Another account in the same currency, and trades that state theirs."""
    async with journal.unit_of_work() as uow:
        await fill(uow)
        await change(uow)


async def test_an_account_without_such_trades_changes_its_currency(journal: Journal) -> None:
    """Its balances have no currency of their own, and are corrected with it."""
    async with journal.unit_of_work() as uow:
        await fill(uow)
        await uow.balance_snapshots.save(make_snapshot("U2"))
        await uow.trades.update(replace(IN_USD, account_id="U2"))
        await uow.accounts.update(replace(U2, currency="USDT"))
        assert (await uow.accounts.get_one("U2")).currency == "USDT"
        assert (await uow.trades.get_one("own")).currency == "USD"


async def test_a_missing_row_is_still_named(journal: Journal) -> None:
    """The check of the currency comes after those that were there before."""
    async with journal.unit_of_work() as uow:
        await fill(uow)
        with pytest.raises(NotFoundError):
            await uow.accounts.update(make_account("gone", currency="EUR"))
        with pytest.raises(NotFoundError):
            await uow.trades.update(make_trade("gone", account_id="U3"))
        with pytest.raises(NotFoundError):
            await uow.accounts.reassign_trades_to("gone", "U3")
        with pytest.raises(ForeignKeyError, match="target account is not stored"):
            await uow.accounts.reassign_trades_to("U1", "gone")
        with pytest.raises(ForeignKeyError, match="its account is not stored"):
            await uow.trades.update(replace(IMPLICIT, account_id="gone"))
        with pytest.raises(ForeignKeyError, match="its account is not stored"):
            await uow.trades.save_many([replace(IMPLICIT, account_id="gone")], on_duplicate="update")


async def test_an_account_with_trades_is_not_made_again(journal: Journal) -> None:
    """Deleting it is refused while it has trades, so that none gets another currency by that way."""
    async with journal.unit_of_work() as uow:
        with pytest.raises(ForeignKeyError, match="reassign them first"):
            await uow.accounts.delete("U1")
