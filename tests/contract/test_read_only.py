"""A read-only unit of work reads everything and writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from factories import (
    make_account,
    make_image_entity,
    make_item,
    make_plan,
    make_png,
    make_provider,
    make_report,
    make_snapshot,
    make_trade,
    make_watchlist,
)
from zorivest_async import ImageOwnerType, ReadOnlyError, SqlAlchemyUnitOfWork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from implementations import Journal

pytestmark = pytest.mark.asyncio

WRITES: dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]] = {
    "trades.save": lambda uow: uow.trades.save(make_trade("new")),
    "trades.save_many": lambda uow: uow.trades.save_many([make_trade("new")]),
    "trades.save_many skip": lambda uow: uow.trades.save_many([make_trade("new")], "skip"),
    "trades.save_many update": lambda uow: uow.trades.save_many([make_trade("new")], "update"),
    "trades.update": lambda uow: uow.trades.update(make_trade("0001")),
    "trades.delete": lambda uow: uow.trades.delete("0001"),
    "images.save": lambda uow: uow.images.save("0001", make_image_entity()),
    "images.attach": lambda uow: uow.images.attach(ImageOwnerType.TRADE, "0001", make_png()),
    "images.delete": lambda uow: uow.images.delete(1),
    "images.delete_for_owner": lambda uow: uow.images.delete_for_owner(ImageOwnerType.TRADE, "0001"),
    "accounts.save": lambda uow: uow.accounts.save(make_account("new")),
    "accounts.update": lambda uow: uow.accounts.update(make_account("U1")),
    "accounts.delete": lambda uow: uow.accounts.delete("U2"),
    "accounts.reassign_trades_to": lambda uow: uow.accounts.reassign_trades_to("U1", "U2"),
    "balance_snapshots.save": lambda uow: uow.balance_snapshots.save(make_snapshot()),
    "trade_reports.save": lambda uow: uow.trade_reports.save(make_report("0002")),
    "trade_reports.update": lambda uow: uow.trade_reports.update(make_report(id=1)),
    "trade_reports.delete": lambda uow: uow.trade_reports.delete(1),
    "trade_plans.save": lambda uow: uow.trade_plans.save(make_plan()),
    "trade_plans.update": lambda uow: uow.trade_plans.update(make_plan(id=1)),
    "trade_plans.delete": lambda uow: uow.trade_plans.delete(1),
    "watchlists.save": lambda uow: uow.watchlists.save(make_watchlist("new", "SPY")),
    "watchlists.update": lambda uow: uow.watchlists.update(make_watchlist(id=1)),
    "watchlists.delete": lambda uow: uow.watchlists.delete(1),
    "watchlists.add_item": lambda uow: uow.watchlists.add_item(1, make_item()),
    "watchlists.update_item": lambda uow: uow.watchlists.update_item(make_item(id=1)),
    "watchlists.remove_item": lambda uow: uow.watchlists.remove_item(1),
    "search.rebuild": lambda uow: uow.search.rebuild(),
    "settings.set": lambda uow: uow.settings.set("key", 2),
    "settings.bulk_upsert": lambda uow: uow.settings.bulk_upsert({"key": 2}),
    "settings.delete": lambda uow: uow.settings.delete("key"),
    "market_provider_settings.save": lambda uow: uow.market_provider_settings.save(make_provider("new", api_key="k")),
    "market_provider_settings.update": lambda uow: uow.market_provider_settings.update(make_provider(api_key="k")),
    "market_provider_settings.delete": lambda uow: uow.market_provider_settings.delete("Alpha Vantage"),
}

READS: dict[str, Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]] = {
    "trade": lambda uow: uow.trades.get_one("0001"),
    "trades": lambda uow: uow.trades.list_all(),
    "image": lambda uow: uow.images.get(1),
    "thumbnail": lambda uow: uow.images.get_thumbnail(1),
    "accounts": lambda uow: uow.accounts.list_all(),
    "snapshots": lambda uow: uow.balance_snapshots.list_for_account("U1"),
    "report": lambda uow: uow.trade_reports.get_for_trade("0001"),
    "plan": lambda uow: uow.trade_plans.get_one(1),
    "watchlist": lambda uow: uow.watchlists.get_one(1),
    "search": lambda uow: uow.search.find("breakout"),
    "settings": lambda uow: uow.settings.get_all(),
    "provider": lambda uow: uow.market_provider_settings.get_one("Alpha Vantage"),
    "key": lambda uow: uow.market_provider_settings.reveal_api_key("Alpha Vantage"),
}


@pytest_asyncio.fixture
async def full(empty_journal: Journal) -> Journal:
    """A journal with one of everything, numbered 1."""
    async with empty_journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        await uow.accounts.save(make_account("U2"))
        await uow.trades.save(make_trade("0002"))
        await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
        await uow.balance_snapshots.save(make_snapshot())
        await uow.trade_reports.save(make_report())
        await uow.trade_plans.save(make_plan(strategy_name="breakout"))
        await uow.watchlists.save(make_watchlist("W", "SPY"))
        await uow.settings.set("key", 1)
        await uow.market_provider_settings.save(make_provider(api_key="secret"))
        await uow.commit()
    return empty_journal


async def read_everything(uow: SqlAlchemyUnitOfWork) -> dict[str, Any]:
    """Return what each of the reads gives."""
    return {name: await read(uow) for name, read in READS.items()}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_no_write_gets_through(full: Journal, write: Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]) -> None:
    """Each is an error that says so, after which the unit of work still reads; nothing has changed."""
    async with full.unit_of_work(read_only=True) as uow:
        before = await read_everything(uow)
        with pytest.raises(ReadOnlyError) as caught:
            await write(uow)
        assert caught.value.entity is not None
        assert await read_everything(uow) == before
        await uow.commit()
    async with full.unit_of_work() as uow:
        assert await read_everything(uow) == before
