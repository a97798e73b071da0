"""This library."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count as count_from
from typing import TYPE_CHECKING, Any, Self

from benchmarks.contenders.base import OnVault
from zorivest_async import ImageOwnerType, TradeFilter, Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from benchmarks.contenders.base import Position, Read
    from zorivest_async import Trade

__all__ = ["Library"]

_EVERYTHING = TradeFilter()


class Library(OnVault):
    """A vault; its results are entities."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        if connections is None:
            return cls(await Vault.open(path, key=key, create=False))
        return cls(await Vault.open(path, key=key, create=False, readers=connections - 1))  # one more writes

    async def aclose(self) -> None:  # noqa: D102
        await self._vault.aclose()

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return list(trades)

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            return await uow.trades.get_one(exec_id)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Read]:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            yield uow.trades.get_one

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        async with self._vault.unit_of_work() as uow:
            await uow.trades.save(trade)
            await uow.commit()

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        async with self._vault.unit_of_work() as uow:
            trade = await uow.trades.get_one(exec_id)
            await uow.trades.update(replace(trade, commission=trade.commission + 0.01))
            await uow.commit()

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        async with self._vault.unit_of_work() as uow:
            await uow.trades.save_many(trades)
            await uow.commit()

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            return await uow.trades.list_all(limit=count)

    async def stream_trades(self, count: int) -> int:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            seen = count_from()
            async for _ in uow.trades.stream():
                if next(seen) == count - 1:
                    break
            return next(seen)

    async def page(self, size: int, after: Position) -> Sequence[object]:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            return (await uow.trades.page(_EVERYTHING, size, after)).items

    async def position_after(self, count: int) -> Position:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            return (await uow.trades.page(_EVERYTHING, count)).next

    async def list_images(self, owner_id: str) -> Sequence[object]:  # noqa: D102
        async with self._vault.unit_of_work(read_only=True) as uow:
            return await uow.images.list_for_owner(ImageOwnerType.TRADE, owner_id, limit=None)

    async def hold_open(self, count: int) -> None:  # noqa: D102
        all_open = asyncio.Barrier(count)

        async def hold(*, read_only: bool) -> None:
            async with self._vault.unit_of_work(read_only=read_only) as uow:
                await uow.accounts.count_all()
                await all_open.wait()

        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                tasks.create_task(hold(read_only=number > 0))
