"""FIFO queues for a vault's connections."""

from __future__ import annotations

import asyncio
from collections import deque

from zorivest_async.errors import UnitOfWorkError, VaultBusyError

__all__ = ["TurnQueue", "WriteQueue"]


class TurnQueue:
    """A FIFO semaphore with a timeout: it limits the number of units of work at a time.

    Waiting here, on the event loop, is fair and needs no thread. Taking a free place needs no turn of the event loop.

    Args:
        places: Maximum number of holders at a time.
        timeout_s: How long to wait, in seconds.
        problem: The message of the error after the timeout.
    """

    def __init__(self, places: int, timeout_s: float, problem: str = VaultBusyError.problem) -> None:
        self._free = places
        self._timeout_s = timeout_s
        self._problem = problem
        self._waiting = deque[asyncio.Future[None]]()
        self._is_kept = False

    def keep(self) -> None:
        """Let others wait for the holder's turn to end, however long it takes: it works, and does not wait."""
        self._is_kept = True

    @property
    def others_wait(self) -> bool:
        """Whether tasks wait for a turn; another thread may ask."""
        return bool(self._waiting)

    def try_acquire(self) -> bool:
        """Take a turn if one is free, which is only so while no task waits; return whether it was taken."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def acquire(self) -> None:
        """Wait for a turn; cancelling the task removes it from the queue.

        Raises:
            VaultBusyError: The turn did not come in time.
        """
        if self.try_acquire():
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()

        self._waiting.append(turn)
        patience = list[asyncio.TimerHandle]()
        patience.append(loop.call_later(self._timeout_s, self._lose_patience, turn, patience))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()  # the turn came in the same turn of the event loop as the cancellation
            raise
        finally:
            patience.pop().cancel()

    def _lose_patience(self, turn: asyncio.Future[None], patience: list[asyncio.TimerHandle]) -> None:
        """Let a task give up, unless the holder keeps its turn."""
        if turn.done():
            return
        if self._is_kept:
            patience[0] = turn.get_loop().call_later(self._timeout_s, self._lose_patience, turn, patience)
        else:
            turn.set_exception(VaultBusyError(problem=self._problem))

    def release(self) -> None:
        """Give the turn to the next task."""
        self._is_kept = False
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # its task was cancelled, or its time is over
                turn.set_result(None)
                return
        self._free += 1


class WriteQueue(TurnQueue):
    """A FIFO lock, because SQLite has one writer; it refuses a task that would wait for itself.

    Args:
        timeout_s: How long to wait, in seconds.
        problem: As for :class:`TurnQueue`.
    """

    def __init__(self, timeout_s: float, problem: str = VaultBusyError.problem) -> None:
        super().__init__(1, timeout_s, problem)
        self._holder: asyncio.Task[object] | None = None

    def is_held_here(self) -> bool:
        """Return whether the current task holds the turn."""
        return self._holder is not None and self._holder is asyncio.current_task()

    def try_acquire(self) -> bool:
        """Take the turn for the current task if it is free; return whether it was taken.

        Raises:
            UnitOfWorkError: The task already holds the turn, in another unit of work.
        """
        task = asyncio.current_task()
        if self._free:
            self._free, self._holder = 0, task
            return True
        if self._holder is not None and self._holder is task:
            raise UnitOfWorkError(
                "this task is already writing in another unit of work, which it would wait for forever"
            )
        return False

    async def acquire(self) -> None:
        """Wait for the turn of the current task; cancelling the task removes it from the queue.

        Raises:
            UnitOfWorkError: The task already holds the turn, in another unit of work.
            VaultBusyError: The turn did not come in time.
        """
        await super().acquire()
        self._holder = asyncio.current_task()

    def release(self) -> None:
        """Give the turn to the next task."""
        self._holder, self._is_kept = None, False
        if self._waiting:
            super().release()
        else:
            self._free = 1
