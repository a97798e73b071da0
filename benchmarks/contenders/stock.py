"""Stock SQLAlchemy: ``sqlite+aiosqlite`` over an encrypted connection, with ORM sessions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import defer

from benchmarks.connecting import create_stock_engine
from benchmarks.contenders.base import OnVault
from zorivest_async import ImageOwnerType
from zorivest_async.database.models import AccountModel, ImageModel, TradeModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

    from benchmarks.contenders.base import Position, Read
    from zorivest_async import Trade

__all__ = ["Stock", "newest"]

_MOST_CONNECTIONS = 15
"""SQLAlchemy's default: a pool of 5 and an overflow of 10, here all kept open, which is faster."""


def newest(after: Position = None) -> Select[Any]:
    """Return the statement that selects trades, newest first, from a position on."""
    statement = select(TradeModel).order_by(TradeModel.time.desc(), TradeModel.exec_id.desc())
    return statement if after is None else statement.where(tuple_(TradeModel.time, TradeModel.exec_id) < after)


class Stock(OnVault):
    """An ``AsyncSession`` per unit of work; its results are models."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._new_session = async_sessionmaker(engine, expire_on_commit=False)

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        return cls(create_stock_engine(path, key, pool_size=connections or _MOST_CONNECTIONS, max_overflow=0))

    async def aclose(self) -> None:  # noqa: D102
        await self._engine.dispose()

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return [
            TradeModel(
                exec_id=trade.exec_id,
                time=trade.time,
                instrument=trade.instrument,
                action=trade.action,
                quantity=trade.quantity,
                price=trade.price,
                account_id=trade.account_id,
                commission=trade.commission,
                realized_pnl=trade.realized_pnl,
            )
            for trade in trades
        ]

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        async with self._new_session() as session:
            return await session.get_one(TradeModel, exec_id)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Read]:  # noqa: D102
        async with self._new_session() as session:

            async def read(exec_id: str) -> object:
                return await session.get_one(TradeModel, exec_id)

            yield read

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        async with self._new_session() as session:
            session.add(trade)
            await session.commit()

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        async with self._new_session() as session:
            trade = await session.get_one(TradeModel, exec_id)
            trade.commission = (trade.commission or 0.0) + 0.01
            await session.commit()

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        async with self._new_session() as session:
            session.add_all(trades)
            await session.commit()

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        async with self._new_session() as session:
            return (await session.scalars(newest().limit(count))).all()

    async def stream_trades(self, count: int) -> int:  # noqa: D102
        async with self._new_session() as session:
            seen = 0
            async for _ in await session.stream_scalars(newest().limit(count)):
                seen += 1
            return seen

    async def page(self, size: int, after: Position) -> Sequence[object]:  # noqa: D102
        async with self._new_session() as session:
            return (await session.scalars(newest(after).limit(size))).all()

    async def position_after(self, count: int) -> Position:  # noqa: D102
        async with self._new_session() as session:
            trade = (await session.scalars(newest().offset(count - 1).limit(1))).one()
            return trade.time, trade.exec_id

    async def list_images(self, owner_id: str) -> Sequence[object]:  # noqa: D102
        of_owner = (ImageModel.owner_type == ImageOwnerType.TRADE) & (ImageModel.owner_id == owner_id)
        statement = select(ImageModel).where(of_owner).order_by(ImageModel.id.desc())
        async with self._new_session() as session:
            return (await session.scalars(statement.options(defer(ImageModel.data)))).all()

    async def hold_open(self, count: int) -> None:  # noqa: D102
        all_open = asyncio.Barrier(count)

        async def hold() -> None:
            async with self._new_session() as session:
                await session.scalar(select(func.count()).select_from(AccountModel))
                await all_open.wait()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(hold())
