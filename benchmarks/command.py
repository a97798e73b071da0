"""The command: what to run, and what becomes of the results."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import report
from benchmarks.baseline import compare, ratios_of, read_baseline, write_baseline
from benchmarks.cancelling import CANCELLED, measure_cancellations
from benchmarks.contenders import MISSING
from benchmarks.figures import Result, figures_of
from benchmarks.machine import describe_machine
from benchmarks.records import ENOUGH_RUNS, Run, figures_of_runs, read_runs, write_runs
from benchmarks.running import run_here, run_with_slow_sync
from benchmarks.sizes import LONG, SHORT
from benchmarks.slow_sync import SlowSyncUnavailableError, build_slow_sync
from benchmarks.vaults import Vaults
from benchmarks.workloads import all_workloads
from benchmarks.workloads.pictures import MISSING_PICTURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.baseline import Ratios

__all__ = ["main"]

_ATTEMPTS: Final = 3
"""A workload that regressed is measured again, so that a busy machine is not taken for a regression."""

_CANCELLING: Final = "cancelled-writes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status: 1 where a ratio regressed or a workload failed, 2 where the arguments are wrong."""
    options = _parser().parse_args(arguments)
    if refusal := _refusal(options):
        sys.stderr.write(f"{refusal}\n")
        return 2
    problems: list[str] = []
    if options.merge:
        runs = [run for path in options.merge for run in read_runs(path)]
    elif options.runs > 1:
        runs = _run_apart(options)
    else:
        run, problems = _run(options)
        runs = [run]
    _print(runs)
    if options.json is not None:
        write_runs(options.json, runs)
    if options.write_baseline is not None:
        write_baseline(options.write_baseline, ratios_of(figures_of_runs(runs)))
    if options.write_docs:
        if len(runs) < ENOUGH_RUNS:
            sys.stderr.write(f"the document takes {ENOUGH_RUNS} runs at least, and there are {len(runs)}\n")
            return 2
        from benchmarks import document  # noqa: PLC0415 - matplotlib, a large part of the heap, would slow gc down

        document.write(Path("docs"), runs)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


def _refusal(options: argparse.Namespace) -> str | None:
    known = [*all_workloads(Vaults(Path(tempfile.gettempdir())), SHORT if options.short else LONG), _CANCELLING]
    unknown = set(options.only or ()) - set(known)
    if unknown:
        return f"no such workload: {', '.join(sorted(unknown))}; there are: {', '.join(known)}"
    if options.write_docs and not options.merge and options.runs < ENOUGH_RUNS:
        return f"the document takes {ENOUGH_RUNS} runs at least: give --runs {ENOUGH_RUNS}, or --merge with their files"
    if options.check is not None and (options.merge or options.runs > 1):
        return "--check is of one run: leave out --merge and --runs"
    return None


