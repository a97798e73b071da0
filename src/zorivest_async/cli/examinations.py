"""Examinations of ``zorivest doctor``: the installation, the system, and the file of a vault."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import time
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zorivest_async._version import __version__
from zorivest_async.cli.configuration import configuration_path
from zorivest_async.errors import MissingDependencyError, ZorivestError

if TYPE_CHECKING:
    from zorivest_async.cli.configuration import Configuration
    from zorivest_async.cli.journal import Journal

__all__ = ["Finding", "State", "examine_file", "examine_opening", "examine_system"]

_EXTRAS: Final = {
    "charts": "matplotlib",
    "importers": "ibflex",
    "keyring": "keyring",
    "parquet": "pyarrow",
    "postgresql": "asyncpg",
}
"""A module of each extra that commands use."""

_FIRST_RELEASE_S: Final = 1_735_689_600
"""The year 2025: a clock that is before it is wrong."""

_SLACK_S: Final = 120
_MIB: Final = 1024 * 1024


class State(StrEnum):
    """State of what was examined."""

    GOOD = "good"
    NOTE = "note"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one examination.

    Attributes:
        what: What was examined.
        found: What was found.
        state: Whether that is good.
        advice: What to do, if it is not.
    """

    what: str
    found: str
    state: State = State.GOOD
    advice: str = ""


def examine_system(configuration: Configuration) -> list[Finding]:
    """Examine the installation, the clock, the time zone database and the configuration."""
    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return [
        Finding("zorivest-async", __version__),
        Finding("Python", system),
        *_packages(),
        _driver(),
        _extras(),
        _clock(),
        _zones(),
        _configuration(configuration),
    ]


def examine_file(place: str) -> list[Finding]:
    """Examine the file of a vault, without opening it as a database."""
    path = Path(place)
    try:
        status = path.stat()
    except FileNotFoundError:
        return [Finding("vault", place, State.WRONG, "there is no such file: check the path, or restore a backup")]
    except OSError as error:
        return [Finding("vault", f"{place}: {error.strerror}", State.WRONG, "make the folder and the file readable")]
    if not stat.S_ISREG(status.st_mode):
        return [Finding("vault", f"{place} is not a regular file", State.WRONG, "name the file of the vault")]
    return [
        _kind(path, status),
        _permissions(path, status),
        _links(path, status),
        _folder(path.resolve().parent),
        _companions(path.resolve()),
        _space(path.resolve().parent, status),
        _written(status),
    ]


def examine_opening(journal: Journal) -> list[Finding]:
    """Open a vault, and count its trades."""
    from zorivest_async import TradeFilter

    try:
        count = journal.read(lambda uow: uow.trades.count_filtered(TradeFilter()))
    except ZorivestError as error:
        return [Finding("opening", str(error), State.WRONG, "see the exit codes in zorivest --help")]
    return [Finding("opening", f"it opens, with {count:,} trades")]


def _packages() -> list[Finding]:
    found: list[Finding] = []
    for package in ("SQLAlchemy", "aiosqlite", "sqlcipher3", "argon2-cffi", "cryptography", "Pillow"):
        try:
            found.append(Finding(package, version(package)))
        except PackageNotFoundError:
            found.append(Finding(package, "not installed", State.WRONG, f"pip install {package}"))
    return found


def _driver() -> Finding:
    try:
        from sqlcipher3 import dbapi2

        connection = dbapi2.connect(":memory:")
        try:
            (cipher,) = connection.execute("PRAGMA cipher_version").fetchone() or ("none",)
        finally:
            connection.close()
    except (ImportError, MissingDependencyError) as error:
        return Finding("driver", type(error).__name__, State.WRONG, "pip install -U sqlcipher3")
    found = f"SQLCipher {cipher}, SQLite {dbapi2.sqlite_version}"
    if cipher == "none":
        return Finding("driver", found, State.WRONG, "this sqlcipher3 does not encrypt: pip install -U sqlcipher3")
    return Finding("driver", found)


