"""Measurement of event-loop stalls."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["watched_loop"]

_TICK_S = 0.001


@asynccontextmanager
async def watched_loop() -> AsyncGenerator[list[float]]:
    """Measure the delays of the event loop while the block runs; yield the list that they are added to, in seconds.

    A task sleeps for a millisecond at a time. It wakes late after a callback that was slow to return, while a thread
    holds the interpreter, or while another program uses the processor.
    """
    late_s: list[float] = []
    over, clock = asyncio.Event(), asyncio.get_running_loop().time

    async def tick() -> None:
        while not over.is_set():
            due = clock() + _TICK_S
            await asyncio.sleep(_TICK_S)
            late_s.append(max(0.0, clock() - due))

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)  # so that the task has begun
    try:
        yield late_s
    finally:
        over.set()  # a cancelled task would miss a stall just before the end
        await ticking
