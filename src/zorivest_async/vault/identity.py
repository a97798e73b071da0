"""Identity of a vault file: the inode behind its name when it was opened, and the check that it is still the same.

SQLite finds the WAL by the database's name. Under a second name it would use a second WAL; if another file gets the
name, it would use that file's WAL. So a file with two names is refused, and a file whose name leads elsewhere is no
longer used. The functions and methods block: call them in a thread.

On a file system without inode numbers (``st_ino`` is 0, as on some network file systems), only the existence of the
file is checked. Windows does not let an open database be moved, deleted or replaced.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.errors import VaultError, VaultNotFoundError, VaultReplacedError
from zorivest_async.vault.work_folder import remove_second_names

if TYPE_CHECKING:
    from zorivest_async.database.sqlcipher.process import FileConnection, FileId

__all__ = ["FileWatch", "held_elsewhere", "is_mounted", "require_one_name", "required_file"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
"""Linux's table of mounts (https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html)."""

_LOCKS: Final = Path("/proc/locks")
"""Linux's table of file locks (https://man7.org/linux/man-pages/man5/proc_locks.5.html)."""

_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")

_GONE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, getattr(errno, "ESTALE", errno.ENOENT)})


class FileWatch:
    """Check that a vault's name still leads to the open file.

    Its methods that take a connection run on that connection's thread.

    Args:
        path: The file's name, without symbolic links.
        file: Its device and inode.

    Attributes:
        path: The name.
        file: Device and inode; the vault's own rekey changes them.
        ended: Whether the file was found moved, deleted or replaced; it is then no longer used, even if it returns.
    """

    def __init__(self, path: Path, file: FileId) -> None:
        self.path = path
        self._name = os.fspath(path)
        self.file = file
        self.ended = False

    def require_there(self) -> None:
        """Check that the name leads to the file.

        Raises:
            VaultReplacedError: It does not, or did not at an earlier check.
        """
        if self.is_moved():
            raise VaultReplacedError(self.path)

    def is_moved(self) -> bool:
        """Return whether the name leads to no file or to another one, now or at an earlier check."""
        if not self.ended:
            try:
                status = os.lstat(self._name)
            except OSError as error:
                self.ended = error.errno in _GONE
            else:
                self.ended = (status.st_dev, status.st_ino) != self.file
        return self.ended

    def check(self, raw: FileConnection) -> None:
        """Check the file, before a transaction and after a ``COMMIT``; if it was replaced, write its WAL back.

        Raises:
            VaultReplacedError: The file was moved, deleted or replaced. Before a transaction, none was begun; after a
                ``COMMIT``, the transaction is in the file that was moved away.
        """
        if self.is_moved():
            self.write_back(raw)
            raise VaultReplacedError(self.path)

    def write_back(self, raw: FileConnection) -> None:
        """Write the WAL back through the open descriptors, into the moved file, and empty the WAL.

        It does not if another program has opened the new file by this name, as that program then uses the same WAL. A
        reading connection of the vault prevents emptying the WAL; the last connection to close does it.
        """
        try:
            status = os.lstat(self._name)
        except OSError:
            pass
        else:
            if (status.st_dev, status.st_ino) != self.file and held_elsewhere(status.st_ino):
                return
        with suppress(sqlcipher.Error):
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def required_file(path: Path) -> FileId:
    """Return the identity of the file at a path.

    Raises:
        VaultNotFoundError: The file does not exist.
        VaultError: Its identity cannot be read.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise VaultNotFoundError(path) from None
    except OSError as error:
        raise VaultError(path, "the file cannot be examined; check the permissions of its folder") from error
    return status.st_dev, status.st_ino


def require_one_name(path: Path) -> None:
    """Refuse a file with a second name, through which it would be used without the WAL of this name.

    A second name that a killed process left while publishing the file is removed first. The caller holds the lock.

    Raises:
        VaultError: It has more than one hard link, or is mounted alone.
    """
    with suppress(FileNotFoundError):  # opening it reports that
        if path.stat().st_nlink > 1:
            remove_second_names(path)
        if path.stat().st_nlink > 1:
            problem = (
                "this file has more than one name (hard link), and commits made by one of them would be lost by the "
                "other: delete the other name, or copy the file and open the copy"
            )
            raise VaultError(path, problem)
    if is_mounted(path):
        problem = (
            "this file is a mount point of its own (docker -v file:file), which hides the files that SQLite keeps "
            "beside it: mount the folder instead"
        )
        raise VaultError(path, problem)


def is_mounted(path: Path, mounts: bytes | None = None) -> bool:
    """Return whether a file is a mount point, if the system reports it (Linux).

    Args:
        path: The file, without symbolic links.
        mounts: The table of mounts; by default this process's.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_bytes()
        except OSError:
            return False
    name = os.fsencode(path)
    points = (line.split(b" ")[4:5] for line in mounts.splitlines())
    return any(_unescaped(point) == name for fields in points for point in fields)


def _unescaped(name: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), name)


def _locks_of_system() -> bytes:
    """Return Linux's table of file locks; empty if the system has none."""
    if sys.platform == "linux":
        with suppress(OSError):
            return _LOCKS.read_bytes()
    return b""


def held_elsewhere(inode: int, locks: bytes | None = None) -> bool:
    """Return whether another process has SQLite's locks on a file, if the system reports it (Linux).

    Args:
        inode: The file's inode number. The device is not compared, as some file systems report another one there.
        locks: The table of locks; by default the system's.
    """
    if locks is None:
        locks = _locks_of_system()
    own, wanted = str(os.getpid()).encode(), str(inode).encode()
    for line in locks.splitlines():
        match line.split():  # 1: POSIX ADVISORY READ 4711 00:2f:1234 1073741826 1073742335
            case [_, b"POSIX", _, _, process, file, *_] if process != own and file.rpartition(b":")[2] == wanted:
                return True
            case _:
                pass
    return False
