"""When the benchmark calls a ratio a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.baseline import compare, ratios_of, read_baseline, write_baseline
from benchmarks.figures import Figure
from benchmarks.musts import Verdict, judge

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        pytest.param("limit", 2 * 1.31, id="times as long as"),
        pytest.param("stock", 2 / 1.31, id="times as fast as"),
    ],
)
def test_thirty_one_percent_longer_is_a_regression(measure: str, value: float) -> None:
    """Whether the ratio counts how much slower or how much faster this library is; the regression is named."""
    (regression,) = compare({"read-fresh": {measure: 2.0}}, {"read-fresh": {measure: value}})
    assert (regression.workload, regression.measure) == ("read-fresh", measure)
    assert str(regression).startswith(f"read-fresh beside {measure}: ")


@pytest.mark.parametrize("longer", [0.5, 1.0, 1.29])
def test_twenty_nine_percent_longer_is_noise(longer: float) -> None:
    """And being faster than the baseline is no regression either."""
    current = {"read-fresh": {"limit": 2 * longer, "stock": 2 / longer}}
    assert compare({"read-fresh": {"limit": 2.0, "stock": 2.0}}, current) == []


def test_what_one_side_has_not_measured_is_not_compared() -> None:
    """A new workload has no baseline yet, and a run may leave some out."""
    assert compare({"a": {"limit": 1.0}}, {"b": {"limit": 9.0}, "a": {"stock": 0.1}}) == []


def test_the_baseline_holds_ratios_alone(tmp_path: Path) -> None:
    """Times and memory differ from machine to machine."""
    figures = [Figure("a", measure, 1.234, 1.0, 2.0) for measure in ("limit", "time", "memory", "stall-max")]
    write_baseline(tmp_path / "baseline.json", ratios_of(figures))
    assert read_baseline(tmp_path / "baseline.json") == {"a": {"limit": 1.23}}


@pytest.mark.parametrize(
    ("measure", "value", "verdict"),
    [
        ("limit", 1.5, Verdict.AIM),
        ("limit", 1.8, Verdict.REACHED),
        ("limit", 1.9, Verdict.MISSED),
        ("stock", 10.0, Verdict.AIM),
        ("stock", 6.0, Verdict.REACHED),
        ("stock", 5.9, Verdict.MISSED),
    ],
)
def test_a_figure_is_judged_in_its_own_direction(measure: str, value: float, verdict: Verdict) -> None:
    """At most so many times as long, at least so many times as fast."""
    (judgement,) = judge([Figure("read-fresh", measure, value, value, value)])
    assert judgement.verdict is verdict
