"""Shared and exclusive lock of a vault file: shared by its users, exclusive to create, replace or upgrade it.

The methods block: call them in a thread. The lock is on a separate file beside the vault and never on the vault itself:
SQLite's locks are lost when any code in the process closes the same file (POSIX advisory locks,
https://sqlite.org/howtocorrupt.html, section 2.2). The kernel releases the lock when its process ends, also after a
kill.

portalocker uses ``flock()`` locks, which also separate two vaults in one process, while ``lockf()`` locks belong to the
process. On Windows it uses the Win32 API.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import portalocker

from zorivest_async.database.sqlcipher.os_errors import ABSENT, error_of, problem_of, type_name
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.errors import VaultError, VaultInUseError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from zorivest_async.database.sqlcipher.process import Process

__all__ = ["LOCK_SUFFIX", "VaultLock"]

LOCK_SUFFIX: Final = ".lock"
"""Suffix of the lock file."""

RETRY_INTERVAL_S: Final = 0.02
"""Pause between two attempts to get the lock."""

LEAST_PATIENCE_S: Final = 0.25
"""Minimum wait: two openers of a new file may block each other briefly, which a short timeout must not turn into an
error."""

RECORD_BYTES: Final = 32

_How: TypeAlias = Literal["shared", "alone"]

_OPEN_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""``O_NONBLOCK`` does not wait for the other end of a named pipe; it has no effect on regular files."""


