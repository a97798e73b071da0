"""Read-only file that is put together from parts of a larger one."""

from __future__ import annotations

from io import SEEK_CUR, SEEK_END, SEEK_SET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PartsFile"]


class PartsFile:
    """Read-only binary file of parts, which are not copied before they are read.

    Args:
        parts: Its content, in order.
    """

    def __init__(self, parts: Iterable[bytes | memoryview]) -> None:
        self._parts: list[tuple[int, memoryview]] = []
        self._size = self._position = 0
        for part in parts:
            self._parts.append((self._size, memoryview(part)))
            self._size += len(part)

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes; a negative size reads to the end."""
        start = self._position
        stop = self._size if size < 0 else min(start + size, self._size)
        pieces = [
            part[max(start - at, 0) : stop - at] for at, part in self._parts if at < stop and start < at + len(part)
        ]
        self._position = max(start, stop)
        return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move to a position."""
        base = {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: self._size}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def close(self) -> None:
        """Do nothing: the parts belong to others."""
