"""Starting the programs of this package as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["KILLED", "command", "environment", "read_line", "say", "started"]

TESTS = Path(__file__).parent.parent

if sys.platform == "win32":
    KILLED: Final = 1
else:
    KILLED: Final = -signal.SIGKILL
"""The return code of a process that ``Popen.kill()`` ended, or that killed itself."""


def command(program: str, *arguments: object) -> list[str]:
    """Return the command line of a program of this package."""
    return [sys.executable, "-m", f"workers.{program}", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the environment in which it finds its imports."""
    paths = (str(TESTS), os.environ.get("PYTHONPATH"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@contextmanager
def started(program: str, *arguments: object, prefix: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run a program with pipes to talk to it; what is still running when the block ends is killed."""
    process = subprocess.Popen(
        [*prefix, *command(program, *arguments)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a program prints; empty where it ends instead."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def say(process: subprocess.Popen[str], line: str = "") -> None:
    """Send a line to a program."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
