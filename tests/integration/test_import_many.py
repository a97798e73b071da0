"""A large import leaves the event loop free."""

from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from loop_watch import Watch, is_quiet
from zorivest_async.transfer.importers import CsvProfile, CsvTrades, import_trades

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async import Progress, Vault

pytestmark = pytest.mark.timeout(300)

ROWS = 100_000
LONGEST_STALL_S = 0.025

PROFILE = CsvProfile(
    name="large",
    columns={"exec_id": "id", "time": "time", "action": "side", "quantity": "quantity", "price": "price"},
    constants={"instrument": "SPY", "account_id": "LARGE"},
)


def write_file(path: Path) -> None:
    """Write executions, one a second."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8") as file:
        file.write("id,time,side,quantity,price\n")
        file.writelines(
            f"x{number},{start + timedelta(seconds=number)},buy,1.5,{100 + number / 100}\n" for number in range(ROWS)
        )


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.asyncio
async def test_the_loop_is_never_held_while_100_000_rows_are_imported(vault: Vault, tmp_path: Path) -> None:
    """It is never late by 25 ms, while rows are read, stored and found again, nor as long at work on one callback.

    The garbage collector does not look at everything because of an import, which would take longer than that. How late
    the loop is, is only asked where other programs leave it a processor.
    """
    path = tmp_path / "large.csv"
    await asyncio.to_thread(write_file, path)
    reports: list[Progress] = []
    gc.collect()  # the test run's own garbage
    full_collections = gc.get_stats()[2]["collections"]
    quiet = is_quiet()
    async with Watch() as watch:
        first = await import_trades(vault, CsvTrades(path, PROFILE), accounts="create", progress=reports.append)
        second = await import_trades(vault, CsvTrades(path, PROFILE))
    quiet = quiet and is_quiet()
    assert (len(first.inserted), len(first.failed)) == (ROWS, 0)
    assert (len(second.inserted), len(second.duplicate)) == (0, ROWS)
    assert {report.phase for report in reports} == {"read", "store"}
    assert (reports[-1].done, reports[-1].total) == (ROWS, ROWS)
    assert gc.get_stats()[2]["collections"] == full_collections
    assert max(watch.busy_s) < LONGEST_STALL_S
    if quiet:
        assert max(watch.late_s) < LONGEST_STALL_S
