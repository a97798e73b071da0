"""Running one workload: here, or in a process whose syncs take longer (``python -m benchmarks.running``)."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Result
from benchmarks.measuring import measure
from benchmarks.memory import measure_memory
from benchmarks.sizes import LONG, SHORT
from benchmarks.slow_sync import environment_with, is_slow
from benchmarks.vaults import Vaults
from benchmarks.workloads import all_workloads

if TYPE_CHECKING:
    from benchmarks.workloads.base import Workload

__all__ = ["run_here", "run_with_slow_sync"]


def run_here(workload: Workload, rounds: int, *, short: bool) -> Result:
    """Measure a workload on an event loop of its own."""
    return asyncio.run(_run(workload, rounds, short=short))


async def _run(workload: Workload, rounds: int, *, short: bool) -> Result:
    if workload.most_rounds is not None:
        rounds = min(rounds, workload.most_rounds)
    await workload.open(workload.names)
    try:
        measured = await measure(workload, rounds, workload.sizes.stall_s)
        counts = await workload.count()
    finally:
        await workload.aclose()
    memory = {}
    for contender in workload.memory[-1:] if short else workload.memory:  # this library comes last
        use = await asyncio.to_thread(measure_memory, workload, contender, short=short)
        if use is not None:
            memory[contender] = use
    return Result(workload.name, workload.title, workload.per, measured, memory, counts, workload.original_bytes)


def run_with_slow_sync(workload: Workload, rounds: int, library: Path, *, short: bool) -> Result:
    """Measure a workload in a process of its own, into which a library is preloaded."""
    command = [sys.executable, "-m", "benchmarks.running", workload.name, str(workload.vaults.folder), str(rounds)]
    finished = subprocess.run(  # noqa: S603 - ourselves
        [*command, *(["--short"] if short else [])], env=environment_with(library), stdout=subprocess.PIPE, check=True
    )
    return Result.of(json.loads(finished.stdout))


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.running", description="Print one result as JSON.")
    parser.add_argument("workload")
    parser.add_argument("folder", type=Path, help="where the vaults are, or are made and kept")
    parser.add_argument("rounds", type=int)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if not is_slow():
        sys.stderr.write("the syncs of this process do not take longer\n")
        return 1
    workload = all_workloads(Vaults(options.folder), SHORT if options.short else LONG)[options.workload]
    print(json.dumps(asdict(run_here(workload, options.rounds, short=options.short))))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
