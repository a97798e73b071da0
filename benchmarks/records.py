"""What a run found, as a file, and several runs together: no figure of one run alone is called reached."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.cancelled import Cancellations
from benchmarks.figures import Figure, Result, figures_of
from benchmarks.musts import Must, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["ENOUGH_RUNS", "Run", "Standing", "figures_of_runs", "read_runs", "standings", "write_runs"]

ENOUGH_RUNS: Final = 3
"""How many runs it takes to call a figure reached."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the benchmark.

    Attributes:
        form: ``"long"`` or ``"short"``.
        machine: Where it ran.
        results: What was measured, in the order of the table.
        skipped: What could not run, with the reason.
        cancellations: What cancelled writes did.
    """

    form: str
    machine: dict[str, str]
    results: list[Result]
    skipped: dict[str, str] = field(default_factory=dict)
    cancellations: list[Cancellations] = field(default_factory=list)

    @property
    def figures(self) -> list[Figure]:
        """All figures."""
        return [figure for result in self.results for figure in figures_of(result)]


def write_runs(path: Path, runs: Sequence[Run]) -> None:
    """Write everything that was measured."""
    path.write_text(json.dumps({"runs": [asdict(run) for run in runs]}, indent=1) + "\n", encoding="utf-8")


def read_runs(path: Path) -> list[Run]:
    """Read what :func:`write_runs` wrote."""
    return [_run_of(content) for content in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def _run_of(content: dict[str, Any]) -> Run:
    results = [Result.of(result) for result in content["results"]]
    cancellations = [Cancellations(**counted) for counted in content["cancellations"]]
    return Run(**{**content, "results": results, "cancellations": cancellations})


def figures_of_runs(runs: Sequence[Run]) -> list[Figure]:
    """Return the figures of a run; those of several with the median of their values, and the lowest and the highest.

    What one run left out is taken from the others.
    """
    if len(runs) == 1:
        return runs[0].figures
    by_place: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for run in runs:
        for figure in run.figures:
            by_place[figure.workload, figure.measure].append(figure.value)
    return [Figure(*place, median(values), min(values), max(values)) for place, values in by_place.items()]


@dataclass(frozen=True, slots=True)
class Standing:
    """How the runs stand to a must.

    Attributes:
        workload: Name of the workload.
        measure: Which figure.
        must: What was asked.
        values: The figure of each run.
        reached: How many runs reached the must.
        aimed: How many of these reached the aim, too.
    """

    workload: str
    measure: str
    must: Must
    values: tuple[float, ...]
    reached: int
    aimed: int

    @property
    def verdict(self) -> str:
        """In words: reached is what every one of three runs or more reached."""
        count = len(self.values)
        if count < ENOUGH_RUNS:
            return f"in {self.reached} of {count}, where {ENOUGH_RUNS} runs would tell"
        if self.reached < count:
            return f"MISSED in {count - self.reached} of {count}" if self.reached else "MISSED"
        if self.must.aim is None or self.aimed == 0:
            return "reached"
        return "aim reached" if self.aimed == count else f"reached, the aim in {self.aimed} of {count}"


def standings(runs: Sequence[Run]) -> list[Standing]:
    """Return how the runs stand to all musts, in the order of these."""
    judged = [judgement for run in runs for judgement in judge(run.figures)]
    by_place: defaultdict[tuple[Must, str], list[tuple[float, Verdict]]] = defaultdict(list)
    for judgement in judged:
        by_place[judgement.must, judgement.figure.workload].append((judgement.figure.value, judgement.verdict))
    return [
        Standing(
            workload,
            must.measure,
            must,
            tuple(value for value, _ in found),
            reached=sum(verdict is not Verdict.MISSED for _, verdict in found),
            aimed=sum(verdict is Verdict.AIM for _, verdict in found),
        )
        for (must, workload), found in by_place.items()
    ]