class VaultLock:
    """Lock of one vault, held by one of its users.

    Every open vault holds it shared, from before it reads the file until its last connection is closed. An operation
    that creates, replaces or upgrades the file holds it exclusively. A garbage-collected lock is released.

    Only its owner can read the lock file, and it is never deleted: otherwise one process could delete the name of a
    file that a second one has just locked, and a third one would lock a new file of that name. The file contains the
    inode number of the vault that its holders have open (:meth:`share_file`).

    A forked child does not hold the lock, and does not release its parent's.

    Args:
        vault: The vault file, which need not exist; ``None`` for a vault in memory, which needs no lock.
        timeout_s: Maximum wait for other holders, in seconds, in methods that wait.
        check: Called while waiting; an exception ends the wait.

    Raises:
        VaultNotFoundError: The vault's folder does not exist.
        VaultError: The lock file cannot be created or opened.
    """

    def __init__(self, vault: Path | None, timeout_s: float = 0.0, check: Callable[[], None] | None = None) -> None:
        self._vault = vault
        self._timeout_s = timeout_s
        self._check = check
        self._held: _How | None = None
        self._users = 1
        self._counting = threading.RLock()  # reentrant, as garbage collection may close connections while it is held
        self._process = current()
        self._descriptor: int | None = None
        if vault is not None:
            self._descriptor = self._open(vault)

    def _open(self, vault: Path) -> int:
        process = self._process
        try:
            with process.opening:  # a fork waits, so that the child knows the descriptor
                descriptor = os.open(f"{vault}{LOCK_SUFFIX}", _OPEN_FLAGS, 0o600)
                process.descriptors.add(descriptor)
        except OSError as error:
            raise _why_not_locked(error, vault) from error
        self._close = weakref.finalize(self, _close, process, descriptor)
        self._close.atexit = False  # connections may still be open then; the kernel releases the lock with the process
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            self._close()
            raise VaultError(vault, f"its lock file {lock_name(vault)} is a {type_name(mode)}, not a regular file")
        return descriptor

    def share(self, *, wait: bool = True) -> None:
        """Take the shared lock, after waiting for an exclusive holder.

        Args:
            wait: Whether to wait.

        Raises:
            VaultInUseError: The exclusive holder did not release the lock in time.
        """
        if self._held != "shared":
            self._wait(lambda: self._try("shared"), self._timeout_s if wait else 0.0)

    def take(self) -> None:
        """Take the exclusive lock, without waiting.

        No system upgrades a shared lock to an exclusive one atomically: another process may take it in between. So no
        connection may be open here, and earlier knowledge of the vault may be outdated.

        Raises:
            VaultInUseError: Another user holds the lock. It is then not held at all, not even shared.
        """
        if not self._try("alone"):
            raise VaultInUseError(self._vault)

    def share_file(self, number: Callable[[], int], may_record: Callable[[], None]) -> None:
        """Share the lock with other users of the same file, but not of an earlier file of its name.

        SQLite finds the WAL by name, so a process that still has the earlier file open would use the same WAL as users
        of the new one, and damage the new file. The lock file contains the inode number of the file that its holders
        have open; it is written under the exclusive lock.

        Args:
            number: Returns the inode number of the file; 0 if the file system has none.
            may_record: Called under the exclusive lock; if it raises, the lock file is not changed.

        Raises:
            VaultInUseError: Users of the earlier file, or an exclusive holder, did not release the lock in time.
        """
        deadline = time.monotonic() + max(self._timeout_s, LEAST_PATIENCE_S)
        may_be_empty = False
        while True:
            self.share()
            file, recorded = number(), self._recorded()
            if recorded == file or not file or (recorded is None and may_be_empty):
                return
            if self._try("alone"):
                may_record()
                self.record(number())
                may_be_empty = True  # if the disk is full
            elif recorded is None:
                may_be_empty = True
            elif time.monotonic() >= deadline:
                problem = "another process still has the earlier file of this name open; close it there"
                raise VaultInUseError(self._vault, problem)
            else:
                if self._check is not None:
                    self._check()
                time.sleep(random.uniform(0, RETRY_INTERVAL_S))  # noqa: S311 - not a secret

    def record(self, number: int) -> None:
        """Record which file is open; the caller holds the exclusive lock. A failed write records no file."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                os.lseek(self._descriptor, 0, os.SEEK_SET)
                os.write(self._descriptor, b"%d\n" % number)

    def _recorded(self) -> int | None:
        """Return the recorded inode number of the holders' file, or ``None``."""
        if self._descriptor is None:
            return 0
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        number, newline, _ = os.read(self._descriptor, RECORD_BYTES).partition(b"\n")
        return int(number) if newline and number.isdigit() else None

    @contextmanager
    def taken(self) -> Generator[None]:
        """Turn a shared lock into an exclusive one during the block, without waiting, and share it again afterwards.

        If another process takes the lock in between and keeps it for too long, it is not shared afterwards; the next
        user of the vault calls :meth:`share`.

        Raises:
            VaultInUseError: Another user shares the lock.
        """
        try:
            self.take()
            yield
        finally:
            with suppress(VaultInUseError):
                self.share()

    def change_once(self, is_due: Callable[[], bool], change: Callable[[], None]) -> None:
        """Make a change under the exclusive lock, unless another process has already made it.

        It waits for other holders. Between attempts the lock is not held, so that they can proceed.

        Args:
            is_due: Returns whether the change is still needed; called before each attempt.
            change: Makes the change.

        Raises:
            VaultInUseError: The change is still needed, and the lock was never free.
        """

        def attempt() -> bool:
            if is_due():
                if not self._try("alone"):
                    return False
                change()
            return True

        self._wait(attempt, self._timeout_s)

    @property
    def users(self) -> int:
        """Number of users of this object in this process."""
        return self._users

    def retain(self) -> bool:
        """Add a user of the lock, which calls :meth:`let_go` later; return whether it already had users."""
        with self._counting:
            if not self._users:
                return False
            self._users += 1
            return True

    def let_go(self) -> None:
        """Remove a user; the last one releases the lock."""
        if self._process.left_behind:
            return
        with self._counting:
            self._users -= 1
            if self._users == 0 and self._descriptor is not None:
                self._release()
                self._close()

    def _wait(self, attempt: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not attempt():
            if time.monotonic() >= deadline:
                raise VaultInUseError(self._vault)
            if self._check is not None:
                self._check()
            time.sleep(RETRY_INTERVAL_S)

    def _try(self, how: _How) -> bool:
        self._release()
        if self._descriptor is None:
            return True
        flags = portalocker.LockFlags.SHARED if how == "shared" else portalocker.LockFlags.EXCLUSIVE
        try:
            portalocker.lock(self._descriptor, flags | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.AlreadyLocked:
            return False
        except portalocker.LockException as error:
            raise VaultError(self._vault, "its folder is on a file system that cannot lock files") from error
        self._held = how
        return True

    def _release(self) -> None:
        if self._held is not None and self._descriptor is not None:
            portalocker.unlock(self._descriptor)
            self._held = None


def lock_name(vault: Path) -> str:
    """Return the name of a vault's lock file, without its folder."""
    return f"{vault.name}{LOCK_SUFFIX}"


def _why_not_locked(error: OSError, vault: Path) -> VaultError:
    if error.errno in ABSENT:
        if vault.parent.is_dir():
            return VaultError(vault, f"its lock file {lock_name(vault)} cannot be created in this directory")
        return error_of(error, vault)
    problem = problem_of(error)
    if error.errno == errno.ELOOP:
        problem = "it is a symbolic link, which is not followed"
    elif error.errno not in (errno.EMFILE, errno.ENFILE):
        problem += "; a vault needs its lock file even for reading"
    return type(error_of(error, vault))(vault, f"its lock file {lock_name(vault)} cannot be opened: {problem}")


def _close(process: Process, descriptor: int) -> None:
    if (
        not process.left_behind
    ):  # otherwise it was closed right after the fork, and its number may belong to another file
        process.descriptors.discard(descriptor)
        os.close(descriptor)
