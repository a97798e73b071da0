"""Causes of SQLite's errors about files, which this module asks the system for.

``SQLITE_CANTOPEN`` is a missing file, a missing permission, or a process with too many open files; ``SQLITE_IOERR`` is
a failing disk, an exceeded quota, or a limit on the size of files. The driver reports neither the extended result code
nor ``errno``. The functions block: call them on the thread of the error, before the state of the system changes.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.os_errors import ABSENT, READ_ONLY_DISK, TOO_LARGE, error_of
from zorivest_async.database.sqlcipher.page_check import PAGE_BYTES, disk_fails
from zorivest_async.database.sqlcipher.paths import is_there, require_plain_companions, require_short
from zorivest_async.errors import VaultError, VaultFullError, VaultNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.database.sqlcipher.process import FileConnection

__all__ = [
    "CANNOT_OPEN",
    "NOTHING_STORED",
    "explain",
    "is_commit_absent",
    "note_reason",
    "reason_of",
    "why_not_opened",
    "why_not_written",
]

CANNOT_OPEN: Final = "SQLite cannot open a file of the vault, and the system shows no cause"

NOTHING_STORED: Final = "nothing of the transaction was stored"
"""It does not say "rolled back": SQLite may only undo the statement, and the rest may still be committed."""

_FILES_OF_A_CONNECTION: Final = 4
"""The database, the WAL, the shared memory, and a directory for a sync."""

_PROBE_BYTES: Final = 64 * 1024
_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
"""https://sqlite.org/fileformat2.html#the_write_ahead_log"""


def why_not_opened(path: Path) -> VaultError | None:
    """Return an error with the cause why a file, or one beside it, could not be opened; ``None`` if it is unknown."""
    try:
        _require_free_descriptors()
        require_short(path)
        if not is_there(path):
            return VaultNotFoundError(path, "the file does not exist")
        require_plain_companions(path)
        _require_access(path)
    except VaultError as error:
        return error
    except OSError as error:
        return error_of(error, path)
    return None


def why_not_written(path: Path, size: int = 0) -> VaultError | None:
    """Return an error with the cause why a file could not be written; ``None`` if it is unknown.

    Args:
        path: The file.
        size: Its final size in bytes, if that is known.
    """
    try:
        _require_access(path)
        _require_room(path, size)
    except OSError as error:
        return error_of(error, path)
    except VaultError as error:
        return error
    return None


def _require_free_descriptors() -> None:
    with ExitStack() as opened:
        for _ in range(_FILES_OF_A_CONNECTION):
            descriptor = os.open(os.devnull, os.O_RDONLY)
            opened.callback(os.close, descriptor)


def _require_access(path: Path) -> None:
    """Raise an error if this user may not read and write a vault, the files beside it, or their directory."""
    if sys.platform != "win32":
        if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
            raise VaultError(path, READ_ONLY_DISK)
        effective = os.access in os.supports_effective_ids
        for name, wanted in (
            *((path.with_name(path.name + suffix), os.R_OK | os.W_OK) for suffix in ("", "-wal", "-shm", "-journal")),
            (path.parent, os.R_OK | os.W_OK | os.X_OK),
        ):
            if os.access(name, os.F_OK, effective_ids=effective) and not os.access(
                name, wanted, effective_ids=effective
            ):
                kind = "parent directory" if name == path.parent else f"file {name.name}"
                raise VaultError(path, f"permission denied: this user must be allowed to read and write the {kind}")


def _require_room(path: Path, size: int) -> None:
    """Raise an error if the files of a vault cannot grow: the disk or a quota is full, or their size is limited."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - only POSIX has it

        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        largest = max(size, *(_size_of(path.with_name(path.name + suffix)) for suffix in ("", "-wal")))
        if limit != resource.RLIM_INFINITY and largest + _FRAME_HEADER_BYTES + PAGE_BYTES > limit:
            raise VaultFullError(path, TOO_LARGE)
    with tempfile.TemporaryFile(dir=path.parent, buffering=0) as probe:
        if sys.platform == "win32":
            probe.write(bytes(_PROBE_BYTES))
        else:
            os.pwrite(probe.fileno(), bytes(_PROBE_BYTES), 0)  # as SQLite writes


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        if error.errno in ABSENT:
            return 0
        raise


def reason_of(error: BaseException | None) -> VaultError | None:
    """Return the reason that :func:`note_reason` added to an error."""
    return getattr(error, "reason", None)


def note_reason(error: sqlcipher.Error, path: Path, size: int = 0) -> None:
    """Add the library's error with the cause to an error of the driver, as its ``reason``, if the cause is known.

    Args:
        error: The error.
        path: The file.
        size: As for :func:`why_not_written`.
    """
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    noted: Any = error
    if reason_of(error) is not None:
        return
    if code == sqlite3.SQLITE_CANTOPEN:
        noted.reason = why_not_opened(path)
    elif code == sqlite3.SQLITE_IOERR:
        noted.reason = why_not_written(path, size)
    elif code == sqlite3.SQLITE_FULL:
        noted.reason = VaultFullError(path)


def explain(error: sqlcipher.Error, raw: FileConnection, path: Path) -> None:
    """Add its cause to an error of a statement, on the statement's thread.

    If space was missing, and it is certain that nothing was stored, ``is_rolled_back`` becomes true.
    """
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF  # errors of the driver itself have none
    if hasattr(error, "reason") or code == sqlite3.SQLITE_FULL:
        return
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) and disk_fails(raw.file):
        noted: Any = error
        noted.reason = VaultError(path, "the disk failed")
        return
    note_reason(error, path)
    reason = reason_of(error)
    if isinstance(reason, VaultFullError) and is_commit_absent(raw, path):
        noted = error
        noted.is_rolled_back = True
        noted.reason = VaultFullError(path, f"{reason.problem}; {NOTHING_STORED}")


def is_commit_absent(raw: sqlcipher.Connection, path: Path) -> bool:
    """Return whether it is certain that a failed ``COMMIT`` is not in the WAL, where a recovery would find it.

    A commit is in the WAL once its last frame is complete (https://sqlite.org/walformat.html). SQLite writes that frame
    after all others. If it is missing, the write has failed, and not the later sync. SQLite syncs the header of a new
    WAL before the first frame, so without that frame nothing is certain.

    The caller's connection has just raised the error, so no other connection has written since.
    """
    try:
        _, frames, _ = raw.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
        with path.with_name(path.name + "-wal").open("rb") as wal:  # SQLite has no locks on it, which close() releases
            return frames >= 0 and not _may_hold_commit(wal, frames)
    except (OSError, sqlcipher.Error, TypeError, ValueError):
        return False


def _may_hold_commit(wal: Any, frames: int) -> bool:
    """Return whether a frame after the given number of frames may end a transaction."""
    size = os.fstat(wal.fileno()).st_size
    generation = wal.read(_WAL_HEADER_BYTES)[16:24]
    offset = _WAL_HEADER_BYTES + frames * (_FRAME_HEADER_BYTES + PAGE_BYTES)
    is_first = frames == 0
    while True:
        wal.seek(offset)
        header = wal.read(_FRAME_HEADER_BYTES)
        offset += _FRAME_HEADER_BYTES + PAGE_BYTES
        if len(header) < _FRAME_HEADER_BYTES or header[8:16] != generation:
            return is_first
        if int.from_bytes(header[4:8], "big") and offset <= size:
            return True
        is_first = False
