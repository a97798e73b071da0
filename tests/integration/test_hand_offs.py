"""What methods of repositories cost in calls to the connection's thread: a savepoint is paid for where it is needed."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from factories import (
    make_account,
    make_image_entity,
    make_item,
    make_plan,
    make_provider,
    make_report,
    make_snapshot,
    make_trade,
    make_trades,
    make_watchlist,
)
from zorivest_async import ImageOwnerType, SqlAlchemyUnitOfWork, Vault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.asyncio

SAVEPOINT = 2
"""It is begun and released."""

COSTS: dict[str, tuple[int, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]]] = {
    # Statements of one row, and of several rows that are one statement, are atomic by themselves.
    "trades.save": (1, lambda uow: uow.trades.save(make_trade("new"))),
    "trades.update": (1, lambda uow: uow.trades.update(make_trade("0001"))),
    "trades.get": (1, lambda uow: uow.trades.get("0001")),
    "images.save": (1, lambda uow: uow.images.save("0001", make_image_entity())),
    "images.delete": (1, lambda uow: uow.images.delete(1)),
    "images.delete_for_owner": (1, lambda uow: uow.images.delete_for_owner(ImageOwnerType.TRADE, "0001")),
    "accounts.save": (1, lambda uow: uow.accounts.save(make_account("new"))),
    "accounts.update": (1, lambda uow: uow.accounts.update(make_account("U1"))),
    "accounts.reassign_trades_to": (2, lambda uow: uow.accounts.reassign_trades_to("U1", "U1")),
    "trade_reports.delete": (1, lambda uow: uow.trade_reports.delete(1)),
    "trade_plans.delete": (1, lambda uow: uow.trade_plans.delete(1)),
    "balance_snapshots.save": (1, lambda uow: uow.balance_snapshots.save(make_snapshot())),
    "trade_reports.save": (1, lambda uow: uow.trade_reports.save(make_report())),
    "trade_plans.save": (1, lambda uow: uow.trade_plans.save(make_plan())),
    "watchlists.save, empty": (1, lambda uow: uow.watchlists.save(make_watchlist())),
    "watchlists.add_item": (1, lambda uow: uow.watchlists.add_item(1, make_item())),
    "settings.set": (1, lambda uow: uow.settings.set("theme", "dark")),
    "settings.bulk_upsert, one": (1, lambda uow: uow.settings.bulk_upsert({"theme": "dark"})),
    "settings.bulk_upsert, none": (0, lambda uow: uow.settings.bulk_upsert({})),
    "settings.delete": (1, lambda uow: uow.settings.delete("theme")),
    "market_provider_settings.save": (1, lambda uow: uow.market_provider_settings.save(make_provider())),
    # The others have a savepoint, and as few statements as can be.
    "settings.bulk_upsert": (1 + SAVEPOINT, lambda uow: uow.settings.bulk_upsert({"theme": "dark", "size": 12})),
    "settings.bulk_upsert, slices": (
        3 + SAVEPOINT,
        lambda uow: uow.settings.bulk_upsert({f"{n}": n for n in range(1_200)}),
    ),
    "trades.save_many": (2 + SAVEPOINT, lambda uow: uow.trades.save_many(make_trades(500))),
    "trades.save_many skip": (1 + SAVEPOINT, lambda uow: uow.trades.save_many(make_trades(500), "skip")),
    "trades.save_many update": (2 + SAVEPOINT, lambda uow: uow.trades.save_many(make_trades(500), "update")),
    "trades.delete": (3 + SAVEPOINT, lambda uow: uow.trades.delete("0001")),
    "accounts.delete": (4 + SAVEPOINT, lambda uow: uow.accounts.delete("absent")),
    "watchlists.save": (2 + SAVEPOINT, lambda uow: uow.watchlists.save(make_watchlist("more", *["SPY"] * 100))),
    "watchlists.save, slices": (
        4 + SAVEPOINT,
        lambda uow: uow.watchlists.save(make_watchlist("most", *["SPY"] * 1_200)),
    ),
    "watchlists.delete": (2 + SAVEPOINT, lambda uow: uow.watchlists.delete(1)),
}


@pytest.mark.parametrize("name", COSTS)
async def test_a_savepoint_is_taken_where_there_is_more_than_one_statement(
    vault: Vault, hand_offs: list[str], name: str
) -> None:
    """And nowhere else; the commit is one call more."""
    expected, call = COSTS[name]
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        await uow.watchlists.save(make_watchlist())
        hand_offs.clear()
        await call(uow)
        assert hand_offs == ["statement"] * expected
        await uow.commit()
    assert hand_offs == ["statement"] * expected + ["finish"]


@pytest.mark.parametrize("commit", [True, False])
async def test_a_stream_costs_the_next_unit_of_work_nothing(
    vault: Vault, hand_offs: list[str], *, commit: bool
) -> None:
    """What was open is closed with its transaction, so that there is nothing more to close."""
    async with vault.unit_of_work() as uow:
        result = await (await uow.connection()).stream(text("SELECT 1 UNION SELECT 2"))
        await result.fetchone()
        hand_offs.clear()
        await (uow.commit() if commit else uow.rollback())
    assert hand_offs == ["finish"]
    async with vault.unit_of_work() as uow:
        await uow.connection()
    assert hand_offs == ["finish"]


async def test_answers_that_are_ready_together_wake_the_loop_once(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readers of a vault share a mailbox, whose first answer wakes the loop for the others."""
    async with vault.read_engine.connect() as first, vault.read_engine.connect() as second:
        pooled: list[Any] = [await connection.get_raw_connection() for connection in (first, second)]
        drivers = [each.driver_connection for each in pooled]
        loop, wakes = asyncio.get_running_loop(), list[object]()
        wake = loop.call_soon_threadsafe

        def count_and_wake(callback: Any, *arguments: Any, **options: Any) -> Any:
            wakes.append(callback)
            return wake(callback, *arguments, **options)

        monkeypatch.setattr(loop, "call_soon_threadsafe", count_and_wake)
        answers = [driver.call(lambda number=number: number) for number, driver in enumerate(drivers)]
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass  # the loop does not run while both threads answer
        assert [await answer for answer in answers] == [0, 1]
    assert len(wakes) == 1
