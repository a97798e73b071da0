"""All rows of a kind of entity: read page by page in the order of their keys, and written as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factories import make_image_entity, make_plan, make_provider, make_trade, make_trades, make_watchlist
from zorivest_async import (
    ConfigurationError,
    DuplicateError,
    ForeignKeyError,
    ImageAttachment,
    ImageInfo,
    ImageOwnerType,
    MarketProviderSetting,
    Setting,
    Trade,
    TradePlan,
    Watchlist,
    WatchlistItem,
)

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio


async def test_pages_follow_one_another_by_key(journal: Journal) -> None:
    """Each row once, and an empty page at the end."""
    trades = [make_trade("0001"), *make_trades(450, first=100)]
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(trades[1:])
        assert await uow.rows.count(Trade) == len(trades)
        found = list[Trade]()
        while page := await uow.rows.page(Trade, found[-1].exec_id if found else None):
            found += page
        assert found == sorted(trades, key=lambda trade: trade.exec_id)


async def test_rows_come_back_with_their_numbers(journal: Journal) -> None:
    """Inserting them elsewhere gives the same rows; secrets, and what is in another table, are left out."""
    async with journal.unit_of_work() as uow:
        await uow.trade_plans.save(make_plan(id=7))
        await uow.watchlists.save(make_watchlist("w", "SPY", "QQQ", id=3))
        await uow.settings.set("panes", {"a": [1, None]})
        await uow.market_provider_settings.save(make_provider())
        plans, settings = await uow.rows.page(TradePlan), await uow.rows.page(Setting)
        lists, items = await uow.rows.page(Watchlist), await uow.rows.page(WatchlistItem)
        assert ([plan.id for plan in plans], [setting.value for setting in settings]) == ([7], [{"a": [1, None]}])
        assert [(found.id, found.items) for found in lists] == [(3, ())]
        assert [(item.ticker, item.watchlist_id) for item in items] == [("SPY", 3), ("QQQ", 3)]
        assert [provider.api_key for provider in await uow.rows.page(MarketProviderSetting)] == [None]
        await uow.trade_plans.delete(7)
        await uow.watchlists.delete(3)
        await uow.settings.delete("panes")
        for rows in (plans, lists, items, settings):
            await uow.rows.insert(rows)
        assert await uow.rows.page(TradePlan) == plans
        assert await uow.rows.page(Setting) == settings
        assert (await uow.watchlists.get_one(3)).items == tuple(items)


async def test_an_image_needs_its_owner_unless_it_was_set_aside(journal: Journal) -> None:
    """What was set aside keeps its bytes, so that a journal with it can be exported and imported."""
    image = make_image_entity(b"bytes", owner_id="0001", id=5)
    async with journal.unit_of_work() as uow:
        await uow.rows.insert([image, replace(image, id=6, owner_id="orphan:gone")])
        assert [(found.id, found.owner_id) for found in await uow.rows.page(ImageAttachment)] == [
            (5, "0001"),
            (6, "orphan:gone"),
        ]
        with pytest.raises(ForeignKeyError):
            await uow.rows.insert([replace(image, id=7, owner_type=ImageOwnerType.PLAN, owner_id="1")])


async def test_what_is_stored_already_is_refused(journal: Journal) -> None:
    """All of the rows; and a class that is no aggregate's has no table."""
    async with journal.unit_of_work() as uow:
        await uow.rows.insert([])
        with pytest.raises(DuplicateError):
            await uow.rows.insert([make_trade("new"), make_trade("0001")])
        assert await uow.rows.count(Trade) == 1
        with pytest.raises(ConfigurationError, match="ImageInfo is not the entity of an aggregate"):
            await uow.rows.count(ImageInfo)
