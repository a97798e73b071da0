"""The command: what to run, and what becomes of the results."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.baseline import compare, ratios_of, read_baseline, write_baseline
from benchmarks.figures import Result, figures_of
from benchmarks.machine import describe_machine
from benchmarks.measuring import measure
from benchmarks.memory import measure_memory
from benchmarks.report import memory_table, musts_table, ratio_table, stall_table, write_json
from benchmarks.sizes import LONG, SHORT
from benchmarks.vaults import Vaults
from benchmarks.workloads import all_workloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.baseline import Ratios
    from benchmarks.sizes import Sizes

__all__ = ["main"]

_ATTEMPTS: Final = 3
"""A workload that regressed is measured again, so that a busy moment of the machine is not taken for a regression."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 where a ratio regressed, 2 where the arguments are wrong."""
    options = _parser().parse_args(arguments)
    sizes = SHORT if options.short else LONG
    with Vaults(options.keep) as vaults:
        run = _Run(vaults, sizes, options.rounds or sizes.rounds, short=options.short)
        unknown = set(options.only or ()) - set(run.names)
        if unknown:
            sys.stderr.write(f"no such workload: {', '.join(sorted(unknown))}; there are: {', '.join(run.names)}\n")
            return 2
        results = {name: run.measure(name) for name in run.names if not options.only or name in options.only}
        regressions: list[str] = []
        if options.check is not None:
            regressions = _check(read_baseline(options.check), run, results)
        machine = describe_machine(vaults.folder)
    found = list(results.values())
    print(*(f"{key}: {value}" for key, value in machine.items()), "", sep="\n")
    print(ratio_table(found), musts_table(found), stall_table(found), memory_table(found), sep="\n\n")
    if options.json is not None:
        write_json(options.json, machine, found)
    if options.write_baseline is not None:
        write_baseline(options.write_baseline, ratios_of(figure for result in found for figure in figures_of(result)))
    if options.write_docs:
        from benchmarks import document  # noqa: PLC0415 - matplotlib, a large part of the heap, would slow gc down

        document.write(Path("docs"), machine, found, form="short" if options.short else "long")
    for regression in regressions:
        sys.stderr.write(f"regressed: {regression}\n")
    return 1 if regressions else 0


class _Run:
    def __init__(self, vaults: Vaults, sizes: Sizes, rounds: int, *, short: bool) -> None:
        self._vaults = vaults
        self._sizes = sizes
        self._rounds = rounds
        self._short = short
        self.names = list(all_workloads(vaults, sizes))

    def measure(self, name: str) -> Result:
        """Measure one workload on an event loop of its own."""
        began = time.perf_counter()
        result = asyncio.run(self._measure(name))
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
        return result

    async def _measure(self, name: str) -> Result:
        workload = all_workloads(self._vaults, self._sizes)[name]
        await workload.open(workload.names)
        try:
            measured = await measure(workload, self._rounds, self._sizes.stall_s)
            counts = await workload.count()
        finally:
            await workload.aclose()
        memory = {}
        for contender in workload.memory[-1:] if self._short else workload.memory:  # this library comes last
            use = await asyncio.to_thread(measure_memory, workload, contender, short=self._short)
            if use is not None:
                memory[contender] = use
        return Result(name, workload.title, workload.per, measured, memory, counts, workload.original_bytes)


def _check(baseline: Ratios, run: _Run, results: dict[str, Result]) -> list[str]:
    """Return the regressions that stay when measured again; the results are replaced by the last ones."""
    suspects = list(results)
    for attempt in range(_ATTEMPTS):
        if attempt:
            results.update({name: run.measure(name) for name in suspects})
        current = ratios_of(figure for name in suspects for figure in figures_of(results[name]))
        regressions = compare(baseline, current)
        suspects = list(dict.fromkeys(regression.workload for regression in regressions))
        if not suspects:
            break
    return list(map(str, regressions))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this library beside the bare driver, stock SQLAlchemy and advanced-alchemy.",
    )
    parser.add_argument("--short", action="store_true", help="smaller amounts, under two minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each workload")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these workloads")
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="fail where a ratio is 30 %% worse than in this file"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE", help="write the ratios, for --check")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md and its plot")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the vaults here, and use them again")
    return parser
