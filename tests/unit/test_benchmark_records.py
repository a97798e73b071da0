"""What several runs of the benchmark say together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.cancelled import Cancellations
from benchmarks.figures import Figure, MemoryUse, Result
from benchmarks.measuring import Measured
from benchmarks.records import Run, figures_of_runs, read_runs, standings, write_runs
from benchmarks.report import machine_table, musts_table, ratio_table, time_table
from benchmarks.stall import Stall

if TYPE_CHECKING:
    from pathlib import Path


def _run(*library_s: float, workload: str = "read-fresh") -> Run:
    """Return a run whose limit took a second an operation, and this library what is given for each round."""
    rounds = list(library_s)
    measured = Measured(
        {"limit": [1.0] * len(rounds), "library": rounds},
        {"limit": [0.1] * len(rounds), "library": [seconds / 4 for seconds in rounds]},
        {"limit": Stall.of([0.001]), "library": Stall.of([0.002])},
    )
    result = Result(workload, "a workload", "read", measured, {"library": MemoryUse(1.5, 0.0)}, {"counted": 3.0})
    counts = Cancellations("library", "save + commit", 4, [], 1, 0, 0, 0, 0, 9.0, 0, [], 0, 5.0)
    return Run("long", {"processor": "one"}, [result], {"tortoise": "needs tortoise-orm"}, [counts])


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    """Nothing that was measured is lost on the way from one process to another."""
    runs = [_run(1.2, 1.4), _run(1.3)]
    write_runs(tmp_path / "runs.json", runs)
    assert read_runs(tmp_path / "runs.json") == runs


def test_several_runs_have_the_range_of_their_medians() -> None:
    """A single slow round of one run is no end of the range; a run that was slow as a whole is."""
    runs = [_run(1.0, 1.2, 9.0), _run(1.5, 1.5, 1.5), _run(1.9, 1.9, 0.1)]
    (figure,) = [figure for figure in figures_of_runs(runs) if figure.measure == "limit"]
    assert figure == Figure("read-fresh", "limit", 1.5, 1.2, 1.9)


def test_a_run_alone_has_the_range_of_its_rounds() -> None:
    """There is nothing else to take one from."""
    (figure,) = [figure for figure in figures_of_runs([_run(1.0, 1.2, 9.0)]) if figure.measure == "limit"]
    assert figure == Figure("read-fresh", "limit", 1.2, 1.0, 9.0)


def test_what_one_run_left_out_comes_from_the_others() -> None:
    """A peer may be missing in one of them."""
    figures = figures_of_runs([_run(1.2), _run(1.4, workload="readers-50")])
    assert {figure.workload for figure in figures} == {"read-fresh", "readers-50"}


@pytest.mark.parametrize(
    ("medians", "verdict"),
    [
        pytest.param((1.4, 1.4, 1.4), "aim reached", id="all reach the aim"),
        pytest.param((1.4, 1.6, 1.7), "reached, the aim in 1 of 3", id="one reaches the aim"),
        pytest.param((1.7, 1.6, 1.7), "reached", id="all reach the must"),
        pytest.param((1.4, 1.4, 1.9), "MISSED in 1 of 3", id="one misses the must"),
        pytest.param((1.9, 2.0, 1.9), "MISSED", id="all miss it"),
        pytest.param((1.4,), "in 1 of 1, where 3 runs would tell", id="one run alone"),
        pytest.param((1.4, 1.9), "in 1 of 2, where 3 runs would tell", id="two runs"),
    ],
)
def test_nothing_is_called_reached_that_was_reached_once(medians: tuple[float, ...], verdict: str) -> None:
    """Every run must have reached it, and there are three at least."""
    found = standings([_run(median) for median in medians])
    assert {standing.verdict for standing in found if standing.measure == "limit"} == {verdict}


def test_tables_show_the_range_of_the_runs() -> None:
    """Ratios, verdicts, wall time and processor time, and what differed between the machines."""
    runs = [_run(1.0), _run(1.6), replace(_run(1.2), machine={"processor": "another"})]
    assert "**1.20** (1.00..1.60)" in ratio_table(runs)
    assert "1x, 1.6x, 1.2x" in musts_table(runs)
    assert "1000000..1600000 | 250000..400000" in time_table(runs)
    assert "one; one; another" in machine_table(runs)
