"""Folder of an exported journal, in which only its own regular files are opened: it may be from another person.

The functions block: call them in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, Self

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.files import NOT_REGULAR, READING, opened_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

__all__ = ["DescriptorFolder", "JournalFolder", "NamedFolder", "open_folder"]

_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY: Final = getattr(os, "O_DIRECTORY", 0)
_IS_LINK: Final = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO, getattr(errno, "EFTYPE", errno.ELOOP)})
"""Error numbers for a link under ``O_NOFOLLOW``, and for a socket: of Linux and macOS, FreeBSD, NetBSD."""


class JournalFolder(AbstractContextManager["JournalFolder"], Protocol):
    """A folder whose files are opened by their names."""

    def open(self, name: str, within: str = "") -> BinaryIO:
        """Open a regular file.

        Args:
            name: The name of the file; the caller ensures that it is not a path.
            within: The directory of the file inside this folder; the folder itself by default.

        Raises:
            ImportSourceError: The file is missing, not regular, or cannot be read.
        """
        ...


class DescriptorFolder:
    """A folder held open by its descriptor: a link that replaces it, or a directory in it, has no effect.

    Args:
        path: The folder; it may be a link, because the caller has chosen it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | _DIRECTORY)

    def open(self, name: str, within: str = "") -> BinaryIO:
        """Open a regular file; see :class:`JournalFolder`."""
        shown = f"{within}/{name}" if within else name
        try:
            if not within:
                return self._open(self._descriptor, name, shown)
            parent = os.open(within, os.O_RDONLY | _DIRECTORY | _NO_FOLLOW, dir_fd=self._descriptor)
            try:
                return self._open(parent, name, shown)
            finally:
                os.close(parent)
        except OSError as error:
            raise _refusal(shown, error) from None

    @staticmethod
    def _open(parent: int, name: str, shown: str) -> BinaryIO:
        # The check comes first, because opening a device may have side effects. opened_regular() checks again.
        if not stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise ImportSourceError(f"{shown} {NOT_REGULAR}")
        return opened_regular(os.open(name, READING | _NO_FOLLOW, dir_fd=parent))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


class NamedFolder:
    """A folder on a system that cannot open files relative to a descriptor (Windows): each part is checked by its name.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))

    def open(self, name: str, within: str = "") -> BinaryIO:
        """Open a regular file; see :class:`JournalFolder`."""
        shown = f"{within}/{name}" if within else name
        try:
            if within and not _is_plain(self._path / within, stat.S_ISDIR):
                raise ImportSourceError(f"{within} is a link or a file, and not a folder, so it is not opened")
            path = self._path / within / name
            if not _is_plain(path, stat.S_ISREG):
                raise ImportSourceError(f"{shown} {NOT_REGULAR}")
            return opened_regular(os.open(path, READING | _NO_FOLLOW))
        except OSError as error:
            raise _refusal(shown, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


def open_folder(path: Path) -> JournalFolder:
    """Open a folder in the safest way that the system supports.

    Raises:
        OSError: It is not a folder, or cannot be read.
    """
    by_descriptor = _NO_FOLLOW and {os.open, os.stat} <= os.supports_dir_fd
    return DescriptorFolder(path) if by_descriptor else NamedFolder(path)


def _is_plain(path: Path, is_kind: Callable[[int], bool]) -> bool:
    found = path.lstat()
    # On Windows a junction is a reparse point, but not a symbolic link.
    return is_kind(found.st_mode) and not getattr(found, "st_reparse_tag", 0)


def _refusal(shown: str, error: OSError) -> ImportSourceError:
    if isinstance(error, FileNotFoundError):
        return ImportSourceError(f"{shown} is missing")
    if error.errno in _IS_LINK or isinstance(error, NotADirectoryError):
        return ImportSourceError(f"{shown} {NOT_REGULAR}")
    return ImportSourceError(f"{shown} cannot be read: {error.strerror}")
