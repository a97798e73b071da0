"""Peak memory of one contender at one workload, in a process of its own: ``python -m benchmarks.memory``.

A process's peak does not go down again, so each is measured in a fresh one. Only Linux tells what is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.figures import MemoryUse
from benchmarks.sizes import LONG, SHORT
from benchmarks.vaults import Vaults
from benchmarks.workloads import all_workloads

if TYPE_CHECKING:
    from benchmarks.workloads.base import Workload

__all__ = ["measure_memory"]

_PROCESS: Final = Path("/proc/self")
_RESET_PEAK: Final = "5"
"""What, written to ``clear_refs``, sets the peak to what is in use (proc_pid_clear_refs(5))."""


def measure_memory(workload: Workload, name: str, *, short: bool) -> MemoryUse | None:
    """Measure a run in a fresh process; ``None`` where the system does not tell."""
    if not _PROCESS.exists():
        return None
    command = [sys.executable, "-m", "benchmarks.memory", workload.name, name, str(workload.vaults.folder)]
    finished = subprocess.run(  # noqa: S603 - ourselves
        [*command, *(["--short"] if short else [])], capture_output=True, text=True, check=True
    )
    return MemoryUse(**json.loads(finished.stdout))


async def _measure_here(workload: Workload, name: str) -> MemoryUse:
    await workload.open((name,))
    try:
        await workload.warm_up(name)
        prepared = await workload.before(name)
        (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
        in_use, read = _status_mb("VmRSS"), _read_mb()
        await workload.run(name, prepared)
        use = MemoryUse(_status_mb("VmHWM") - in_use, _read_mb() - read)
        await workload.after(name)
    finally:
        await workload.aclose()
    return use


def _status_mb(name: str) -> float:
    lines = (_PROCESS / "status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kib) * 1024 / 1e6


def _read_mb() -> float:
    counted = dict(line.split(": ") for line in (_PROCESS / "io").read_text().splitlines())
    return int(counted["rchar"]) / 1e6


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Print one run's memory as JSON.")
    parser.add_argument("workload")
    parser.add_argument("contender")
    parser.add_argument("folder", type=Path, help="where the vaults are, or are made and kept")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    workload = all_workloads(Vaults(options.folder), SHORT if options.short else LONG)[options.workload]
    print(json.dumps(asdict(asyncio.run(_measure_here(workload, options.contender)))))


if __name__ == "__main__":
    _main()
