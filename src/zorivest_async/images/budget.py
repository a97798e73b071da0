"""FIFO budget for the bytes of images that are in memory at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

__all__ = ["ByteBudget", "HeldBytes"]


class ByteBudget:
    """A FIFO semaphore that counts bytes.

    A large request is not overtaken by smaller ones, so it cannot starve. A request for more than the whole budget
    waits until nothing else is held.

    Many tasks of one event loop may use it at once.

    Args:
        limit_bytes: The budget.
    """

    __slots__ = ("_free", "_limit", "_waiting")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = self._free = limit_bytes
        self._waiting = deque[tuple[int, asyncio.Future[None]]]()

    async def take(self, size: int) -> int:
        """Wait for room, and return how many bytes to give back; cancelling the task removes it from the queue.

        Args:
            size: Bytes that will be in memory.
        """
        size = min(size, self._limit)
        if not self._waiting and size <= self._free:
            self._free -= size
            return size
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # The room may have come in the same turn of the event loop as the cancellation. Otherwise, those behind
            # this task may have room now.
            self.give_back(0 if turn.cancelled() else size)
            raise
        return size

    def give_back(self, size: int) -> None:
        """Give bytes back, and give room to those that wait."""
        self._free += size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if wanted > self._free:
                    return
                self._free -= wanted
                turn.set_result(None)
            self._waiting.popleft()


class HeldBytes:
    """Asynchronous context manager: the bytes of an image, which count against a budget until the block ends.

    The largest possible size is taken before the bytes are read, because a file may grow after its size was looked at,
    and what is left over is given back once they are there. Cancelling it while it waits leaves the queue.

    Args:
        budget: The budget; ``None`` counts nothing and never waits.
        most: The largest possible size, in bytes.
        read: Reads the bytes.
    """

    __slots__ = ("_budget", "_held", "_most", "_read")

    def __init__(self, budget: ByteBudget | None, most: int, read: Callable[[], Awaitable[bytes]]) -> None:
        self._budget = budget
        self._most = most
        self._read = read
        self._held = 0

    async def __aenter__(self) -> bytes:
        if self._budget is None:
            return await self._read()
        self._held = await self._budget.take(self._most)
        try:
            data = await self._read()
        except BaseException:
            self._release(self._held)
            raise
        self._release(max(self._held - len(data), 0))
        return data

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release(self._held)

    def _release(self, size: int) -> None:
        self._held -= size
        if self._budget is not None:
            self._budget.give_back(size)
