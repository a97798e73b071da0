"""Everything a vault holds, read through its repositories, to be compared with what it held before it was damaged."""

from __future__ import annotations

from dataclasses import astuple, is_dataclass
from typing import TYPE_CHECKING, Any

from factories import (
    make_account,
    make_image_entity,
    make_plan,
    make_png,
    make_provider,
    make_report,
    make_snapshot,
    make_trades,
    make_watchlist,
)
from zorivest_async import ImageOwnerType, Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["fill", "read_all"]


async def fill(vault: Vault, trades: int, image_bytes: int) -> None:
    """Store something in every table, and leave pages free."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(notes="n" * 5_000))
        await uow.trades.save_many(make_trades(trades))
        await uow.images.attach(ImageOwnerType.TRADE, "00001", make_png())
        await uow.images.save("00002", make_image_entity(bytes(n % 251 for n in range(image_bytes))))
        await uow.trade_reports.save(make_report("00001", lessons_learned="patience"))
        await uow.trade_plans.save(make_plan(account_id="U1"))
        await uow.watchlists.save(make_watchlist("Semiconductors", "NVDA", "AMD"))
        await uow.balance_snapshots.save(make_snapshot())
        await uow.settings.bulk_upsert({"theme": "dark", "risk": 0.5, "columns": ["time", "price"]})
        await uow.market_provider_settings.save(make_provider(api_key="secret"))
        removed = await uow.images.save("00003", make_image_entity(bytes(20_000)))
        await uow.commit()
        await uow.images.delete(removed)  # which leaves pages that belong to nothing
        await uow.commit()


async def read_all(vault: Vault) -> dict[str, Any]:
    """Return all that can be read, by what it is.

    Raises:
        ZorivestError: Something cannot be read.
    """
    found: dict[str, Any] = {}
    async for name, value in _everything(vault):
        found[name] = [_plain(item) for item in value] if isinstance(value, list) else _plain(value)
    return found


async def _everything(vault: Vault) -> AsyncIterator[tuple[str, Any]]:
    async with vault.unit_of_work(read_only=True) as uow:
        listings: dict[str, Callable[..., Any]] = {
            "accounts": uow.accounts.list_all,
            "trades": uow.trades.list_all,
            "plans": uow.trade_plans.list_all,
            "watchlists": uow.watchlists.list_all,
            "providers": uow.market_provider_settings.list_all,
        }
        for name, listing in listings.items():
            yield name, await listing(limit=None)
        for exec_id in ("00001", "00002"):
            yield f"images of {exec_id}", await uow.images.get_for_trade(exec_id)
        yield "thumbnail", await uow.images.get_thumbnail(1)
        yield "stream", b"".join([chunk async for chunk in uow.images.stream(2, 4_096)])
        yield "report", await uow.trade_reports.get_for_trade("00001")
        yield "snapshots", await uow.balance_snapshots.list_for_account("U1")
        yield "trades by account", await uow.trades.list_for_account("U1", limit=None)
        yield "settings", await uow.settings.get_all()
        yield "API key", await uow.market_provider_settings.reveal_api_key("Alpha Vantage")


def _plain(value: Any) -> Any:
    return astuple(value) if is_dataclass(value) and not isinstance(value, type) else value
