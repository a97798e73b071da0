"""The ratios as bars."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.records import Run

__all__ = ["draw"]

_COLORS: Final = {"limit": "#4c9f70", "bare": "#8fb9a8", "stock": "#d1603d", "advanced": "#9a5ba8"}
_LABELS: Final = {
    "limit": "limit: bare driver, one hand-off",
    "bare": "bare driver, blocking",
    "stock": "SQLAlchemy's ORM",
    "advanced": "advanced-alchemy",
}
_INK: Final = "#7f8791"
"""Legible on white and on black."""

_BAR: Final = 0.2


def draw(runs: Sequence[Run], path: Path) -> None:
    """Draw how many times as long as this library each contender takes, on a logarithmic scale.

    Args:
        runs: Workloads that have the usual contenders are drawn, with the medians of all rounds of all runs.
        path: An SVG file.
    """
    drawn = [result for result in runs[0].results if set(_COLORS) <= set(result.measured.seconds)]
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "text.color": _INK})
    canvas = Canvas(figsize=(9, 1.5 + 0.55 * len(drawn)), layout="constrained")
    axes = canvas.subplots()
    for place, (name, color) in enumerate(_COLORS.items()):
        ratios = [_ratio(runs, result.name, name) for result in drawn]
        heights = [number + (place - 1.5) * _BAR for number in range(len(drawn))]
        axes.barh(heights, [ratio - 1 for ratio in ratios], _BAR, left=1, color=color, label=_LABELS[name])
    axes.axvline(1, color=_INK, linewidth=1.5)
    axes.set_xscale("log")
    axes.set_yticks(range(len(drawn)), [result.title for result in drawn])
    axes.invert_yaxis()
    axes.set_xlabel("times as long as this library (1 = this library; right of it: slower)", color=_INK)
    axes.tick_params(colors=_INK, which="both")
    for spine in axes.spines.values():
        spine.set_color(_INK)
    axes.grid(visible=True, axis="x", color=_INK, alpha=0.25)
    axes.set_axisbelow(True)
    canvas.legend(frameon=False, loc="outside upper center", ncols=2, labelcolor=_INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, transparent=True, metadata={"Date": None})


def _ratio(runs: Sequence[Run], workload: str, contender: str) -> float:
    return median(
        result.measured.compare(contender, "library").median
        for run in runs
        for result in run.results
        if result.name == workload and contender in result.measured.seconds
    )