def _run_apart(options: argparse.Namespace) -> list[Run]:
    """Make several runs, each in a process of its own; what was found is written after each."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-runs-") as folder:
        found = Path(folder) / "run.json"
        command = [sys.executable, "-m", "benchmarks", "--json", str(found), "--keep", str(options.keep or folder)]
        command += ["--short"] if options.short else []
        command += ["--rounds", str(options.rounds)] if options.rounds else []
        command += ["--only", *options.only] if options.only else []
        for number in range(options.runs):
            began = time.perf_counter()
            found.unlink(missing_ok=True)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - ourselves; it says what failed
            runs += read_runs(found)
            sys.stderr.write(f"run {number + 1} of {options.runs}: {time.perf_counter() - began:.0f} s\n")
            if options.json is not None:
                write_runs(options.json, runs)
    return runs


def _run(options: argparse.Namespace) -> tuple[Run, list[str]]:
    sizes = SHORT if options.short else LONG
    with Vaults(options.keep) as vaults:
        measuring = _Measuring(vaults, options.rounds or sizes.rounds, short=options.short)
        names = [name for name in measuring.names if not options.only or name in options.only]
        results = {name: result for name in names if (result := measuring.measure(name)) is not None}
        regressions: list[str] = []
        if options.check is not None:
            regressions = _check(read_baseline(options.check), measuring, results)
        run = Run("short" if options.short else "long", describe_machine(vaults.folder), list(results.values()))
        if not options.only or _CANCELLING in options.only:
            measuring.cancel_writes(run)
    run.skipped.update({**MISSING, **MISSING_PICTURES, **measuring.skipped})
    return run, [*map("regressed: {}".format, regressions), *measuring.failures]


class _Measuring:
    def __init__(self, vaults: Vaults, rounds: int, *, short: bool) -> None:
        self._vaults = vaults
        self._rounds = rounds
        self._short = short
        self.names = list(all_workloads(vaults, SHORT if short else LONG))
        self.skipped: dict[str, str] = {}
        self.failures: list[str] = []
        self._slow_sync: Path | None = None
        self._no_slow_sync = ""
        try:
            self._slow_sync = build_slow_sync(vaults.folder)
        except SlowSyncUnavailableError as error:
            self._no_slow_sync = str(error)

    def measure(self, name: str) -> Result | None:
        """Measure one workload; ``None`` where it cannot run here."""
        began = time.perf_counter()
        workload = all_workloads(self._vaults, SHORT if self._short else LONG)[name]
        if workload.needs_slow_sync and self._slow_sync is None:
            self.skipped[name] = self._no_slow_sync
            return None
        try:
            if self._slow_sync is not None and workload.needs_slow_sync:
                result = run_with_slow_sync(workload, self._rounds, self._slow_sync, short=self._short)
            else:
                result = run_here(workload, self._rounds, short=self._short)
        except Exception as error:  # noqa: BLE001 - one contender's failure must not take the other workloads' results
            traceback.print_exc()
            self.skipped[name] = f"failed with {type(error).__name__}"
            self.failures.append(f"{name} {self.skipped[name]}")
            return None
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
        return result

    def cancel_writes(self, run: Run) -> None:
        """Cancel writes of each contender, and add what they did to a run."""
        began = time.perf_counter()
        for name in CANCELLED:
            found = measure_cancellations(name, self._vaults.folder, self._slow_sync, short=self._short)
            if isinstance(found, str):
                run.skipped[f"{_CANCELLING} of {name}"] = found
            else:
                run.cancellations.extend(found)
        sys.stderr.write(f"{_CANCELLING}: {time.perf_counter() - began:.0f} s\n")


def _print(runs: Sequence[Run]) -> None:
    tables = [report.machine_table(runs)]
    if any(run.results for run in runs):
        tables += [
            report.ratio_table(runs),
            report.musts_table(runs),
            report.time_table(runs),
            report.stall_table(runs),
            report.memory_table(runs),
        ]
    if any(run.cancellations for run in runs):
        tables.append(report.cancellation_table(runs))
    if skipped := report.skipped_list(runs):
        tables.append(skipped)
    print(*tables, sep="\n\n")


def _check(baseline: Ratios, measuring: _Measuring, results: dict[str, Result]) -> list[str]:
    """Return the regressions that stay when measured again; the results are replaced by the last ones."""
    suspects = list(results)
    for attempt in range(_ATTEMPTS):
        if attempt:
            results.update({name: result for name in suspects if (result := measuring.measure(name)) is not None})
        current = ratios_of(figure for name in suspects for figure in figures_of(results[name]))
        regressions = compare(baseline, current)
        suspects = list(dict.fromkeys(regression.workload for regression in regressions))
        if not suspects:
            break
    return list(map(str, regressions))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this library beside the bare driver, and beside what else a program could use.",
    )
    parser.add_argument("--short", action="store_true", help="smaller amounts, a few minutes")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each workload")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"these workloads, or {_CANCELLING}")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="so many runs, each in a process of its own")
    parser.add_argument("--merge", nargs="+", type=Path, metavar="FILE", help="run nothing: read what --json wrote")
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="fail where a ratio is 30 %% worse than in this file"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE", help="write the ratios, for --check")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help=f"write docs/benchmarks.md and its plot, of {ENOUGH_RUNS} runs or more",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the vaults here, and use them again")
    return parser
