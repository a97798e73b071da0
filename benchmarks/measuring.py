"""Timing the contenders of a workload in interleaved rounds, and watching the event loop beside each."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.stall import Stall
from zorivest_async.cli.demo.loop_watch import watched_loop

if TYPE_CHECKING:
    from benchmarks.workloads.base import Workload

__all__ = ["Measured", "Spread", "measure"]


@dataclass(frozen=True, slots=True)
class Spread:
    """What rounds had in common.

    Attributes:
        median: The middle one.
        lowest: The smallest one.
        highest: The largest one.
    """

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Summarise values; there is at least one."""
        return cls(median(values), min(values), max(values))


@dataclass(slots=True)
class Measured:
    """What was measured of a workload.

    Attributes:
        seconds: Seconds per operation of each contender, one number per round, rounds in the same order for all.
        stalls: How late the event loop was beside each.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    stalls: dict[str, Stall] = field(default_factory=dict)

    def compare(self, name: str, other: str) -> Spread:
        """Return how many times as long as another a contender took, compared round by round."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return Spread.of([ours / theirs for ours, theirs in pairs])


async def measure(workload: Workload, rounds: int, stall_s: float) -> Measured:
    """Measure an open workload.

    Every contender runs once before it counts. In each round all run once, and begin in another order; the watch over
    the event loop, which itself takes time, has runs of its own.

    Args:
        workload: What to measure.
        rounds: How often.
        stall_s: How long to watch the event loop beside each contender, at least, in seconds.
    """
    measured = Measured({name: [] for name in workload.names})
    gc.collect()
    gc.freeze()  # the modules of all contenders together would make every collection a pause of its own
    for name in workload.names:
        await _time(workload, name)
    for number in range(rounds):
        start = number % len(workload.names)
        for name in (*workload.names[start:], *workload.names[:start]):
            measured.seconds[name].append(await _time(workload, name))
    for name in workload.names:
        measured.stalls[name] = await _watch(workload, name, stall_s)
    return measured


async def _time(workload: Workload, name: str) -> float:
    prepared = await workload.before(name)
    gc.collect()
    started = time.perf_counter()
    known = await workload.run(name, prepared)
    took = time.perf_counter() - started if known is None else known
    del prepared
    await workload.after(name)
    return took / workload.operations


async def _watch(workload: Workload, name: str, stall_s: float) -> Stall:
    late_s: list[float] = []
    watched = 0.0
    gc.collect()
    while watched < stall_s:
        prepared = await workload.before(name)
        started = time.perf_counter()
        async with watched_loop() as late_now_s:
            await workload.run(name, prepared)
        watched += time.perf_counter() - started
        late_s += late_now_s
        del prepared
        await workload.after(name)
    return Stall.of(late_s)
