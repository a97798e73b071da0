"""How long the event loop was ever kept from its work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LoopWatch"]

_TICK_S = 0.001


class LoopWatch:
    """Watches the event loop for the length of ``async with`` blocks.

    A task asks to be woken every millisecond. What it is late by, something else took: a callback that was slow to
    return, a thread that held the interpreter, or another program on the machine.

    Attributes:
        late_s: Each delay so far, in seconds.
    """

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self._watching = False

    @property
    def longest_stall_ms(self) -> float:
        """The longest delay so far, in milliseconds."""
        return max(self.late_s, default=0.0) * 1000

    async def __aenter__(self) -> Self:
        self._watching = True
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(0)  # so that it has begun
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watching = False  # and not cancelled, so that a stall just before the end counts too
        await self._task

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._watching:
            due = clock() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self.late_s.append(max(0.0, clock() - due))
