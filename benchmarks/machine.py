"""Where the numbers come from: hardware and versions, without names of hosts or folders."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from sqlcipher3 import dbapi2 as sqlcipher

from benchmarks.wakeup import measure_wake_up

__all__ = ["describe_machine"]

_PACKAGES: Final = (
    "zorivest-async",
    "sqlcipher3",
    "SQLAlchemy",
    "aiosqlite",
    "advanced-alchemy",
    "apsw-sqlite3mc",
    "tortoise-orm",
    "Pillow",
    "pyvips",
    "argon2-cffi",
)


def describe_machine(folder: Path) -> dict[str, str]:
    """Return what to know about the machine, for a table.

    Args:
        folder: Where the vaults are; only the type of its file system is told.
    """
    wake_up = measure_wake_up()
    return {
        "waking a thread, there and back": (
            f"{wake_up.at_once_us:.0f} µs at once, {wake_up.after_idling_us:.0f} µs after 1 ms of idling"
        ),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlcipher.sqlite_version,
        **{package: _version(package) for package in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return "unknown"
    entries = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    inside = [(len(point), kind) for point, kind in entries if folder.resolve().is_relative_to(point)]
    return max(inside)[1]
