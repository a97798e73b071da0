"""Timing the contenders of a workload in interleaved rounds, and watching the event loop beside each."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.stall import Stall
from zorivest_async.cli.demo.loop_watch import watched_loop

if TYPE_CHECKING:
    from benchmarks.workloads.base import Workload

__all__ = ["Measured", "Spread", "measure"]


_OTHERS: Final = 4


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
        processor: Seconds of processor time of the event loop's thread per operation, likewise; empty where a run
            tells its own time.
        stalls: How late the event loop was beside each.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
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
        stall_s: How long to watch the event loop beside this library, at least, in seconds; others have a quarter.
    """
    measured = Measured({name: [] for name in workload.names}, {name: [] for name in workload.names})
    gc.collect()
    gc.freeze()  # the modules of all contenders together would make every collection a pause of its own
    for name in workload.names:
        await _time(workload, name)
    for number in range(rounds):
        start = number % len(workload.names)
        for name in (*workload.names[start:], *workload.names[:start]):
            timed = await _time(workload, name)
            measured.seconds[name].append(timed.seconds)
            if timed.processor is not None:
                measured.processor[name].append(timed.processor)
    for name in workload.names:
        measured.stalls[name] = await _watch(workload, name, stall_s if name == "library" else stall_s / _OTHERS)
    return measured


@dataclass(frozen=True, slots=True)
class _Timed:
    seconds: float
    processor: float | None


async def _time(workload: Workload, name: str) -> _Timed:
    prepared = await workload.before(name)
    gc.collect()
    started, started_processor = time.perf_counter(), time.thread_time()
    known = await workload.run(name, prepared)
    processor, took = time.thread_time() - started_processor, time.perf_counter() - started
    del prepared
    await workload.after(name)
    if known is not None:
        return _Timed(known / workload.operations, None)
    return _Timed(took / workload.operations, processor / workload.operations)


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
