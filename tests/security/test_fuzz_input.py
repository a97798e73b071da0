"""Hostile bytes wherever they come in: errors of the library, soon, and nothing stored, leaked or left behind.

The long form runs each target for ``ZORIVEST_FUZZ_MINUTES`` (10); the inputs of a run are repeated by its ``--seed``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from fuzzing.registry import TARGETS
from fuzzing.target import Target
from workers import fuzz
from workers.launch import command, environment
from workers.telling import tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["tell"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at memory and descriptors in /proc")

EXAMPLES = {
    "csv": 150,
    "flex": 150,
    "images": 400,
    "journals": 150,
    "plaintext": 80,
    "vault-files": 100,
    "vault-pages": 40,
}
"""Inputs of the short form: a few seconds each."""


def run_target(target: str, folder: Path, *options: object) -> dict[str, Any]:
    """Fuzz a target in a process of its own, and return the numbers that it printed."""
    process = subprocess.run(
        command("fuzz", target, folder, *options),
        env=environment() | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert process.returncode == 0, f"{process.stdout[-6_000:]}\n{process.stderr[-3_000:]}"
    assert [entry.name for entry in folder.iterdir()] == ["input.pickle"]
    numbers: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    assert {"taken", "refused"} <= numbers["endings"].keys()  # else the inputs are badly chosen
    return numbers


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_input_is_taken_or_refused(target: str, tmp_path: Path, tell: Callable[[str], None]) -> None:
    """A few hundred inputs, always the same ones."""
    tell(str(run_target(target, tmp_path, "--examples", EXAMPLES[target])))


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS)
def test_hostile_input_is_taken_or_refused_for_minutes(
    target: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Other inputs with every run."""
    minutes = float(os.environ.get("ZORIVEST_FUZZ_MINUTES", "10"))
    seed = time.time_ns() // 1_000_000
    tell(str(run_target(target, tmp_path, "--minutes", minutes, "--seed", seed)))


KEPT: list[object] = []


def _open_a_file(_: object) -> str:
    KEPT.append(os.open(os.devnull, os.O_RDONLY))
    return "taken"


def _wait(_: object) -> str:
    time.sleep(1.2)
    return "taken"


def _fail(_: object) -> str:
    raise KeyError("bare")


@pytest.mark.parametrize(("check", "fault"), [(_open_a_file, "descriptors"), (_wait, "took"), (_fail, "bare")])
def test_what_is_looked_for_would_be_found(check: Callable[[object], str], fault: str, tmp_path: Path) -> None:
    """A file that is left open, a wait and a bare error each end the run."""
    fuzzing = fuzz.Fuzzing(Target(st.none(), check), tmp_path)
    fuzzing.executions = fuzz.WARM_UP + 1
    try:
        with pytest.raises((AssertionError, KeyError), match=fault):
            fuzzing.one(None)
    finally:
        for kept in KEPT:
            if isinstance(kept, int):
                os.close(kept)
        KEPT.clear()


def test_memory_that_is_taken_would_be_found(tmp_path: Path) -> None:
    """The peak of a process is what is watched, so it is taken in a process that has had little so far."""
    process = subprocess.run(
        command("take_memory", tmp_path), env=environment(), capture_output=True, text=True, check=True
    )
    assert re.match(r"took \d{3} MiB", process.stdout)
