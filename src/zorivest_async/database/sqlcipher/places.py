"""FIFO semaphore for threads, whose wait can be cancelled."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Places"]

CHECK_INTERVAL_S: Final = 0.05
"""Time between two checks of a waiting thread whether its work should stop."""


class Places:
    """A FIFO semaphore: it limits the number of threads that work at the same time.

    Args:
        count: Maximum number of threads at the same time.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._changing = threading.Lock()
        self._waiting = deque[threading.Event]()

    @contextmanager
    def place(self, check: Callable[[], object] = lambda: None) -> Generator[None]:
        """Wait for a place, and keep it until the block ends.

        Args:
            check: Called while waiting; an exception that it raises ends the wait.
        """
        turn = self._line_up()
        try:
            while not turn.wait(CHECK_INTERVAL_S):
                check()
        except BaseException:
            self._leave(turn)
            raise
        try:
            yield
        finally:
            self._give_on()

    def _line_up(self) -> threading.Event:
        turn = threading.Event()
        with self._changing:
            if self._free:
                self._free -= 1
                turn.set()
            else:
                self._waiting.append(turn)
        return turn

    def _leave(self, turn: threading.Event) -> None:
        with self._changing:
            has_come = turn.is_set()
            if not has_come:
                self._waiting.remove(turn)
        if has_come:
            self._give_on()

    def _give_on(self) -> None:
        with self._changing:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
