"""Sharing violations on Windows: a file that another program has open cannot be replaced, renamed or deleted.

Virus scanners, search indexers and backups open a new file for some milliseconds, a spreadsheet for hours. The library
retries for a short time, and then raises an error that names the cause.

The functions block: call them in a thread.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OPEN_ELSEWHERE", "is_open_elsewhere", "patiently"]

PATIENCE_S: Final = 2.0
"""Maximum wait for a file that another program has open."""

PAUSE_S: Final = 0.02
"""Pause between two attempts."""

OPEN_ELSEWHERE: Final = (
    "another program has this file open (a spreadsheet, a virus scanner, a search indexer or a backup); close it there "
    "and try again"
)
"""Message after that wait."""

_SHARING: Final = frozenset({32, 33})
"""``ERROR_SHARING_VIOLATION`` and ``ERROR_LOCK_VIOLATION``."""

_REPLACING: Final = _SHARING | {5}
"""Also ``ERROR_ACCESS_DENIED``, which Windows raises if the file to be replaced is open."""

_T = TypeVar("_T")


def is_open_elsewhere(error: OSError) -> bool:
    """Return whether an error says that another program has the file open."""
    return getattr(error, "winerror", None) in _SHARING


def patiently(action: Callable[[], _T], *, replacing: bool = False) -> _T:
    """Retry an action on a file for a short time while another program has the file open.

    Args:
        action: The action.
        replacing: Whether it replaces a file.

    Raises:
        OSError: As ``action`` does.
    """
    deadline, codes = time.monotonic() + PATIENCE_S, _REPLACING if replacing else _SHARING
    while True:
        try:
            return action()
        except OSError as error:
            if getattr(error, "winerror", None) not in codes or time.monotonic() >= deadline:
                raise
        time.sleep(PAUSE_S)
