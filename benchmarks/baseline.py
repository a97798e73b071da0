"""Comparing the ratios of a run with those that are committed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from benchmarks.figures import is_better_higher, is_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from benchmarks.figures import Figure

__all__ = ["TOLERANCE", "Ratios", "Regression", "compare", "ratios_of", "read_baseline", "write_baseline"]

TOLERANCE: Final = 0.30
"""How much longer than in the baseline this library may take, beside the same contender."""

Ratios: TypeAlias = dict[str, dict[str, float]]
"""Ratios by workload and contender."""


@dataclass(frozen=True, slots=True)
class Regression:
    """A ratio that became worse.

    Attributes:
        workload: Name of the workload.
        measure: The other contender.
        baseline: What the ratio was.
        current: What it is.
    """

    workload: str
    measure: str
    baseline: float
    current: float

    def __str__(self) -> str:
        better = "at least" if is_better_higher(self.measure) else "at most"
        return f"{self.workload} beside {self.measure}: {better} {self.baseline:.2f}x expected, {self.current:.2f}x now"


def ratios_of(figures: Iterable[Figure]) -> Ratios:
    """Return the figures that do not depend on the speed of the machine."""
    ratios: Ratios = {}
    for figure in figures:
        if is_ratio(figure.measure):
            ratios.setdefault(figure.workload, {})[figure.measure] = figure.value
    return ratios


def compare(baseline: Ratios, current: Ratios, tolerance: float = TOLERANCE) -> list[Regression]:
    """Return the ratios that are worse by more than the tolerance.

    Worse means that this library takes longer, so a ratio of which more is better may fall by the same factor as one
    of which less is better may rise. What either side has not measured is not compared.

    Args:
        baseline: What was committed.
        current: What was measured.
        tolerance: How much longer is too long, as a share: 0.3 for 30 %.
    """
    regressions = []
    for workload, ratios in current.items():
        for measure, value in ratios.items():
            expected = baseline.get(workload, {}).get(measure)
            if expected is None:
                continue
            longer = expected / value if is_better_higher(measure) else value / expected
            if longer > 1 + tolerance:
                regressions.append(Regression(workload, measure, expected, value))
    return regressions


def read_baseline(path: Path) -> Ratios:
    """Read ratios from a file."""
    ratios: Ratios = json.loads(path.read_text(encoding="utf-8"))
    return ratios


def write_baseline(path: Path, ratios: Ratios) -> None:
    """Write ratios to a file, rounded: their noise is larger."""
    rounded = {name: {measure: round(value, 2) for measure, value in of.items()} for name, of in ratios.items()}
    path.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
