"""Who may use a vault file: many at a time, or one that makes or replaces it.

Plain methods that block; call them in a thread. The lock is on a file of its own beside the vault and never on the
vault itself: SQLite's locks there are lost when anything else in the process closes the same file (POSIX advisory
locks, https://sqlite.org/howtocorrupt.html, section 2.2). The kernel lets go of it when its process ends, however that
happens.

portalocker takes ``flock()`` locks, which hold two vaults in one process apart, where ``lockf()`` locks would belong to
the process; on Windows it takes those of the Win32 API.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zorivest_async.errors import VaultError, VaultInUseError, VaultNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = ["LOCK_SUFFIX", "VaultLock"]

LOCK_SUFFIX: Final = ".lock"
"""What follows the vault's name in the name of its lock file."""

RETRY_INTERVAL_S: Final = 0.02
"""Between two attempts to get a lock that somebody else holds."""

_How: TypeAlias = Literal["shared", "alone"]

_OPEN_FLAGS: Final = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


class VaultLock:
    """The lock of one vault, held by one user of it.

    Every open vault holds it shared, from before it looks at the file until its last connection is closed; whoever
    makes, replaces or upgrades the file holds it alone. A lock that is garbage collected is let go of.

    The lock file is empty, readable by its owner alone, and stays: a process that deleted it could take away the name
    of a file that another has just locked, and a third would then lock a new file of that name.

    Args:
        vault: The vault file, which need not exist; ``None`` for a vault in memory, which nobody else can hold.
        timeout_s: How long to wait for others, in seconds, where a method says that it waits.
        check: Called while waiting; what it raises ends the wait.

    Raises:
        VaultNotFoundError: The vault's folder does not exist.
        VaultError: The lock file cannot be made or opened.
    """

    def __init__(self, vault: Path | None, timeout_s: float = 0.0, check: Callable[[], None] | None = None) -> None:
        self._vault = vault
        self._timeout_s = timeout_s
        self._check = check
        self._held: _How | None = None
        self._users = 1
        self._counting = threading.Lock()
        self._descriptor: int | None = None
        if vault is not None:
            self._descriptor = self._open(vault)

    def _open(self, vault: Path) -> int:
        try:
            descriptor = os.open(f"{vault}{LOCK_SUFFIX}", _OPEN_FLAGS, 0o600)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise VaultNotFoundError(vault, "there is no folder to make this file in") from error
        except OSError as error:
            problem = "its lock file cannot be opened: the folder may be read-only, or the permissions forbid it"
            raise VaultError(vault, problem) from error
        self._close = weakref.finalize(self, os.close, descriptor)
        self._close.atexit = False  # connections may still be open then; the kernel lets go when they are gone, too
        return descriptor

    def share(self) -> None:
        """Hold the lock together with others, after waiting for whoever holds it alone.

        Raises:
            VaultInUseError: The wait was too long.
        """
        if self._held != "shared":
            self._wait(lambda: self._try("shared"))

    def take(self) -> None:
        """Hold the lock alone, without waiting.

        No system turns a shared lock into an exclusive one in a single step: somebody may get in between, so nothing
        may be open here, and what has been seen of the vault may no longer be so.

        Raises:
            VaultInUseError: Somebody else holds it. It is then not held at all, not even shared.
        """
        if not self._try("alone"):
            raise VaultInUseError(self._vault)

    @contextmanager
    def taken(self) -> Generator[None]:
        """Hold a shared lock alone for the length of the block, without waiting, and share it again afterwards.

        Where somebody else got hold of it in between, and has kept it for too long, it is not shared afterwards;
        whoever uses the vault next calls :meth:`share`.

        Raises:
            VaultInUseError: Somebody else holds it, too.
        """
        try:
            self.take()
            yield
        finally:
            with suppress(VaultInUseError):
                self.share()

    def change_once(self, is_due: Callable[[], bool], change: Callable[[], None]) -> None:
        """Make a change while holding the lock alone, unless it proves not to be due: somebody else may have made it.

        Waits for others; between attempts the lock is not held, so that they get their turn.

        Args:
            is_due: Asked before each attempt.
            change: Makes it.

        Raises:
            VaultInUseError: The change stayed due, and the lock was never free.
        """

        def attempt() -> bool:
            if is_due():
                if not self._try("alone"):
                    return False
                change()
            return True

        self._wait(attempt)

    @property
    def users(self) -> int:
        """How many in this process hold it by this object."""
        return self._users

    def retain(self) -> None:
        """Count one more user of the lock; each calls :meth:`let_go`."""
        with self._counting:
            self._users += 1

    def let_go(self) -> None:
        """Count one user less; after the last one the lock is free."""
        with self._counting:
            self._users -= 1
            if self._users == 0 and self._descriptor is not None:
                self._release()
                self._close()

    def _wait(self, attempt: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._timeout_s
        while not attempt():
            if time.monotonic() >= deadline:
                raise VaultInUseError(self._vault)
            if self._check is not None:
                self._check()
            time.sleep(RETRY_INTERVAL_S)

    def _try(self, how: _How) -> bool:
        import portalocker  # noqa: PLC0415 - takes as long as a third of this package, and is needed in threads alone

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
        import portalocker  # noqa: PLC0415

        if self._held is not None and self._descriptor is not None:
            portalocker.unlock(self._descriptor)
            self._held = None
