"""Mapping of Python's error for an exhausted limit of threads."""

from __future__ import annotations

from typing import Final

from zorivest_async.errors import VaultError

__all__ = ["no_thread_error"]

_WORDS: Final = "can't start new thread"

NO_THREAD: Final = (
    "the system allows this process no further thread: end some threads, or raise the limit (of the container, or "
    "ulimit -u)"
)


def no_thread_error(error: BaseException | None) -> VaultError | None:
    """Return the library's error if Python could not start a thread; ``None`` for any other error."""
    return VaultError(None, NO_THREAD) if isinstance(error, RuntimeError) and str(error) == _WORDS else None
