"""aiosqlite over sqlcipher3, as its README uses it: one connection, and a lock around transactions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import aiosqlite

from benchmarks.connecting import open_raw
from benchmarks.contenders.base import OnVault
from benchmarks.contenders.statements import CHANGE, COMMISSION_COLUMN, NEWEST, READ, prepare
from benchmarks.trades import INSERT_TRADE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from zorivest_async import Trade

__all__ = ["Aiosqlite", "AiosqliteFetchAll"]


class Aiosqlite(OnVault):
    """A cursor per read; its results are the driver's tuples."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:  # noqa: ARG003
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        connection = aiosqlite.Connection(partial(open_raw, path, key), iter_chunk_size=64)
        cast("Any", connection)._thread.daemon = True  # noqa: SLF001 - else a cancelled run cannot end
        return cls(await connection)

    async def aclose(self) -> None:  # noqa: D102
        await self._connection.close()

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return prepare(trades)

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        async with self._connection.execute(READ, (exec_id,)) as cursor:
            return await cursor.fetchone()

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[aiosqlite.Connection]:
        async with self._writing:
            await self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                await self._connection.commit()
            except BaseException:
                await self._connection.rollback()
                raise

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        async with self._transaction() as connection:
            await connection.execute(INSERT_TRADE, trade)

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        async with self._transaction() as connection:
            async with connection.execute(READ, (exec_id,)) as cursor:
                row = cast("Any", await cursor.fetchone())
            await connection.execute(CHANGE, (row[COMMISSION_COLUMN] + 0.01, exec_id))

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        async with self._transaction() as connection:
            await connection.executemany(INSERT_TRADE, trades)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return list(await self._connection.execute_fetchall(NEWEST, (count,)))


class AiosqliteFetchAll(Aiosqlite):
    """Reads with ``execute_fetchall()``, its one method that executes and fetches in one hand-off."""

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        (row,) = await self._connection.execute_fetchall(READ, (exec_id,))
        return row
