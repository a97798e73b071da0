"""No frame of the library's holds a row when an error leaves it: every method, however it is made to fail."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import text

from canaries import ROW, found_in, locals_of
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
from zorivest_async import ImageOwnerType, TradeFilter, Vault, ZorivestError, analytics
from zorivest_async.database.repositories import base
from zorivest_async.transfer import exporting, importers, journal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

Call = "Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]]"

SAVEPOINT: Final = 32
"""``SQLITE_SAVEPOINT``, which :mod:`sqlite3` has no name for before Python 3.12."""

OWNER: Final = ImageOwnerType.TRADE

WITH_ROWS: Final[dict[str, Any]] = {
    "accounts.save": lambda uow: uow.accounts.save(make_account(name=ROW, notes=ROW)),
    "accounts.update": lambda uow: uow.accounts.update(make_account(name=ROW)),
    "accounts.get": lambda uow: uow.accounts.get(ROW),
    "accounts.get_one": lambda uow: uow.accounts.get_one(ROW),
    "accounts.exists": lambda uow: uow.accounts.exists(ROW),
    "accounts.delete": lambda uow: uow.accounts.delete(ROW),
    "accounts.reassign_trades_to": lambda uow: uow.accounts.reassign_trades_to(ROW, ROW),
    "trades.save": lambda uow: uow.trades.save(make_trade(instrument=ROW)),
    "trades.update": lambda uow: uow.trades.update(make_trade(instrument=ROW)),
    "trades.save_many": lambda uow: uow.trades.save_many([make_trade(instrument=ROW)]),
    "trades.save_many(update)": lambda uow: uow.trades.save_many([make_trade(instrument=ROW)], "update"),
    "trades.get_many": lambda uow: uow.trades.get_many([ROW]),
    "trades.list_filtered": lambda uow: uow.trades.list_filtered(TradeFilter(search=ROW)),
    "trades.count_filtered": lambda uow: uow.trades.count_filtered(TradeFilter(search=ROW)),
    "trades.page": lambda uow: uow.trades.page(TradeFilter(search=ROW)),
    "trades.stream": lambda uow: _all(uow.trades.stream(TradeFilter(search=ROW))),
    "images.save": lambda uow: uow.images.save("0001", make_image_entity(caption=ROW)),
    "images.attach": lambda uow: uow.images.attach(OWNER, "0001", make_png(), caption=ROW),
    "images.get_for_owner": lambda uow: uow.images.get_for_owner(OWNER, ROW),
    "images.list_for_owner": lambda uow: uow.images.list_for_owner(OWNER, ROW),
    "images.delete_for_owner": lambda uow: uow.images.delete_for_owner(OWNER, ROW),
    "trade_reports.save": lambda uow: uow.trade_reports.save(make_report(lessons_learned=ROW)),
    "trade_reports.update": lambda uow: uow.trade_reports.update(make_report(id=1, lessons_learned=ROW)),
    "trade_reports.get_for_trade": lambda uow: uow.trade_reports.get_for_trade(ROW),
    "trade_plans.save": lambda uow: uow.trade_plans.save(make_plan(strategy_name=ROW)),
    "trade_plans.update": lambda uow: uow.trade_plans.update(make_plan(id=1, strategy_name=ROW)),
    "trade_plans.list_all": lambda uow: uow.trade_plans.list_all(ticker=ROW),
    "watchlists.save": lambda uow: uow.watchlists.save(make_watchlist(ROW, ROW)),
    "watchlists.update": lambda uow: uow.watchlists.update(make_watchlist(ROW, id=1)),
    "watchlists.add_item": lambda uow: uow.watchlists.add_item(1, make_item(notes=ROW)),
    "watchlists.update_item": lambda uow: uow.watchlists.update_item(make_item(id=1, notes=ROW)),
    "watchlists.exists_by_name": lambda uow: uow.watchlists.exists_by_name(ROW),
    "balance_snapshots.save": lambda uow: uow.balance_snapshots.save(make_snapshot(ROW)),
    "balance_snapshots.list_for_account": lambda uow: uow.balance_snapshots.list_for_account(ROW),
    "settings.set": lambda uow: uow.settings.set("key", ROW),
    "settings.bulk_upsert": lambda uow: uow.settings.bulk_upsert({"one": ROW, "two": [ROW]}),
    "settings.get": lambda uow: uow.settings.get(ROW),
    "market_provider_settings.save": lambda uow: uow.market_provider_settings.save(make_provider(ROW)),
    "market_provider_settings.update": lambda uow: uow.market_provider_settings.update(make_provider(ROW)),
    "search.find": lambda uow: uow.search.find(ROW),
    "performance": lambda uow: analytics.performance(uow, TradeFilter(search=ROW)),
    "equity_curve": lambda uow: analytics.equity_curve(uow, TradeFilter(search=ROW)),
}
"""Calls that are given rows, identifiers and filters."""


async def _all(stream: Any) -> None:
    async with aclosing(stream):
        async for _ in stream:
            pass


def assert_no_row_in_frames(error: BaseException) -> None:
    """Look at every frame outside the tests, of the error and of all that stand behind it."""
    for place, values in locals_of(error).items():
        assert not found_in(values, ROW), (place, values)


@pytest.mark.parametrize("name", WITH_ROWS)
async def test_what_a_method_was_called_with_is_in_no_frame(vault: Vault, name: str) -> None:
    """An authorizer refuses every statement that reads or writes."""

    def authorize(action: int, *_about: object) -> int:
        return sqlite3.SQLITE_OK if action in (SAVEPOINT, sqlite3.SQLITE_TRANSACTION) else sqlite3.SQLITE_DENY

    async with vault.unit_of_work() as uow:
        driver: Any = (await (await uow.connection()).get_raw_connection()).driver_connection
        await driver.set_authorizer(authorize)
        with pytest.raises(ZorivestError) as caught:
            await WITH_ROWS[name](uow)
        await driver.set_authorizer(None)
    assert_no_row_in_frames(caught.value)


READS: Final[dict[str, Any]] = {
    "trades.get": lambda uow: uow.trades.get("0001"),
    "trades.list_all": lambda uow: uow.trades.list_all(),
    "trades.page": lambda uow: uow.trades.page(TradeFilter()),
    "trades.get_many": lambda uow: uow.trades.get_many(["0001"]),
    "trades.stream": lambda uow: _all(uow.trades.stream()),
    "accounts.list_all": lambda uow: uow.accounts.list_all(),
    "settings.get": lambda uow: uow.settings.get("key"),
    "settings.get_all": lambda uow: uow.settings.get_all(),
    "performance": analytics.performance,
    "performance(by)": lambda uow: analytics.performance(uow, by=analytics.GroupBy.INSTRUMENT),
    "equity_curve": analytics.equity_curve,
}
"""Calls that read rows which something else has written."""


@pytest.mark.parametrize("name", READS)
async def test_rows_that_cannot_be_read_are_in_no_frame(vault: Vault, name: str) -> None:
    """Another program has stored times and values that no release writes."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(name=ROW))
        await uow.trades.save_many([make_trade(f"{n:04}", instrument=ROW) for n in range(3)])
        await uow.settings.set("key", ROW)
        connection = await uow.connection()
        await connection.execute(text("UPDATE trades SET time = :row"), {"row": ROW})
        await connection.execute(text("UPDATE accounts SET created_at = :row"), {"row": ROW})
        await connection.execute(text("UPDATE settings SET value = :row, value_type = 'json'"), {"row": ROW})
        with pytest.raises(ZorivestError) as caught:
            await READS[name](uow)
    assert_no_row_in_frames(caught.value)


