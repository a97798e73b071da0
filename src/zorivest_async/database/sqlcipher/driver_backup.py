"""Backup of a driver connection's database into another one, in slices that can be stopped."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlcipher3 import dbapi2 as sqlcipher

__all__ = ["NOT_ENCRYPTED", "StoppableBackup"]

PAGES_AT_ONCE: Final = 1_000
"""Number of pages of a backup between two checks whether it should stop: some 10 ms."""

NOT_ENCRYPTED: Final = (
    "the target must be a connection of create_encrypted_connection, as a vault is never copied unencrypted; for the "
    "database as SQL text, use iterdump()"
)
"""Message if the target of a backup is not encrypted."""


class StoppableBackup:
    """A backup that the event loop can stop.

    Args:
        progress: Called on the thread after each slice, with the status, the number of pages left and that of all.
    """

    def __init__(self, progress: Callable[[int, int, int], object] | None) -> None:
        self._progress = progress
        self._stopped = Event()

    def stop(self) -> None:
        """Stop it after the slice that is being copied; it leaves the target unchanged."""
        self._stopped.set()

    def run(
        self, source: sqlcipher.Connection, target: sqlcipher.Connection, *, pages: int, name: str, sleep: float
    ) -> None:
        """Copy a database, on the thread of its connection; see :meth:`.CipherConnection.backup`."""
        size = pages if pages > 0 else PAGES_AT_ONCE
        source.backup(target, pages=size, progress=self._report, name=name, sleep=sleep)

    def _report(self, status: int, left: int, total: int) -> None:
        if self._stopped.is_set():
            raise InterruptedError  # it ends the backup; the task raises its CancelledError
        if self._progress is not None:
            self._progress(status, left, total)
