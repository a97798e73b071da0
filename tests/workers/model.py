"""A journal as plain dictionaries, and what it takes to compare a vault with one, step by step."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zorivest_async import Account, SqlAlchemyUnitOfWork, Trade, TradeReport, Vault

__all__ = ["Journal", "Unit", "read"]

_T = TypeVar("_T")


@dataclass
class Journal:
    """What a vault holds, as dictionaries."""

    accounts: dict[str, Account] = field(default_factory=dict)
    trades: dict[str, Trade] = field(default_factory=dict)
    images: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    reports: dict[str, TradeReport] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def delete_trade(self, exec_id: str) -> None:
        """Delete a trade with all that belongs to it."""
        del self.trades[exec_id]
        self.reports.pop(exec_id, None)
        self.images = {number: image for number, image in self.images.items() if image[0] != exec_id}


async def read(uow: SqlAlchemyUnitOfWork) -> Journal:
    """Read all of a vault through its repositories."""
    trades = await uow.trades.list_all(limit=None)
    images = [image for trade in trades for image in await uow.images.get_for_trade(trade.exec_id)]
    reports = [await uow.trade_reports.get_for_trade(trade.exec_id) for trade in trades]
    return Journal(
        {account.account_id: account for account in await uow.accounts.list_all()},
        {trade.exec_id: trade for trade in trades},
        {image.id or 0: (image.owner_id, image.data) for image in images},
        {report.trade_id: report for report in reports if report is not None},
        {setting.key: setting.value for setting in await uow.settings.get_all()},
    )


class Unit:
    """A unit of work that lives in a task of its own, as it must, between the rules that use it."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._calls: asyncio.Queue[tuple[Callable[[SqlAlchemyUnitOfWork], Awaitable[Any]], asyncio.Future[Any]] | None]
        self._calls = asyncio.Queue()
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        async with self._vault.unit_of_work() as uow:
            while (call := await self._calls.get()) is not None:
                function, answer = call
                try:
                    answer.set_result(await function(uow))
                except Exception as error:  # noqa: BLE001 - it belongs to the caller
                    answer.set_exception(error)

    async def call(self, function: Callable[[SqlAlchemyUnitOfWork], Awaitable[_T]]) -> _T:
        """Run a function in the unit of work's task."""
        answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._calls.put_nowait((function, answer))
        return await answer

    async def leave(self) -> None:
        """Leave the block."""
        self._calls.put_nowait(None)
        await self._task
