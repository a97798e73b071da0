"""How the benchmark counts what cancelled writes did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.cancelled import Attempt, Write, summarise

_CANCELLED = Attempt(
    finished=False,
    error=None,
    told_ms=1.0,
    told="rolled_back",
    stored=0,
    stored_later=0,
    rows=10,
    next_ms=5.0,
    next_error=None,
    next_stored=True,
)


def _count(**changes: Any) -> dict[str, Any]:
    counted = summarise("library", Write.STATEMENT, [replace(_CANCELLED, **changes), _CANCELLED])
    names = ("stored", "late", "halves", "untold", "untrue", "next_failed", "next_lost")
    return {name: value for name in names if (value := getattr(counted, name))}


def test_a_write_that_was_rolled_back_is_no_finding() -> None:
    """Its caller was told so, and the next write went through."""
    assert _count() == {}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({"told": "committed", "stored": 10, "stored_later": 10}, {"stored"}, id="stored, and told so"),
        pytest.param({"told": None, "stored": 10, "stored_later": 10}, {"stored", "untold"}, id="stored, told nothing"),
        pytest.param({"stored": 10, "stored_later": 10}, {"stored", "untrue"}, id="stored, told the contrary"),
        pytest.param({"told": "committed"}, {"untrue"}, id="told committed, and not stored"),
        pytest.param({"told": None, "stored_later": 10}, {"stored", "late", "untold"}, id="stored behind its back"),
        pytest.param({"told": None, "stored": 4, "stored_later": 4}, {"halves", "untold"}, id="stored in part"),
        pytest.param({"next_ms": None, "next_error": "TimeoutError"}, {"next_failed"}, id="the next one stuck"),
        pytest.param({"next_stored": False}, {"next_lost"}, id="the next one acknowledged and lost"),
    ],
)
def test_a_finding_is_counted_once(changes: dict[str, Any], found: set[str]) -> None:
    """Each under its own name, and the other attempt under none."""
    assert _count(**changes) == dict.fromkeys(found, 1)


def test_a_write_that_ended_in_time_was_not_cancelled() -> None:
    """What it stored is what it was asked to; an error of its own is named."""
    ended = replace(_CANCELLED, finished=True, told=None, stored=10, stored_later=10, error="OperationalError")
    counted = summarise("stock", Write.COMMIT, [ended])
    assert (counted.cancelled, counted.stored, counted.untold) == (0, 0, 0)
    assert counted.errors == ["OperationalError"]


def test_outcome_unknown_counts_as_not_knowing() -> None:
    """It is neither a promise that was kept nor an untruth."""
    counted = summarise("library", Write.COMMIT, [replace(_CANCELLED, told="unknown", stored=10, stored_later=10)])
    assert (counted.untold, counted.untrue) == (1, 0)
