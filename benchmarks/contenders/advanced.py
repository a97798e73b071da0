"""Repositories of ``advanced-alchemy`` over the stock engine and the same models."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy.orm import defer

from benchmarks.contenders.stock import Stock, newest
from zorivest_async import ImageOwnerType
from zorivest_async.database.models import ImageModel, TradeModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from benchmarks.contenders.base import Position, Read

__all__ = ["AdvancedAlchemy"]


class _Trades(SQLAlchemyAsyncRepository[TradeModel]):
    model_type = TradeModel
    id_attribute = "exec_id"


class _Images(SQLAlchemyAsyncRepository[ImageModel]):
    model_type = ImageModel


class AdvancedAlchemy(Stock):
    """A repository per session; what it has no method for (streams, connections) is stock SQLAlchemy's."""

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        async with self._new_session() as session:
            return await _Trades(session=session).get(exec_id)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Read]:  # noqa: D102
        async with self._new_session() as session:
            yield _Trades(session=session).get

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        async with self._new_session() as session:
            await _Trades(session=session).add(trade, auto_commit=True, auto_refresh=False)

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        async with self._new_session() as session:
            trades = _Trades(session=session)
            trade = await trades.get(exec_id)
            trade.commission = (trade.commission or 0.0) + 0.01
            await trades.update(trade, auto_commit=True, auto_refresh=False)

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        async with self._new_session() as session:
            await _Trades(session=session).add_many(trades, auto_commit=True)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return await self.page(count, None)

    async def page(self, size: int, after: Position) -> Sequence[object]:  # noqa: D102
        async with self._new_session() as session:
            return await _Trades(session=session).get_many(statement=newest(after).limit(size))

    async def list_images(self, owner_id: str) -> Sequence[object]:  # noqa: D102
        async with self._new_session() as session:
            return await _Images(session=session).get_many(
                owner_type=ImageOwnerType.TRADE,
                owner_id=owner_id,
                order_by=(ImageModel.id, True),
                load=[defer(ImageModel.data)],
            )
