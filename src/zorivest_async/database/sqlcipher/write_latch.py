"""Latch that refuses writes to a vault after the sync of a commit has failed."""

from __future__ import annotations

from typing import NoReturn

from zorivest_async.errors import VaultError

__all__ = ["WriteLatch"]


class WriteLatch:
    """A latch that connections of a vault share; it is thread-safe.

    After a failed sync it is unknown which pages are on the disk, and a later sync that succeeds proves nothing about
    them (https://wiki.postgresql.org/wiki/Fsync_Errors). Opening the vault again recovers what is on the disk.
    """

    __slots__ = ("tripped",)

    def __init__(self) -> None:
        self.tripped = False

    def trip(self) -> None:
        """Refuse writes from now on."""
        self.tripped = True

    def require(self) -> None:
        """Check that no sync has failed.

        Raises:
            VaultError: A sync has failed.
        """
        if self.tripped:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise the error of a failed sync."""
        problem = "the disk failed during an earlier commit: close the vault and open it again before you write to it"
        raise VaultError(None, problem)
