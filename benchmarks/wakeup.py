"""What waking a thread costs on this machine: the larger part of what an asynchronous call costs beside a plain one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from queue import SimpleQueue
from statistics import median
from threading import Thread
from typing import Final

__all__ = ["WakeUp", "measure_wake_up"]

_BUSY: Final = 2_000
_IDLE: Final = 300
_IDLE_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class WakeUp:
    """Time of a hand-off through a queue to a waiting thread and back, in microseconds: medians.

    Attributes:
        at_once_us: Where one follows the other.
        after_idling_us: Where nothing ran for a millisecond before, so that the processor may have gone to sleep.
    """

    at_once_us: float
    after_idling_us: float


def measure_wake_up() -> WakeUp:
    """Measure it, in under a second."""
    there: SimpleQueue[object] = SimpleQueue()
    back: SimpleQueue[object] = SimpleQueue()

    def answer() -> None:
        while (asked := there.get()) is not None:
            back.put(asked)

    def time_one() -> float:
        began = time.perf_counter()
        there.put(began)
        back.get()
        return time.perf_counter() - began

    def time_one_after_idling() -> float:
        time.sleep(_IDLE_S)
        return time_one()

    thread = Thread(target=answer, daemon=True)
    thread.start()
    at_once = median([time_one() for _ in range(_BUSY)])
    after_idling = median([time_one_after_idling() for _ in range(_IDLE)])
    there.put(None)
    thread.join()
    return WakeUp(at_once * 1e6, after_idling * 1e6)
