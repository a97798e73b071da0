"""Checked by mypy and pyright in strict mode, never run: how users' modules see the library."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_type

from zorivest_async import (
    Account,
    AccountType,
    ImageInfo,
    ImageOwnerType,
    Page,
    SaveResult,
    SearchHit,
    SearchKind,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeAction,
    TradeFilter,
    Vault,
    Watchlist,
    WatchlistItem,
)
from zorivest_async.analytics import (
    EquityCurve,
    FifoMatch,
    GroupBy,
    Performance,
    Position,
    Positions,
    Rates,
    Split,
    equity_curve,
    equity_curve_of,
    match_fifo,
    performance,
    performance_of,
    positions,
    positions_of,
)

if TYPE_CHECKING:
    from zorivest_async.ports import TradeRepository, UnitOfWork


async def open_both_ways() -> None:
    """A vault is awaited or entered."""
    async with Vault.open("journal.vault", passphrase="correct horse") as entered:
        assert_type(entered, Vault)
    awaited = await Vault.in_memory()
    assert_type(awaited, Vault)
    await awaited.aclose()


async def count_by_port(unit_of_work: UnitOfWork) -> int:
    """An application's function knows the ports alone."""
    async with unit_of_work as uow:
        return await uow.trades.count_filtered(TradeFilter(action=TradeAction.BOT))


async def use(vault: Vault) -> None:
    """Entities go in and come out as their own types."""
    await count_by_port(vault.unit_of_work(read_only=True))
    async with vault.unit_of_work() as uow:
        assert_type(uow, SqlAlchemyUnitOfWork)
        repository: TradeRepository = uow.trades
        await uow.accounts.save(Account("U1", "margin", AccountType.BROKER))
        trade = Trade("1", datetime.now(UTC), "SPY", TradeAction.BOT, 1, 2.5, "U1")
        await repository.save(trade)
        assert_type(await repository.get("1"), Trade | None)
        assert_type(await uow.trades.get_one("1"), Trade)
        assert_type(await uow.trades.save_many([replace(trade, exec_id="2")]), SaveResult)
        assert_type(await uow.trades.page(TradeFilter(), size=10), Page[Trade])
        async for streamed in uow.trades.stream():
            assert_type(streamed, Trade)
        assert_type(await uow.images.list_for_owner(ImageOwnerType.TRADE, "1"), list[ImageInfo])
        assert_type(await uow.search.find("breakout", kinds=[SearchKind.PLAN]), list[SearchHit])
        assert_type(await uow.watchlists.save(Watchlist("tech", items=(WatchlistItem("AAPL"),))), int)
        await uow.commit()


async def analyse(vault: Vault) -> None:
    """Questions to a vault and to trades at hand have the same answers."""
    async with vault.unit_of_work(read_only=True) as uow:
        assert_type(await performance(uow, TradeFilter(), by=GroupBy.DAY, time_zone="UTC"), list[Performance])
        assert_type(await equity_curve(uow), list[EquityCurve])
        assert_type(await positions(uow, TradeFilter(), open=True, method="lifo"), Positions)
        accounts = await uow.accounts.list_all()
        match = match_fifo(await uow.trades.list_all(limit=None), multipliers={"ESZ4": 50})
    assert_type(match, FifoMatch)
    assert_type(performance_of(match.trades, accounts, closing=match.closing), list[Performance])
    assert_type(equity_curve_of(match.trades, accounts, less_commission=True), list[EquityCurve])
    folded = positions_of(match.trades, accounts, splits=[Split("SPY", datetime.now(UTC), 2)], convert=Rates("USD", {}))
    assert_type(folded, Positions)
    assert_type(folded[0], Position)
    assert_type(folded[:2], tuple[Position, ...])
