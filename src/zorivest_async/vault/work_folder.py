"""Work folders, in which files are made before they get their name.

The functions block: call them in a thread.

Work in progress is in a work folder beside its target: a hidden folder with a random name that only its owner can read,
``.zorivest-<32 hex digits>``. The process that made it holds a lock on the file ``lock`` in it. The kernel releases the
lock when the process ends, also after a kill. So a work folder whose lock is free is a leftover of a dead process, and
the next work in the same folder removes it, whatever its target was. On a file system that cannot lock files, leftovers
cannot be recognised, so they are not removed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import portalocker
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.reasons import note_reason
from zorivest_async.errors import VaultError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["RESERVED", "create_private", "new_file", "remove_leftovers", "remove_second_names", "work_folder"]

RESERVED: Final = "reserved"
"""File in a work folder that contains the name that is being reserved, on a file system without hard links."""

_WORK_FOLDER: Final = re.compile(r"\.zorivest-[0-9a-f]{32}")
_LOCK: Final = "lock"
_FILE: Final = "file"
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)


@contextmanager
def work_folder(folder: Path) -> Generator[Path]:
    """Make a work folder in ``folder``, and remove it with its contents when the block ends.

    Leftovers of dead processes in ``folder`` are removed first.

    Raises:
        OSError: The folder does not exist or cannot be written to, or the disk is full.
    """
    remove_leftovers(folder)
    work, descriptor = _make_work_folder(folder)
    maker = os.getpid()
    try:
        yield work
    finally:
        if os.getpid() == maker:  # a child that was forked meanwhile has inherited this block, but not the work folder
            _remove_work_folder(work, descriptor)


@contextmanager
def new_file(path: Path) -> Generator[Path]:
    """Make an empty file that only its owner can read, in a work folder beside ``path``, for :func:`publish`.

    Raises:
        OSError: As :func:`work_folder`.
    """
    with work_folder(path.parent) as work:
        temporary = work / _FILE
        os.close(create_private(temporary))
        try:
            yield temporary
        except sqlcipher.Error as error:
            note_reason(error, temporary)  # while the file exists
            raise
        except VaultError as error:
            if error.path != str(temporary):
                raise
            raise type(error)(path, error.problem) from error


def create_private(path: Path) -> int:
    """Create a new file that only its owner can read, and return a descriptor for writing it."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _NO_FOLLOW | _BINARY, 0o600)


def _make_work_folder(folder: Path) -> tuple[Path, int]:
    """Make a work folder, lock it, and return it with the descriptor of its lock.

    Until it is locked, another process may take it for a leftover and remove it; then another work folder is made.
    """
    while True:
        work = folder / f".zorivest-{secrets.token_hex(16)}"
        work.mkdir(mode=0o700)
        try:
            descriptor = create_private(work / _LOCK)
        except (FileExistsError, FileNotFoundError):  # another process has taken it for a leftover
            if not folder.is_dir():
                raise
            continue
        except BaseException:
            work.rmdir()
            raise
        locked = _try_lock(descriptor)
        if locked is not False and _is_at(descriptor, work / _LOCK):
            return work, descriptor
        os.close(descriptor)


def _remove_work_folder(work: Path, descriptor: int) -> None:
    """Remove a work folder whose lock ``descriptor`` holds, as far as the system allows; the lock file is last."""
    _give_up_reservation(work)
    for entry in _entries_of(work):
        if entry.name != _LOCK:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    Path(entry.path).unlink()
    os.close(descriptor)  # Windows does not delete open files
    with suppress(OSError):  # another process is removing it, too, or it will be removed as a leftover
        (work / _LOCK).unlink(missing_ok=True)
        work.rmdir()


def _entries_of(folder: Path) -> list[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def remove_leftovers(folder: Path) -> None:
    """Remove the work folders of dead processes in ``folder``; those of living processes stay.

    It is safe at any time. A folder that cannot be removed stays, without an error.
    """
    for entry in _entries_of(folder):
        if _WORK_FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False) and _is_own(entry):
            _remove_if_dead(Path(entry.path))


def remove_second_names(path: Path) -> None:
    """Remove the names of a file in work folders: a process that publishes a file names it and then removes this name.

    It is safe at any time, because that process, if it is alive, is about to do the same.
    """
    for entry in _entries_of(path.parent):
        if _WORK_FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False) and _is_own(entry):
            temporary = Path(entry.path, _FILE)
            with suppress(OSError):
                if temporary.samefile(path):
                    temporary.unlink()


def _is_own(entry: os.DirEntry[str]) -> bool:
    """Return whether this user owns a folder; in a shared parent, another user's folder may be a trap."""
    is_own = sys.platform == "win32"  # which does not report an owner
    if sys.platform != "win32":
        with suppress(OSError):
            is_own = entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    return is_own


def _remove_if_dead(work: Path) -> None:
    try:
        # The lock may be missing: the process died before it made the file, or a power failure lost the name.
        descriptor = os.open(work / _LOCK, os.O_CREAT | os.O_RDWR | _NO_FOLLOW, 0o600)
    except OSError:
        return  # a later call may remove it
    if _try_lock(descriptor):
        _remove_work_folder(work, descriptor)
    else:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool | None:
    """Lock a file without waiting; return whether that succeeded, ``None`` where the file system cannot lock files."""
    try:
        portalocker.lock(descriptor, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException:
        return None
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _give_up_reservation(work: Path) -> None:
    with suppress(OSError):
        reserved = work.parent / (work / RESERVED).read_text("utf-8", "surrogateescape")
        if reserved.parent == work.parent and reserved.is_file() and not reserved.lstat().st_size:
            reserved.unlink()
