"""Who may write: the units of work of one vault, in order of arrival."""

from __future__ import annotations

import asyncio

from zorivest_async.errors import UnitOfWorkError, VaultBusyError

__all__ = ["WriteQueue"]


class WriteQueue:
    """A first-come, first-served lock that knows its holder.

    SQLite has one writer; waiting for it here, on the event loop, is fair and costs no thread. A task that would wait
    for itself is told so.

    Args:
        timeout_s: How long to wait, in seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None

    async def acquire(self) -> None:
        """Wait for the turn of the current task.

        Cancelling a waiting task takes it out of the queue.

        Raises:
            UnitOfWorkError: The task holds it already, in another unit of work.
            VaultBusyError: The turn did not come in time.
        """
        task = asyncio.current_task()
        if self._lock.locked() and self._holder is task:
            raise UnitOfWorkError(
                "this task is already writing in another unit of work, which it would wait for forever"
            )
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._lock.acquire()
        except TimeoutError:
            raise VaultBusyError from None
        self._holder = task

    def release(self) -> None:
        """Let the next task in."""
        self._holder = None
        self._lock.release()
