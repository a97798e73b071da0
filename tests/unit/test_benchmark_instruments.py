"""The instruments of the benchmark: slow syncs, wake-ups, and the objects that the bare driver is charged with."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import astuple
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from benchmarks.entities import ENTITY_COLUMNS, from_rows, to_rows
from benchmarks.figures import is_better_higher, is_ratio
from benchmarks.slow_sync import SlowSyncUnavailableError, build_slow_sync, environment_with, is_slow
from benchmarks.wakeup import measure_wake_up
from zorivest_async import AssetClass, Trade, TradeAction

if TYPE_CHECKING:
    from pathlib import Path


def test_the_preloaded_library_makes_syncs_slow(tmp_path: Path) -> None:
    """The process knows it by its own clock; this one, into which nothing was preloaded, is told apart."""
    try:
        library = build_slow_sync(tmp_path)
    except SlowSyncUnavailableError as error:
        pytest.skip(str(error))
    program = "from benchmarks.slow_sync import is_slow; raise SystemExit(0 if is_slow() else 1)"
    slow = subprocess.run([sys.executable, "-c", program], env=environment_with(library), check=False)
    assert slow.returncode == 0
    assert not is_slow()


def test_no_compiler_is_a_reason_not_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are left out with these words."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlowSyncUnavailableError, match=r"LD_PRELOAD|C compiler"):
        build_slow_sync(tmp_path)


def test_a_wake_up_takes_time() -> None:
    """Less than a tenth of a second on any machine that runs tests."""
    wake_up = measure_wake_up()
    assert 0 < wake_up.at_once_us < 100_000
    assert 0 < wake_up.after_idling_us < 100_000


def test_objects_are_made_as_the_library_makes_them() -> None:
    """What the bare driver is charged with makes the same entities, of every field, and the rows of them again."""
    plain = Trade("E1", datetime(2026, 3, 9, 14, 30, tzinfo=UTC), "SPY", TradeAction.BOT, 1.0, 2.0, "U1")
    full = Trade(
        "E2",
        datetime(2026, 3, 9, 14, 30, 0, 123, tzinfo=UTC),
        "SPY 240621C00500000",
        TradeAction.SLD,
        3.0,
        4.5,
        "U1",
        commission=1.02,
        realized_pnl=None,
        currency="EUR",
        multiplier=100.0,
        asset_class=AssetClass.OPTION,
        fees=0.1,
        commission_currency="USD",
        notes="note",
        order_id="O1",
        result_after_costs=True,
    )
    rows = to_rows([plain, full])
    assert rows[0][:4] == ("E1", "2026-03-09 14:30:00.000000", "SPY", "BOT")
    assert all(len(row) == len(ENTITY_COLUMNS) for row in rows)
    assert [*map(astuple, from_rows(rows))] == [*map(astuple, [plain, full])]


@pytest.mark.parametrize("peer", ["apsw", "aiosqlite", "tortoise", "one-by-one", "one-by-one-normal"])
def test_of_a_peer_more_is_better(peer: str) -> None:
    """As of the ORMs: the ratio says how many times as fast this library is."""
    assert is_better_higher(peer)
    assert is_ratio(peer)


@pytest.mark.parametrize("measure", ["processor", "slowest-read"])
def test_times_are_no_ratios(measure: str) -> None:
    """They differ from machine to machine, and are not compared with a baseline."""
    assert not is_ratio(measure)
