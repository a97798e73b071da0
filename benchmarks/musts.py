"""What this library must reach, and what it aims at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from benchmarks.figures import is_better_higher

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.figures import Figure

__all__ = ["MUSTS", "Judgement", "Must", "Verdict", "judge"]


class Verdict(StrEnum):
    """How a figure stands to a must."""

    AIM = "aim reached"
    REACHED = "reached"
    MISSED = "MISSED"


@dataclass(frozen=True, slots=True)
class Must:
    """A bound on figures.

    Attributes:
        workloads: Pattern of the names of the workloads.
        measure: Which figure.
        must: What it must reach: at least or at most, as is better.
        aim: What it should reach; ``None`` for no more than the must.
    """

    workloads: str
    measure: str
    must: float
    aim: float | None = None


_ENCRYPTED_PEERS: Final = ("stock", "advanced", "aiosqlite", "apsw")

MUSTS: Final = (
    Must("writers-50-sync-2ms", "one-by-one", 8, 12),
    Must("writers-50", "one-by-one", 1, 1 / 0.7),
    *(Must("writers-50", peer, 1) for peer in _ENCRYPTED_PEERS),
    Must("writers-1", "limit", 1.3, 1.15),
    Must("writers-1-sync-2ms", "limit", 1.3, 1.15),
    Must("save-commit", "stock", 6),
    Must("save-commit", "advanced", 6),
    Must("read-modify-write", "limit", 1.5, 1.3),
    Must("read-fresh", "limit", 1.8, 1.5),
    Must("read-fresh", "apsw", 1),
    Must("read-fresh", "aiosqlite", 1),
    Must("read-fresh", "stock", 6, 10),
    Must("read-fresh", "advanced", 6, 10),
    Must("readers-50", "limit", 2, 1.6),
    Must("readers-50", "apsw", 1),
    Must("readers-50", "aiosqlite", 1),
    Must("readers-50", "stock", 5, 8),
    Must("readers-50", "advanced", 5, 8),
    Must("bulk-*", "objects", 1.5, 1.2),
    Must("bulk-*", "stock", 5),
    Must("bulk-*", "advanced", 5),
    Must("list-*", "objects", 1.5, 1.2),
    Must("list-*", "stock", 3),
    Must("list-*", "advanced", 3),
    Must("page-depth", "first-page", 1.5, 1.2),
    Must("read-beside-thumbnails", "limit", 2),
    Must("read-beside-thumbnails", "slowest-read", 100),  # it was seconds while each thumbnail held a connection
    Must("*", "stall-p99", 5),
    Must("*", "stall-max", 25, 10),
    Must("screenshots-*", "pillow", 1.7),
    Must("screenshots-*", "pyvips", 1.3, 1),
    Must("gallery-*", "memory", 20),
    Must("gallery-*", "read-share", 0.05),  # a page or two of each image are read for its thumbnail
    Must("bulk-*", "memory", 20),  # SQLite itself takes half of it; a hundred thousand rows would take 70 MB
    Must("stream-*", "memory", 20),
    Must("open-key", "bare", 2),
    Must("open-passphrase", "argon2id-runs", 1),
    Must("open-ten", "time", 3),
    Must("import", "dependencies", 1.3, 1.15),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A figure and what was asked of it."""

    figure: Figure
    must: Must
    verdict: Verdict


def judge(figures: Iterable[Figure]) -> list[Judgement]:
    """Judge figures by :data:`MUSTS`, in the order of these; figures that no must is about are left out."""
    known = list(figures)
    return [
        Judgement(figure, must, _verdict(figure, must))
        for must in MUSTS
        for figure in known
        if figure.measure == must.measure and fnmatchcase(figure.workload, must.workloads)
    ]


def _verdict(figure: Figure, must: Must) -> Verdict:
    def reaches(bound: float) -> bool:
        return figure.value >= bound if is_better_higher(figure.measure) else figure.value <= bound

    if not reaches(must.must):
        return Verdict.MISSED
    return Verdict.AIM if must.aim is not None and reaches(must.aim) else Verdict.REACHED
