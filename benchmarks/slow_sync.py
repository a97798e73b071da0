"""A disk whose sync takes longer: a library that is preloaded into a process, built where there is a C compiler.

It says the same on every machine, where the time of a real sync spans three orders of magnitude.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["EXTRA_MS", "SlowSyncUnavailableError", "build_slow_sync", "environment_with", "is_slow"]

EXTRA_MS: Final = 2
"""How much longer every sync takes, in milliseconds."""

_SOURCE: Final = Path(__file__).with_name("slow_sync.c")


class SlowSyncUnavailableError(Exception):
    """Syncs cannot be made slower here; the message says why."""


def build_slow_sync(folder: Path) -> Path:
    """Build the library into a folder, and return its path.

    Raises:
        SlowSyncUnavailableError: This is no Linux, or it has no C compiler that works.
    """
    system: str = sys.platform  # as a plain text, since a type checker would skip what other systems do not run
    if system != "linux":
        raise SlowSyncUnavailableError("LD_PRELOAD is Linux's")
    compiler = shutil.which("cc")
    if compiler is None:
        raise SlowSyncUnavailableError("there is no C compiler (cc)")
    library = folder / "slow_sync.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the system's compiler
    if built.returncode:
        raise SlowSyncUnavailableError(f"cc failed: {(built.stderr.strip() or 'no message').splitlines()[-1]}")
    return library


def environment_with(library: Path, extra_ms: float = EXTRA_MS) -> dict[str, str]:
    """Return the environment of a process whose syncs take longer."""
    return {**os.environ, "LD_PRELOAD": str(library), "SLOW_SYNC_US": str(round(extra_ms * 1000))}


def is_slow(extra_ms: float = EXTRA_MS) -> bool:
    """Return whether every sync of this process takes that much longer."""
    reading, writing = os.pipe()  # a pipe cannot be synced, which a slow disk cannot make slower
    began = time.perf_counter()
    with suppress(OSError):
        os.fsync(writing)
    took_s = time.perf_counter() - began
    os.close(reading)
    os.close(writing)
    return took_s >= extra_ms / 1000 and _SOURCE.stem in Path("/proc/self/maps").read_text()