def _extras() -> Finding:
    missing = [extra for extra, module in _EXTRAS.items() if find_spec(module) is None]
    if not missing:
        return Finding("extras", "all of the commands' are installed")
    advice = f'if you need them: pip install "zorivest-async[{",".join(missing)}]"'
    return Finding("extras", f"not installed: {', '.join(missing)}", State.NOTE, advice)


def _clock() -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < _FIRST_RELEASE_S:
        return Finding("clock", shown, State.WRONG, "set the clock of this computer")
    return Finding("clock", shown)


def _zones() -> Finding:
    from zorivest_async.domain.zones import load_zone

    try:
        load_zone("America/New_York")
    except ZorivestError:
        return Finding("time zones", "the database is missing", State.WRONG, "pip install tzdata")
    return Finding("time zones", "the database is there")


def _configuration(configuration: Configuration) -> Finding:
    path = configuration_path()
    try:
        configuration.read_all()
    except ZorivestError as error:
        return Finding("configuration", str(error), State.WRONG, "correct the file, or unset the variable")
    return Finding("configuration", str(path) if path.exists() else f"{path} (not there)")


def _kind(path: Path, status: os.stat_result) -> Finding:
    size = f"{path}: {status.st_size:,} bytes"
    try:
        with path.open("rb") as file:
            beginning = file.read(16)
    except OSError as error:
        return Finding("vault", f"{path}: {error.strerror}", State.WRONG, "make the file readable for you")
    if beginning == b"SQLite format 3\0":
        return Finding("vault", f"{size}, not encrypted", State.WRONG, "make a vault of it: zorivest adopt")
    if status.st_size == 0 or status.st_size % 4096:
        advice = "it is cut off, or of another program: restore a backup"
        return Finding("vault", f"{size}, which are not whole pages", State.WRONG, advice)
    return Finding("vault", size)


def _permissions(path: Path, status: os.stat_result) -> Finding:
    if os.name != "posix":
        return Finding("permissions", "as the folder's")
    mode = stat.filemode(status.st_mode)
    if not os.access(path, os.W_OK):
        return Finding("permissions", f"{mode}, read-only for you", State.WRONG, f"chmod u+w {path}, or its owner does")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("permissions", f"{mode}: other users may use it", State.NOTE, f"chmod 600 {path}")
    return Finding("permissions", mode)


def _links(path: Path, status: os.stat_result) -> Finding:
    if status.st_nlink > 1:
        advice = "keep one name of the file: with several, programs would overwrite each other's changes"
        return Finding("links", f"the file has {status.st_nlink} names", State.WRONG, advice)
    if path.is_symlink():
        return Finding("links", f"a symbolic link to {path.resolve()}")
    return Finding("links", "none")


def _folder(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("folder", f"{folder} is not writable", State.WRONG, "a vault needs files beside it: chmod u+wx")
    return Finding("folder", str(folder))


def _companions(path: Path) -> Finding:
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    there = [each.name for each in beside if each.exists()]
    if path.with_name(f"{path.name}-journal").exists():
        advice = "another program left it: open the vault with zorivest verify, and keep a copy of both files"
        return Finding("files beside it", ", ".join(there), State.NOTE, advice)
    if there:
        advice = "the vault is in use, or a program was killed; keep these files with it"
        return Finding("files beside it", ", ".join(there), State.NOTE, advice)
    return Finding("files beside it", "none")


def _space(folder: Path, status: os.stat_result) -> Finding:
    free = shutil.disk_usage(folder).free
    found = f"{free // _MIB:,} MiB free"
    if free < status.st_size + 16 * _MIB:
        return Finding("space", found, State.WRONG, "a backup or a change of the passphrase needs space for a copy")
    return Finding("space", found)


def _written(status: os.stat_result) -> Finding:
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(status.st_mtime))
    if status.st_mtime > time.time() + _SLACK_S:
        return Finding("last written", f"{shown}, in the future", State.WRONG, "set the clock of this computer")
    return Finding("last written", shown)
