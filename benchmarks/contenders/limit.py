"""The limit for code that awaits: the driver's calls, handed to one thread through a bare queue, once per operation."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from benchmarks.connecting import open_raw
from benchmarks.contenders import statements
from benchmarks.contenders.base import OnVault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from pathlib import Path

    from sqlcipher3 import dbapi2 as sqlcipher

    from benchmarks.contenders.base import Position, Read
    from zorivest_async import Trade

__all__ = ["HandOff", "Limit"]

_Queue: TypeAlias = "SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None]"


class HandOff:
    """One thread and the queue to it: no cancellation, no pool, no translation of errors."""

    def __init__(self) -> None:
        self._calls: _Queue = SimpleQueue()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the thread and return its result."""
        future = asyncio.get_running_loop().create_future()
        self._calls.put((future, partial(function, *args)))
        return await future

    async def aclose(self) -> None:
        """End the thread."""
        self._calls.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            loop = future.get_loop()
            try:
                result = function()
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
                loop.call_soon_threadsafe(future.set_exception, error)
            else:
                loop.call_soon_threadsafe(future.set_result, result)


class Limit(OnVault):
    """Whole operations of ``sqlcipher3``, one hand-off each; its results are the driver's tuples."""

    def __init__(self, path: Path, key: bytes, connection: sqlcipher.Connection, hand_off: HandOff) -> None:
        self._path = path
        self._key = key
        self._connection = connection
        self._hand_off = hand_off
        self._others: list[Limit] = []

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:  # noqa: ARG003
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        hand_off = HandOff()
        return cls(path, key, await hand_off.call(open_raw, path, key), hand_off)

    async def aclose(self) -> None:  # noqa: D102
        for other in self._others:
            await other.aclose()
        await self._hand_off.call(self._connection.close)
        await self._hand_off.aclose()

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self._hand_off.call(function, self._connection, *args)

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return statements.prepare(trades)

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        return await self._call(statements.read, exec_id)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Read]:  # noqa: D102
        await self._hand_off.call(self._connection.execute, "BEGIN")
        try:
            yield self.read_fresh
        finally:
            await self._hand_off.call(self._connection.execute, "ROLLBACK")

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        await self._call(statements.save_commit, trade)

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        await self._call(statements.read_modify_write, exec_id)

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        await self._call(statements.bulk_save, trades)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return list(await self._call(statements.list_trades, count))

    async def stream_trades(self, count: int) -> int:  # noqa: D102
        return int(await self._call(statements.stream_trades, count))

    async def page(self, size: int, after: Position) -> Sequence[object]:  # noqa: D102
        return list(await self._call(statements.page, size, after))

    async def position_after(self, count: int) -> Position:  # noqa: D102
        return await self._call(statements.position_after, count)

    async def list_images(self, owner_id: str) -> Sequence[object]:  # noqa: D102
        return list(await self._call(statements.list_images, owner_id))

    async def hold_open(self, count: int) -> None:  # noqa: D102
        self._others = [await Limit.open(self._path, self._key) for _ in range(count - 1)]
        for other in (self, *self._others):
            await other._call(statements.probe)  # noqa: SLF001 - of its own class
