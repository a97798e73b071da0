"""How late an event loop is, and how long it is at work on one callback."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Self


class Watch:
    """Asks the event loop for every millisecond, for the length of an ``async with`` block."""

    def __init__(self) -> None:
        self.late_s = [0.0]
        self.busy_s = [0.0]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _tick(self) -> None:
        while True:
            asked, busy = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.late_s.append(time.perf_counter() - asked - 0.001)
            self.busy_s.append(time.thread_time() - busy)


def is_quiet() -> bool:
    """Return whether other programs leave the processors to this one; Windows does not tell."""
    load = 0.0
    if sys.platform != "win32":
        load = os.getloadavg()[0]
    return load < (os.cpu_count() or 1)
