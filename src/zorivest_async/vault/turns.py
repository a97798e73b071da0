"""Queues for the connections of a vault, and the warning about one that was not closed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

from zorivest_async.database.queueing import TurnQueue, WriteQueue
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.errors import VaultBusyError

if TYPE_CHECKING:
    from zorivest_async.database.sqlcipher.process import Process

__all__ = ["turns_for", "warn_unclosed"]

READERS: Final = (
    "all readers (readers={}) were in use for the whole busy timeout: leave read-only units of work sooner, "
    "or open the vault with more readers"
)

ONE_CONNECTION: Final = (
    "another unit of work held the only connection of the vault in memory for the whole busy timeout; try again"
)


def turns_for(readers: int, busy_timeout_s: float, *, has_readers: bool) -> tuple[WriteQueue, TurnQueue]:
    """Return the queue of the writers, and that of the readers.

    Args:
        readers: Maximum number of readers at a time.
        busy_timeout_s: How long a task waits for its turn, in seconds.
        has_readers: Whether readers have connections of their own.
    """
    writers = VaultBusyError.problem if has_readers else ONE_CONNECTION
    return WriteQueue(busy_timeout_s, writers), TurnQueue(readers, busy_timeout_s, READERS.format(readers))


def warn_unclosed(name: str, process: Process) -> None:
    """Warn of a vault that is garbage-collected, unless a forked child collects its parent's."""
    if current() is not process:  # the parent closes it
        return
    warnings.warn(
        f"vault {name!r} was not closed; use 'async with' or 'await vault.aclose()'", ResourceWarning, stacklevel=2
    )
