"""What a cancelled write does: an experiment in a process of its own (``python -m benchmarks.cancelling``).

A task writes, and is cancelled at a point of the write that moves from its beginning to its end. Then the next write
follows, and a second connection of the same SQLite library tells what is stored.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks.cancelled import ROWS, Attempt, Cancellations, Write, summarise
from benchmarks.contenders import CONTENDERS, present
from benchmarks.contenders.base import File
from benchmarks.contenders.zorivest import Library
from benchmarks.slow_sync import environment_with
from benchmarks.trades import exec_id_of_new, make_new_trades
from benchmarks.vaults import KEY, Vaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contenders.base import Contender

__all__ = ["CANCELLED", "measure_cancellations"]

CANCELLED: Final = present("stock", "advanced", "aiosqlite", "apsw", "tortoise", "library")
"""The contenders of the experiment; the others are no way to write a program."""

_SYNC_MS: Final = 20.0
"""How long a sync takes, so that a COMMIT is long enough to be hit."""

_ATTEMPTS: Final = 25
_ATTEMPTS_SHORT: Final = 4
_PATIENCE_S: Final = 5.0
_PROCESS_PATIENCE_S: Final = 300.0


def measure_cancellations(name: str, folder: Path, slow_sync: Path | None, *, short: bool) -> list[Cancellations] | str:
    """Run the experiment of one contender in a process of its own; return why it has no result where it has none."""
    command = [sys.executable, "-m", "benchmarks.cancelling", name, str(folder), *(["--short"] if short else [])]
    environment = None if slow_sync is None else environment_with(slow_sync, _SYNC_MS)
    try:
        finished = subprocess.run(  # noqa: S603 - ourselves
            command, env=environment, capture_output=True, text=True, timeout=_PROCESS_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the process hung for {_PROCESS_PATIENCE_S:.0f} s"
    if finished.returncode:
        return f"the process failed: {(finished.stderr.strip() or 'no message').splitlines()[-1]}"
    return [Cancellations(**content) for content in json.loads(finished.stdout)]


class _LibraryThatTells(Library):
    """This library, whose callers look at ``outcome`` of the unit of work."""

    told: str | None = None

    async def save_commit(self, trade: Any) -> None:
        uow = self._vault.unit_of_work()
        try:
            async with uow:
                await uow.trades.save(trade)
                await uow.commit()
        finally:
            self.told = uow.outcome

    async def bulk_save(self, trades: list[Any]) -> None:
        uow = self._vault.unit_of_work()
        try:
            async with uow:
                await uow.trades.save_many(trades)
                await uow.commit()
        finally:
            self.told = uow.outcome


class _Experiment:
    def __init__(self, contender: Contender, stored: Callable[[str, str], int]) -> None:
        self._contender = contender
        self._stored = stored
        self._numbers = 0

    def _prepare(self, write: Write) -> tuple[list[Any], int, int]:
        rows = ROWS if write is Write.STATEMENT else 1
        first = self._numbers
        self._numbers += rows
        return self._contender.prepare(make_new_trades(first, rows)), first, rows

    async def _write(self, write: Write, prepared: list[Any]) -> None:
        if write is Write.STATEMENT:
            await self._contender.bulk_save(prepared)
        else:
            await self._contender.save_commit(prepared[0])

    def _count(self, first: int, rows: int) -> int:
        return self._stored(exec_id_of_new(first), exec_id_of_new(first + rows - 1))

    async def undisturbed_s(self, write: Write) -> float:
        """Return how long a write takes that nothing cancels."""
        times = []
        for _ in range(4):
            prepared, _, _ = self._prepare(write)
            began = time.perf_counter()
            await self._write(write, prepared)
            times.append(time.perf_counter() - began)
        return median(times[1:])

    async def attempt(self, write: Write, delay_s: float) -> Attempt:
        """Cancel a write after a time, and write again."""
        prepared, first, rows = self._prepare(write)
        following, next_first, _ = self._prepare(Write.COMMIT)
        task = asyncio.create_task(self._write(write, prepared))
        await asyncio.sleep(delay_s)
        began = time.perf_counter()
        task.cancel()
        await asyncio.wait({task})
        told_ms = (time.perf_counter() - began) * 1000
        told = getattr(self._contender, "told", None)
        stored = self._count(first, rows)
        began, error = time.perf_counter(), None
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._contender.save_commit(following[0])
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is the answer
            error = type(failure).__name__
        took_ms = (time.perf_counter() - began) * 1000
        ended_with = None if task.cancelled() else task.exception()
        return Attempt(
            finished=not task.cancelled(),
            error=None if ended_with is None else type(ended_with).__name__,
            told_ms=told_ms,
            told=told,
            stored=stored,
            stored_later=self._count(first, rows),
            rows=rows,
            next_ms=took_ms if error is None else None,
            next_error=error,
            next_stored=self._count(next_first, 1) == 1,
        )


_COUNT: Final = "SELECT count(*) FROM trades WHERE exec_id BETWEEN ? AND ?"


async def _experiment(name: str, folder: Path, attempts: int) -> list[Cancellations]:
    vaults = Vaults(folder)
    made = CONTENDERS[name]
    path = vaults.own(await vaults.journal(0), name, plain=made.file is File.PLAIN)
    contender = await (_LibraryThatTells if made is Library else made).open(path, KEY)
    observer = made.observe(path, KEY)
    experiment = _Experiment(contender, lambda first, last: observer.execute(_COUNT, (first, last)).fetchall()[0][0])
    found = []
    for write in Write:
        undisturbed_s = await experiment.undisturbed_s(write)
        delays_s = [undisturbed_s * (number + 0.5) / attempts for number in range(attempts)]
        found.append(summarise(name, write, [await experiment.attempt(write, delay_s) for delay_s in delays_s]))
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cancelling", description="Print counts as JSON.")
    parser.add_argument("contender", choices=CANCELLED)
    parser.add_argument("folder", type=Path, help="where the vaults are, or are made and kept")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    attempts = _ATTEMPTS_SHORT if options.short else _ATTEMPTS
    with asyncio.Runner() as runner:
        found = runner.run(_experiment(options.contender, options.folder, attempts))
        sys.stdout.write(json.dumps([asdict(counted) for counted in found]))
        sys.stdout.flush()
        os._exit(0)  # a connection that a cancelled task has left behind may keep the process from ending


if __name__ == "__main__":
    _main()
