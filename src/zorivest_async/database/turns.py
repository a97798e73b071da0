"""Who may use a vault's connections, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque

from zorivest_async.errors import UnitOfWorkError, VaultBusyError

__all__ = ["TurnQueue", "WriteQueue"]


class TurnQueue:
    """So many at a time, first come, first served.

    Waiting here, on the event loop, is fair and costs no thread; a free place costs no turn of the loop either.

    Args:
        places: How many may go at once.
        timeout_s: How long to wait, in seconds.
    """

    def __init__(self, places: int, timeout_s: float) -> None:
        self._free = places
        self._timeout_s = timeout_s
        self._waiting = deque[asyncio.Future[None]]()

    async def acquire(self) -> None:
        """Wait for a turn; cancelling the task takes it out of the queue.

        Raises:
            VaultBusyError: The turn did not come in time.
        """
        if self._free:  # nobody waits, then
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        patience = loop.call_later(self._timeout_s, _give_up, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()  # it came at the same moment
            raise
        finally:
            patience.cancel()

    def release(self) -> None:
        """Let the next one in."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # or given up
                turn.set_result(None)
                return
        self._free += 1


def _give_up(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_exception(VaultBusyError())


class WriteQueue(TurnQueue):
    """One at a time, because SQLite has one writer; a task that would wait for itself is told so.

    Args:
        timeout_s: How long to wait, in seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(1, timeout_s)
        self._holder: asyncio.Task[object] | None = None

    async def acquire(self) -> None:
        """Wait for the turn of the current task; cancelling the task takes it out of the queue.

        Raises:
            UnitOfWorkError: The task holds it already, in another unit of work.
            VaultBusyError: The turn did not come in time.
        """
        task = asyncio.current_task()
        if self._holder is not None and self._holder is task:
            raise UnitOfWorkError(
                "this task is already writing in another unit of work, which it would wait for forever"
            )
        await super().acquire()
        self._holder = task

    def release(self) -> None:
        """Let the next task in."""
        self._holder = None
        super().release()
