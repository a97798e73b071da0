"""Safe opening of files from other people: only regular files, so that reading never waits for a pipe or a device."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Final

from zorivest_async.errors import ImportSourceError

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["NOT_REGULAR", "READING", "open_regular", "opened_regular"]

READING: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
"""Flags of ``os.open``: a pipe that replaces a regular file just before it is opened blocks no thread."""

NOT_REGULAR: Final = "is a link, a folder, a pipe, a socket or a device, not a regular file, and was not opened"
"""Description of a path that is not a regular file."""


def open_regular(path: str | PathLike[str]) -> BinaryIO:
    """Open a regular file that the caller chose, for reading; symbolic links are followed.

    Raises:
        ImportSourceError: It is not a regular file.
        OSError: It does not exist, or cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - looked at first: opening a device may have effects
        raise ImportSourceError("this is a folder, a pipe, a socket or a device; copy the data to a regular file")
    return opened_regular(os.open(path, READING))


def opened_regular(descriptor: int) -> BinaryIO:
    """Return a file over a descriptor, or close the descriptor if it is not that of a regular file.

    Raises:
        ImportSourceError: It is not that of a regular file.
    """
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise ImportSourceError(f"this {NOT_REGULAR}")
