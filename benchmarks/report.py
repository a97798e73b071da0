"""Tables of ratios, as Markdown, for the terminal and the document alike."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from benchmarks.figures import Figure, Result, figures_of, is_better_higher
from benchmarks.musts import Must, judge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["memory_table", "musts_table", "ratio_table", "stall_table", "write_json"]

_RATIO_COLUMNS: Final = {
    "limit": "times limit",
    "bare": "times bare driver",
    "stock": "faster than stock",
    "advanced": "faster than advanced-alchemy",
}
_PER_UNIT: Final = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))
_ABSENT: Final = "-"

_UNITS: Final = {"stall-p99": " ms", "stall-max": " ms", "time": " ms", "memory": " MB", "argon2id-runs": ""}


def format_time(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    factor, unit = next((factor, unit) for bound, factor, unit in _PER_UNIT if seconds < bound)
    return f"{seconds * factor:.3g} {unit}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(heads), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def _spread(figure: Figure | None) -> str:
    if figure is None:
        return _ABSENT
    return f"**{figure.value:.2f}** ({figure.lowest:.2f}..{figure.highest:.2f})"


def ratio_table(results: Sequence[Result]) -> str:
    """Return how this library compares at each workload: medians, and the spread over the rounds."""
    rows = []
    for result in results:
        figures = {figure.measure: figure for figure in figures_of(result)}
        seconds = figures["time"].value / 1000
        others = [
            f"{name} {_spread(figures[name])}"
            for name in result.measured.seconds
            if name not in _RATIO_COLUMNS and name != "library"
        ]
        columns = [_spread(figures.get(name)) for name in _RATIO_COLUMNS]
        rows.append([result.title, f"{format_time(seconds)} per {result.per}", *columns, ", ".join(others) or _ABSENT])
    return _table(["workload", "this library", *_RATIO_COLUMNS.values(), "beside others"], rows)


def musts_table(results: Sequence[Result]) -> str:
    """Return what must be reached, and whether it was."""
    figures = [figure for result in results for figure in figures_of(result)]
    rows = [
        [
            judgement.figure.workload,
            judgement.figure.measure,
            _bound(judgement.must, judgement.must.must),
            _ABSENT if judgement.must.aim is None else _bound(judgement.must, judgement.must.aim),
            _with_unit(judgement.figure.measure, judgement.figure.value),
            judgement.verdict,
        ]
        for judgement in judge(figures)
    ]
    return _table(["workload", "measure", "must", "aim", "measured", "verdict"], rows)


def _bound(must: Must, value: float) -> str:
    return ("at least " if is_better_higher(must.measure) else "at most ") + _with_unit(must.measure, value)


def _with_unit(measure: str, value: float) -> str:
    if measure == "read-share":
        return f"{value:.1%}"
    return f"{value:.3g}{_UNITS.get(measure, 'x')}"


def stall_table(results: Sequence[Result]) -> str:
    """Return how late the event loop was beside each contender, in milliseconds."""
    rows = [
        [
            result.name,
            name,
            f"{stall.p50_ms:.2f}",
            f"{stall.p99_ms:.2f}",
            f"{stall.p999_ms:.2f}",
            f"{stall.max_ms:.2f}",
            str(stall.ticks),
        ]
        for result in results
        for name, stall in result.measured.stalls.items()
    ]
    return _table(["workload", "contender", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "ticks"], rows)


def memory_table(results: Sequence[Result]) -> str:
    """Return what runs took of memory, beyond their input, and read from files."""
    rows = [
        [result.name, name, f"{use.extra_mb:.1f}", f"{use.read_mb:.1f}"]
        for result in results
        for name, use in result.memory.items()
    ]
    return _table(["workload", "contender", "extra memory, MB", "read, MB"], rows)


def write_json(path: Path, machine: dict[str, str], results: Sequence[Result]) -> None:
    """Write everything that was measured."""
    figures = [figure for result in results for figure in figures_of(result)]
    content: dict[str, Any] = {
        "machine": machine,
        "workloads": [asdict(result) for result in results],
        "figures": [asdict(figure) for figure in figures],
        "musts": [asdict(judgement) for judgement in judge(figures)],
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