async def test_a_cancelled_call_holds_no_row(vault: Vault) -> None:
    """``CancelledError`` has a traceback, too."""
    async with vault.unit_of_work() as writing:
        await writing.settings.set("key", 1)

        async def save() -> None:
            async with vault.unit_of_work() as uow:
                await uow.accounts.save(make_account(name=ROW))

        waiting = asyncio.create_task(save())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await waiting
    assert_no_row_in_frames(caught.value)


async def test_exports_hold_no_row(vault: Vault, tmp_path: Path) -> None:
    """Neither a file nor a folder that cannot be written."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(name=ROW))
        await uow.trades.save(make_trade(instrument=ROW))
        await uow.commit()
    trade = make_trade(instrument=ROW)
    exports: list[Callable[[], Awaitable[object]]] = [
        lambda: exporting.export_trades(vault, tmp_path / "missing" / "trades.csv"),
        lambda: exporting.export_trades(vault, tmp_path / "missing" / "trades.parquet"),
        lambda: journal.export_journal(vault, tmp_path),
        lambda: asyncio.to_thread(lambda: exporting.write_csv(tmp_path / "missing" / "t.csv", [trade])),
    ]
    for export in exports:
        with pytest.raises(ZorivestError) as caught:
            await export()
        assert_no_row_in_frames(caught.value)


async def test_imports_hold_no_row(vault: Vault, tmp_path: Path) -> None:
    """A journal whose rows are in the vault already."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(name=ROW))
        await uow.trades.save(make_trade(instrument=ROW))
        await uow.commit()
    await journal.export_journal(vault, tmp_path / "journal")
    with pytest.raises(ZorivestError) as caught:
        await journal.import_journal(vault, tmp_path / "journal")
    assert_no_row_in_frames(caught.value)


async def test_every_public_coroutine_of_a_repository_is_sealed() -> None:
    """A method that is added is, too, without anybody remembering it; so are the functions that take or give rows."""
    waiting: list[type[Any]] = [base.Repository]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        for name, method in vars(cls).items():
            if inspect.iscoroutinefunction(method) and not name.startswith("_"):
                assert hasattr(method, "__wrapped__"), f"{cls.__name__}.{name}"
    functions = (
        analytics.performance, analytics.equity_curve, exporting.export_trades, journal.export_journal,
        journal.import_journal, importers.import_trades, importers.import_screenshots,
    )  # fmt: skip
    assert all(hasattr(function, "__wrapped__") for function in functions)
