"""Give hostile inputs to one target, in a process of its own.

Usage: ``python -m workers.fuzz TARGET FOLDER [--examples N] [--minutes M] [--seed N]``, or ``--replay FILE``, or
``--coverage ARGUMENTS``. The seed of each round and each fault are printed, and at the end the numbers, as JSON. The
input at work lies in the folder as ``input.pickle``, so that one which ends the process is not lost; ``--replay`` gives
it to the target once more. With ``--coverage``, atheris, which must be installed, leads the inputs, and takes the
arguments that follow.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import pickle
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning

if TYPE_CHECKING:
    from fuzzing.target import Target

LONGEST_S = 1.0
"""What one input may take: of the processor's time, and of waiting."""

CROWD = 20.0
"""So many times the processor's time may pass where other processes have the machine; more is waiting."""

ATTEMPTS = 3
"""Further attempts of what took too long."""

HANG_S = 30.0
"""After which the process says where it is and ends."""

MEMORY_BYTES = 4 * 1024**3
"""Limit on the address space, above what the process has when it starts."""

WARM_UP = 20
"""Inputs before which file descriptors are not compared: modules are imported, threads and pools started."""

INSTRUMENTED = ["zorivest_async", "PIL", "defusedxml", "ibflex"]
"""Packages whose coverage leads atheris."""

ROUND = 200
"""Inputs of one seed."""


class Fuzzing:
    """Runs a target's inputs and watches the process.

    Args:
        target: What is fuzzed.
        folder: Where the input at work is kept.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._input = folder / "input.pickle"
        self._unraisable: list[str] = []
        self._descriptors = 0
        self.executions = 0
        self.endings: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.known: Counter[str] = Counter()
        self.last = ""

    def one(self, value: Any) -> None:
        """Run one input, unless it shows a fault that was found in an earlier round."""
        self.last = ""
        self._input.write_bytes(pickle.dumps(value))
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        try:
            self._watched(value)
        except Exception as error:
            self.last = _place_of(error)
            if self.last not in self.known:
                raise
            self.known[self.last] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()

    def listen(self) -> None:
        """Count what cannot be raised, such as the warning of an object that was not closed, to the input at work."""
        sys.unraisablehook = lambda args: self._unraisable.append(f"{args.err_msg}: {args.exc_value!r}")

    def _watched(self, value: Any) -> None:
        peak = peak_kib()
        took = self._timed(value)
        for _ in range(ATTEMPTS):
            if took > LONGEST_S:
                took = min(took, self._timed(value))
        self.slowest_s = max(self.slowest_s, took)
        assert took <= LONGEST_S, f"took {took:.1f} s"
        rise = (peak_kib() - peak) // 1024
        assert rise <= self._target.memory_mib, f"took {rise} MiB"
        unraisable, self._unraisable = self._unraisable, []
        assert not unraisable, unraisable
        descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
        if self.executions <= WARM_UP:
            self._descriptors = max(self._descriptors, descriptors)
        assert descriptors <= self._descriptors, "file descriptors were left open"

    def _timed(self, value: Any) -> float:
        """Return how long the processor was at work for an input, or how long the process waited, if that is longer."""
        begun, begun_cpu = time.monotonic(), time.process_time()
        self.executions += 1
        self.endings[self._target.check(value)] += 1
        worked = time.process_time() - begun_cpu
        return max(worked, time.monotonic() - begun - CROWD * worked)


def _place_of(error: BaseException) -> str:
    """Return the kind of an error and the innermost line of the library in its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "zorivest_async" in frame.filename] or frames
    return f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def peak_kib() -> int:
    """Return the most memory that the process has had so far.

    ``getrusage()`` would count that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def _limit_memory() -> None:
    if sys.platform != "win32":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _run_round(fuzzing: Fuzzing, target: Target, number: int, examples: int) -> bool:
    """Run the inputs of one seed; return whether there was no new fault."""
    print(f"seed {number}", flush=True)
    phases = [Phase.explicit, Phase.generate, Phase.target, Phase.shrink]
    rules = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=phases,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(rules(given(target.inputs)(fuzzing.one)))()
    except Exception:  # noqa: BLE001 - whatever comes out is what is looked for
        traceback.print_exc(file=sys.stdout)
        print(f"fault: {fuzzing.last}, seed {number}", flush=True)
        fuzzing.known[fuzzing.last] += 1
        return False
    return True


def _targets(*, instrumented: bool) -> dict[str, Target]:
    """Import the targets, and with them the library, which atheris instruments meanwhile."""
    instruments = _atheris().instrument_imports(include=INSTRUMENTED) if instrumented else nullcontext()
    with instruments:
        targets: dict[str, Target] = import_module("fuzzing.registry").TARGETS
    return targets


def _atheris() -> Any:
    return import_module("atheris")  # there is no wheel for every system


def _led_by_coverage(fuzzing: Fuzzing, target: Target, arguments: list[str]) -> None:
    atheris = _atheris()
    rules = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
    test: Any = rules(given(target.inputs)(fuzzing.one))
    atheris.Setup([sys.argv[0], *arguments], test.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def main() -> int:
    """Fuzz, and tell of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--examples", type=int, default=ROUND)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--coverage", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", HypothesisWarning)  # of inputs that take long to print
    target = _targets(instrumented=options.coverage is not None)[options.target]
    fuzzing = Fuzzing(target, options.folder)
    if options.replay is not None:
        print(target.check(pickle.loads(options.replay.read_bytes())))  # noqa: S301 - written above
        return 0
    _limit_memory()
    fuzzing.listen()
    if options.coverage is not None:
        _led_by_coverage(fuzzing, target, options.coverage)
    begun, number = time.monotonic(), options.seed
    fine = True
    while number == options.seed or time.monotonic() < begun + options.minutes * 60:
        fine = _run_round(fuzzing, target, number, options.examples) and fine
        number += 1
    result = {
        "target": options.target,
        "executions": fuzzing.executions,
        "endings": fuzzing.endings,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "slowest_s": round(fuzzing.slowest_s, 3),
        "peak_mib": peak_kib() // 1024,
        "faults": fuzzing.known,
    }
    print(json.dumps(result))
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
