"""The figures that results are judged by: mostly ratios, which say the same on a fast machine and on a slow one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.measuring import Measured, Spread

if TYPE_CHECKING:
    from benchmarks.memory import MemoryUse

__all__ = ["Figure", "Result", "figures_of", "is_better_higher", "is_ratio"]

_FASTER_THAN: Final = frozenset({"stock", "advanced", "pillow"})
"""Beside these, the ratio says how many times as fast this library is; beside all others, how many times as long."""

_NO_RATIOS: Final = frozenset({"stall-p99", "stall-max", "memory", "read-share", "argon2id-runs", "time"})


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about this library at one workload.

    Attributes:
        workload: Name of the workload.
        measure: Another contender, for the ratio to it; or ``stall-p99``, ``stall-max`` and ``time`` in milliseconds,
            ``memory`` in megabytes, ``read-share`` of the originals' bytes, and what a workload counts.
        value: The median over the rounds.
        lowest: Of any round.
        highest: Of any round.
    """

    workload: str
    measure: str
    value: float
    lowest: float
    highest: float


@dataclass(slots=True)
class Result:
    """What was found out about a workload.

    Attributes:
        name: Name of the workload.
        title: What is done.
        per: What times are given for.
        measured: Times and stalls of all contenders.
        memory: Memory of those whose memory was measured.
        counts: What was counted.
        original_bytes: Bytes of the originals that need not be read; zero where there are none.
    """

    name: str
    title: str
    per: str
    measured: Measured
    memory: dict[str, MemoryUse] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    original_bytes: int = 0


def is_better_higher(measure: str) -> bool:
    """Return whether more is better."""
    return measure in _FASTER_THAN


def is_ratio(measure: str) -> bool:
    """Return whether it compares two contenders of one run, and can be compared with another run."""
    return measure not in _NO_RATIOS


def figures_of(result: Result) -> list[Figure]:
    """Return all figures of a workload."""

    def figure(measure: str, spread: Spread) -> Figure:
        return Figure(result.name, measure, spread.median, spread.lowest, spread.highest)

    def single(measure: str, value: float) -> Figure:
        return Figure(result.name, measure, value, value, value)

    measured = result.measured
    others = [name for name in measured.seconds if name != "library"]
    figures = [
        figure(
            other,
            measured.compare(other, "library") if is_better_higher(other) else measured.compare("library", other),
        )
        for other in others
    ]
    figures.append(figure("time", Spread.of([seconds * 1000 for seconds in measured.seconds["library"]])))
    stall = measured.stalls["library"]
    figures += [single("stall-p99", stall.p99_ms), single("stall-max", stall.max_ms)]
    if (use := result.memory.get("library")) is not None:
        figures.append(single("memory", use.extra_mb))
        if result.original_bytes:
            figures.append(single("read-share", use.read_mb * 1e6 / result.original_bytes))
    figures += [single(measure, value) for measure, value in result.counts.items()]
    return figures
