"""A large import leaves the event loop free."""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from zorivest_async.integrations.importers import CsvProfile, CsvTrades, import_trades

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async import Progress, Vault

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


@pytest.mark.asyncio
async def test_the_loop_is_never_held_while_100_000_rows_are_imported(vault: Vault, tmp_path: Path) -> None:
    """A task that asks for every millisecond is late by at most 25 ms, while rows are read, stored and found again."""
    path = tmp_path / "large.csv"
    await asyncio.to_thread(write_file, path)
    stalls: list[float] = []
    reports: list[Progress] = []

    async def watch() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.001)
            stalls.append(time.perf_counter() - asked - 0.001)

    gc.collect()  # the test run's own garbage
    watching = asyncio.create_task(watch())
    try:
        first = await import_trades(vault, CsvTrades(path, PROFILE), accounts="create", progress=reports.append)
        second = await import_trades(vault, CsvTrades(path, PROFILE))
    finally:
        watching.cancel()
    assert (len(first.inserted), len(first.failed)) == (ROWS, 0)
    assert (len(second.inserted), len(second.duplicate)) == (0, ROWS)
    assert {report.phase for report in reports} == {"read", "store"}
    assert (reports[-1].done, reports[-1].total) == (ROWS, ROWS)
    assert max(stalls) < LONGEST_STALL_S
