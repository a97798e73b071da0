"""How long the event loop is kept from its work, as a distribution."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

__all__ = ["Stall", "StallWatch"]

_TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Stall:
    """How late a task was that asked to be woken every millisecond.

    Attributes:
        p50_ms: Half of its wakings were less late, in milliseconds.
        p99_ms: 99 of 100 were.
        p999_ms: 999 of 1,000 were.
        max_ms: The latest one.
        ticks: How often it woke; a percentile of few says little.
    """

    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    ticks: int

    @classmethod
    def of(cls, late_s: Sequence[float]) -> Self:
        """Summarise delays, in seconds; there is at least one."""
        ordered = sorted(late_s)

        def percentile_ms(share: float) -> float:
            return ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000

        return cls(percentile_ms(0.5), percentile_ms(0.99), percentile_ms(0.999), ordered[-1] * 1000, len(ordered))


class StallWatch:
    """Collects delays of the event loop over any number of ``async with`` blocks."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self._watching = False

    def result(self) -> Stall:
        """Return the distribution over all blocks so far."""
        return Stall.of(self.late_s)

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
