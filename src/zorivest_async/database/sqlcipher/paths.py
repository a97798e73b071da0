"""Checks of the paths of vault files, before SQLite opens them.

SQLite would wait forever for a named pipe, and does not distinguish a directory from a missing file. The functions
block: call them in a thread.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zorivest_async.database.sqlcipher.os_errors import ABSENT, TOO_LONG, error_of, type_name
from zorivest_async.errors import ConfigurationError, NotAVaultError, VaultError, VaultNotFoundError

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["COMPANIONS", "as_path", "is_there", "require_plain_companions", "require_short", "resolved"]

COMPANIONS: Final = ("-wal", "-shm", "-journal", ".lock")
"""Suffixes of the files beside a vault: SQLite's files, and the lock file."""

_LONGEST_PATH_BYTES: Final = 512 - len("-journal")
"""SQLite's ``MAX_PATHNAME`` on POSIX, without its longest suffix."""


def as_path(path: str | PathLike[str], what: str = "path") -> Path:
    """Return an argument as a path.

    Args:
        path: The argument.
        what: The name of the argument.

    Raises:
        ConfigurationError: It has the wrong type, contains a NUL character, or cannot be encoded for the file system.
    """
    try:
        name: object = os.fspath(path)
    except TypeError:
        name = None
    if not isinstance(name, str):  # for example bytes
        raise ConfigurationError(f"{what} must be a string or a pathlib.Path")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        raise ConfigurationError(f"{what} contains characters that the file system's encoding does not have") from None
    if b"\0" in encoded:
        raise ConfigurationError(f"{what} contains a NUL character")
    return Path(name)


def resolved(path: Path) -> Path:
    """Return a path with its symbolic links resolved; it need not exist.

    Raises:
        VaultError: The links form a loop, or the path cannot be examined.
    """
    try:
        found = path.resolve()
    except RuntimeError:  # Python 3.11 and 3.12 raise it for a loop of links
        raise error_of(OSError(errno.ELOOP, os.strerror(errno.ELOOP)), path) from None
    except OSError as error:
        raise error_of(error, path) from error
    require_short(found)
    return found


def require_short(path: Path) -> None:
    """Check that a path is not longer than SQLite allows.

    Raises:
        VaultError: The path is too long.
    """
    if os.name == "posix" and len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        raise VaultError(path, TOO_LONG)


def is_there(path: Path) -> bool:
    """Return whether a file exists.

    Raises:
        NotAVaultError: The path is a directory, a named pipe or a device.
        VaultNotFoundError: The parent directory does not exist.
        VaultError: The path cannot be examined.
    """
    mode = _mode_of(path, path)
    if mode is None:
        parent = _mode_of(path.parent, path)
        if parent is None or not stat.S_ISDIR(parent):
            raise VaultNotFoundError(path, "the parent directory does not exist")
        return False
    if stat.S_ISDIR(mode):
        raise NotAVaultError(path, "this is a directory, not a vault")
    if not stat.S_ISREG(mode):
        raise NotAVaultError(path, f"this is a {type_name(mode)}, not a vault")
    return True


def require_plain_companions(path: Path) -> None:
    """Check that the paths beside a vault that SQLite and the library use are regular files, or do not exist.

    Raises:
        VaultError: One is a directory, a named pipe or a device, or is too long.
    """
    for suffix in COMPANIONS:
        companion = path.with_name(path.name + suffix)
        mode = _mode_of(companion, path)
        if mode is not None and not stat.S_ISREG(mode):
            problem = (
                f"{companion.name} beside it is a {type_name(mode)}, but must be a file of the vault: "
                "move it away or delete it"
            )
            raise VaultError(path, problem)


def _mode_of(name: Path, path: Path) -> int | None:
    """Return the type and permissions of a file; ``None`` if it does not exist.

    Raises:
        VaultError: The file cannot be examined; the error names ``path``.
    """
    try:
        return name.stat().st_mode
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise error_of(error, path) from error
