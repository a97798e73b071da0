"""The figures that results are judged by: mostly ratios, which say the same on a fast machine and on a slow one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from benchmarks.measuring import Measured, Spread
from benchmarks.stall import Stall

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Figure", "MemoryUse", "Result", "figures_of", "is_better_higher", "is_ratio"]

_FASTER_THAN: Final = frozenset(
    {
        "advanced",
        "aiosqlite",
        "aiosqlite-fetchall",
        "apsw",
        "one-by-one",
        "one-by-one-normal",
        "pillow",
        "stock",
        "tortoise",
    }
)
"""Beside these, the ratio says how many times as fast this library is; beside all others, how many times as long."""

_NO_RATIOS: Final = frozenset(
    {"argon2id-runs", "memory", "processor", "read-share", "slowest-read", "stall-max", "stall-p99", "time"}
)


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What a run took.

    Attributes:
        extra_mb: Peak of the memory in use less what was in use before, in megabytes.
        read_mb: What was read from files, in megabytes.
    """

    extra_mb: float
    read_mb: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One number about this library at one workload.

    Attributes:
        workload: Name of the workload.
        measure: Another contender, for the ratio to it; or ``stall-p99``, ``stall-max``, ``time`` and ``processor``
            (that of the event loop's thread) in milliseconds, ``memory`` in megabytes, ``read-share`` of the originals'
            bytes, and what a workload counts.
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

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return what :func:`dataclasses.asdict` was given."""
        measured = content["measured"]
        stalls = {name: Stall(**stall) for name, stall in measured["stalls"].items()}
        memory = {name: MemoryUse(**use) for name, use in content["memory"].items()}
        return cls(**{**content, "measured": Measured(**{**measured, "stalls": stalls}), "memory": memory})


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
    if processor := measured.processor.get("library"):
        figures.append(figure("processor", Spread.of([seconds * 1000 for seconds in processor])))
    stall = measured.stalls["library"]
    figures += [single("stall-p99", stall.p99_ms), single("stall-max", stall.max_ms)]
    if (use := result.memory.get("library")) is not None:
        figures.append(single("memory", use.extra_mb))
        if result.original_bytes:
            figures.append(single("read-share", use.read_mb * 1e6 / result.original_bytes))
    figures += [single(measure, value) for measure, value in result.counts.items()]
    return figures
