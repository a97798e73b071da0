"""Mapping of the system's errors about files to the library's: one table, by ``errno``."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import VaultError, VaultFullError, VaultNotFoundError

if TYPE_CHECKING:
    from os import PathLike

__all__ = [
    "ABSENT",
    "READ_ONLY_DISK",
    "TOO_LARGE",
    "TOO_LONG",
    "TOO_MANY_FILES",
    "error_of",
    "open_files_error",
    "problem_of",
    "type_name",
]

ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR})
"""Error numbers for a path that does not exist."""

TOO_MANY_FILES: Final = "the process has too many files open: close some, or raise the limit (ulimit -n)"

TOO_LARGE: Final = "the file would exceed the largest size that is allowed (ulimit -f, or the file system's limit)"

TOO_LONG: Final = (
    "the name or the path is too long: most file systems allow 255 bytes in a name, SQLite allows 512 in a path, and "
    "files beside the vault have up to 8 more"
)

READ_ONLY_DISK: Final = "the file system is mounted read-only"

_FORBIDDEN: Final = "permission denied: this user must be allowed to read and write the file and its parent directory"

_PROBLEMS: Final[dict[int, str]] = {
    errno.EMFILE: TOO_MANY_FILES,
    errno.ENFILE: "the system has too many files open",
    errno.EIO: "the disk failed",
    errno.EROFS: READ_ONLY_DISK,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENAMETOOLONG: TOO_LONG,
    errno.ELOOP: "its symbolic links form a loop",
    errno.EEXIST: "the path already exists; choose another name",
    errno.EISDIR: "the path is a directory",
}

_FULL: Final[dict[int, str]] = {
    errno.ENOSPC: VaultFullError.problem,
    getattr(errno, "EDQUOT", errno.ENOSPC): "the disk quota of this user is exceeded",
    errno.EFBIG: TOO_LARGE,
}

_KINDS: Final[dict[int, str]] = {
    0o040000: "directory",
    0o010000: "named pipe",
    0o140000: "socket",
    0o020000: "device",
    0o060000: "device",
}
"""Names of file types by the type bits of ``st_mode``."""


def problem_of(error: OSError) -> str:
    """Return the message for an error of the system."""
    number = error.errno or 0
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "the parent directory does not exist"
    return _PROBLEMS.get(number) or _FULL.get(number) or f"the system refused it ({error.strerror or error})"


def error_of(error: OSError, path: str | PathLike[str] | None) -> VaultError:
    """Return the library's error for an error of the system about a file."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return VaultNotFoundError(path, problem_of(error))
    if error.errno in _FULL:
        return VaultFullError(path, problem_of(error))
    return VaultError(path, problem_of(error))


def open_files_error(error: BaseException) -> VaultError | None:
    """Return the library's error if no further file could be opened, such as a module's; ``None`` for other errors."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return VaultError(None, problem_of(error))
    return None


def type_name(mode: int) -> str:
    """Return the name of the type of a file that is not a regular one."""
    return _KINDS.get(mode & 0o170000, "special file")
