"""Tables of one run or of several, as Markdown, for the terminal and the document alike."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Result, is_better_higher
from benchmarks.records import Run, figures_of_runs, standings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.cancelled import Cancellations
    from benchmarks.musts import Must

__all__ = [
    "cancellation_table",
    "machine_table",
    "memory_table",
    "musts_table",
    "ratio_table",
    "skipped_list",
    "stall_table",
    "time_table",
]

_RATIO_COLUMNS: Final = {
    "limit": "times limit",
    "bare": "times bare driver",
    "objects": "times driver + objects",
    "one-by-one": "faster than driver one by one",
    "stock": "faster than SQLAlchemy's ORM",
    "advanced": "faster than advanced-alchemy",
    "aiosqlite": "faster than aiosqlite",
    "apsw": "faster than apsw",
    "tortoise": "faster than Tortoise (plain)",
}
_PER_UNIT: Final = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))
_ABSENT: Final = "-"

_UNITS: Final = {
    "argon2id-runs": "",
    "memory": " MB",
    "slowest-read": " ms",
    "stall-max": " ms",
    "stall-p99": " ms",
    "time": " ms",
}


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


def _range(values: Iterable[float], decimals: int = 2) -> str:
    """Return the lowest and the highest of several values, or the one."""
    lowest, highest = (f"{bound:.{decimals}f}" for bound in _bounds(values))
    return lowest if lowest == highest else f"{lowest}..{highest}"


def _bounds(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)


def _titles(runs: Sequence[Run]) -> dict[str, Result]:
    """Return a result of each workload, for its title, in the order of the table."""
    return {result.name: result for run in reversed(runs) for result in run.results}


def ratio_table(runs: Sequence[Run]) -> str:
    """Return how this library compares at each workload, and the range of that."""
    figures = {(figure.workload, figure.measure): figure for figure in figures_of_runs(runs)}
    rows = []
    for name, result in _titles(runs).items():
        others = [
            f"{other} {_spread(figures[name, other])}"
            for other in result.measured.seconds
            if other not in _RATIO_COLUMNS and other != "library"
        ]
        columns = [_spread(figures.get((name, other))) for other in _RATIO_COLUMNS]
        seconds = figures[name, "time"].value / 1000
        rows.append([result.title, f"{format_time(seconds)} per {result.per}", *columns, ", ".join(others) or _ABSENT])
    return _table(["workload", "this library", *_RATIO_COLUMNS.values(), "beside others"], rows)


def time_table(runs: Sequence[Run]) -> str:
    """Return wall time, and processor time of the event loop's thread, of every contender: medians of rounds."""
    rows = []
    for name, result in _titles(runs).items():
        measured = [found.measured for run in runs for found in run.results if found.name == name]
        for contender in result.measured.seconds:
            wall = [median(found.seconds[contender]) for found in measured if contender in found.seconds]
            processor = [median(found.processor[contender]) for found in measured if found.processor.get(contender)]
            rows.append([name, contender, result.per, _microseconds(wall), _microseconds(processor)])
    return _table(["workload", "contender", "per", "time, µs", "of it processor, loop's thread, µs"], rows)


def _microseconds(seconds: Sequence[float]) -> str:
    if not seconds:
        return _ABSENT
    return _range((value * 1e6 for value in seconds), 1 if max(seconds) < 1e-4 else 0)


def musts_table(runs: Sequence[Run]) -> str:
    """Return what must be reached, and in how many runs it was."""
    rows = [
        [
            standing.workload,
            standing.measure,
            _bound(standing.must, standing.must.must),
            _ABSENT if standing.must.aim is None else _bound(standing.must, standing.must.aim),
            ", ".join(_with_unit(standing.measure, value) for value in standing.values),
            standing.verdict,
        ]
        for standing in standings(runs)
    ]
    return _table(["workload", "measure", "must", "aim", "measured, run by run", "verdict"], rows)


def _bound(must: Must, value: float) -> str:
    return ("at least " if is_better_higher(must.measure) else "at most ") + _with_unit(must.measure, value)


def _with_unit(measure: str, value: float) -> str:
    if measure == "read-share":
        return f"{value:.1%}"
    return f"{value:.3g}{_UNITS.get(measure, 'x')}"


def stall_table(runs: Sequence[Run]) -> str:
    """Return how late the event loop was beside each contender, in milliseconds."""
    rows = []
    for name, result in _titles(runs).items():
        for contender in result.measured.stalls:
            stalls = [
                found.measured.stalls[contender]
                for run in runs
                for found in run.results
                if found.name == name and contender in found.measured.stalls
            ]
            rows.append(
                [
                    name,
                    contender,
                    _range(stall.p50_ms for stall in stalls),
                    _range(stall.p99_ms for stall in stalls),
                    _range(stall.p999_ms for stall in stalls),
                    _range(stall.max_ms for stall in stalls),
                    str(sum(stall.ticks for stall in stalls)),
                ]
            )
    return _table(["workload", "contender", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "ticks"], rows)


def memory_table(runs: Sequence[Run]) -> str:
    """Return what runs took of memory, beyond their input, and read from files."""
    rows = []
    for name, result in _titles(runs).items():
        for contender in result.memory:
            uses = [
                found.memory[contender]
                for run in runs
                for found in run.results
                if found.name == name and contender in found.memory
            ]
            rows.append(
                [name, contender, _range((use.extra_mb for use in uses), 1), _range((use.read_mb for use in uses), 1)]
            )
    return _table(["workload", "contender", "extra memory, MB", "read, MB"], rows)


def cancellation_table(runs: Sequence[Run]) -> str:
    """Return what cancelled writes did: counts of all runs together, times as the worst of them."""
    found: dict[tuple[str, str], list[Cancellations]] = {}
    for run in runs:
        for counted in run.cancellations:
            found.setdefault((counted.write, counted.contender), []).append(counted)
    rows = [[write, contender, *_cancellation_cells(counts)] for (write, contender), counts in found.items()]
    heads = [
        "write",
        "contender",
        "cancelled",
        "of these stored",
        "later than told",
        "in part",
        "outcome unknown to the caller",
        "outcome untrue",
        "told after, at most",
        "next write failed",
        "next write lost",
        "next write took",
    ]
    return _table(heads, rows)


def _cancellation_cells(counts: Sequence[Cancellations]) -> list[str]:
    times = [counted.next_ms for counted in counts if counted.next_ms is not None]
    errors = sorted({error for counted in counts for error in counted.next_errors})
    failed = sum(counted.next_failed for counted in counts)
    return [
        str(sum(counted.cancelled for counted in counts)),
        str(sum(counted.stored for counted in counts)),
        str(sum(counted.late for counted in counts)),
        str(sum(counted.halves for counted in counts)),
        str(sum(counted.untold for counted in counts)),
        str(sum(counted.untrue for counted in counts)),
        f"{max(counted.told_max_ms for counted in counts):.0f} ms",
        f"{failed} ({', '.join(errors)})" if errors else str(failed),
        str(sum(counted.next_lost for counted in counts)),
        f"{median(times):.0f} ms" if times else _ABSENT,
    ]


def machine_table(runs: Sequence[Run]) -> str:
    """Return where the runs were made; what differed between them is told run by run."""
    keys = dict.fromkeys(key for run in runs for key in run.machine)
    rows = [[key, _distinct([run.machine.get(key, _ABSENT) for run in runs])] for key in keys]
    return _table(["", ""], rows)


def _distinct(values: Sequence[str]) -> str:
    return values[0] if len(set(values)) == 1 else "; ".join(values)


def skipped_list(runs: Sequence[Run]) -> str:
    """Return what could not run, with the reason, as a list; empty where everything ran."""
    skipped = {name: reason for run in runs for name, reason in run.skipped.items()}
    return "\n".join(f"- `{name}` did not run: {reason}" for name, reason in skipped.items())
