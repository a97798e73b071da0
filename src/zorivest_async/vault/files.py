"""Atomic publication of files: a file of the library appears under its name complete, or not at all.

The functions block: call them in a thread. They publish files that were made in a work folder.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.failures import vault_error_of
from zorivest_async.database.sqlcipher.group_commit import sync_descriptor
from zorivest_async.database.sqlcipher.os_errors import error_of
from zorivest_async.errors import VaultError, VaultInUseError
from zorivest_async.vault.sharing import OPEN_ELSEWHERE, is_open_elsewhere, patiently
from zorivest_async.vault.work_folder import RESERVED, create_private

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    "make_parents",
    "publish",
    "publish_folder",
    "replace",
    "replace_database",
    "sync_file",
    "sync_folder",
    "typed_os_errors",
]

_FOLDER_CANNOT_BE_SYNCED: Final = frozenset(
    {errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOTSUP, errno.EPERM}
)
"""Error codes of file systems that cannot open or sync folders; any other code is a failure of the disk."""


def make_parents(folder: Path) -> None:
    """Create a folder and its missing parents, and sync them, so that they survive a power failure."""
    if not folder.is_dir():
        make_parents(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Sync a closed file to the disk."""
    descriptor = patiently(lambda: os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)))
    try:
        sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk, if the system can; Windows cannot open folders.

    Raises:
        OSError: The disk failed.
    """
    if sys.platform != "win32":
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                sync_descriptor(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno not in _FOLDER_CANNOT_BE_SYNCED:
                raise


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file of a work folder its name, without replacing an existing file.

    The file is synced first, and its name last. The temporary name is removed at once, because a file with a second
    name would be refused when the vault is opened.

    Args:
        temporary: The closed file of :func:`.new_file`.
        path: Its name, in the folder for which it was made.

    Raises:
        FileExistsError: The path already exists.
        OSError: The file could not be synced or named.
    """
    sync_file(temporary)
    try:
        patiently(lambda: os.link(temporary, path))
    except FileExistsError:
        raise
    except OSError:
        _publish_without_links(temporary, path)
    else:
        patiently(lambda: temporary.unlink(missing_ok=True))  # see remove_second_names()
    sync_folder(path.parent)


def _publish_without_links(temporary: Path, path: Path) -> None:
    """Reserve the name, and then replace the reservation, on a file system without hard links.

    The name is noted before it is reserved, so that the reservation is found if the process dies between the two.
    """
    note = temporary.with_name(RESERVED)
    note.write_text(path.name, "utf-8", "surrogateescape")
    try:
        os.close(create_private(path))
    except FileExistsError:
        note.unlink()
        raise
    patiently(lambda: temporary.replace(path), replacing=True)
    note.unlink()


def replace_database(temporary: Path, path: Path, replaced: Callable[[], object] = lambda: None) -> None:
    """Replace a database with a finished one in one step, after removing the sidecars of the old one.

    Their removal is synced first: if one reappeared after a power failure, SQLite would take it for the new database's.

    Args:
        temporary: The closed file of :func:`.new_file`.
        path: Its name, in the folder for which it was made.
        replaced: Called as soon as the file has its name, even if syncing the name fails.

    Raises:
        OSError: As :func:`replace`.
    """
    sync_folder(path.parent)
    replace(temporary, path, replaced)


def replace(temporary: Path, path: Path, replaced: Callable[[], object] = lambda: None) -> None:
    """Give a finished file of a work folder its name in one step, and replace an existing file.

    The file is synced first, and its name last. A symbolic link is replaced itself; its target is not touched.

    Args:
        temporary: The closed file of :func:`.new_file`.
        path: Its name, in the folder for which it was made.
        replaced: Called as soon as the file has its name, even if syncing the name fails.

    Raises:
        OSError: The file could not be synced or named.
    """
    sync_file(temporary)
    patiently(lambda: temporary.replace(path), replacing=True)
    replaced()
    sync_folder(path.parent)


def publish_folder(temporary: Path, path: Path) -> None:
    """Give a finished folder of a work folder its name, without replacing an existing one.

    Every file and folder in it is synced first, and its name last.

    Args:
        temporary: A folder in a :func:`.work_folder`, whose files are closed.
        path: Its name, in the folder for which it was made.

    Raises:
        FileExistsError: The path already exists.
        OSError: A file could not be synced or named.
    """
    for folder, _, names in os.walk(temporary):
        for name in names:
            sync_file(Path(folder, name))
        sync_folder(Path(folder))
    taken = FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if os.path.lexists(path):  # rename() would replace an empty folder
        raise taken
    try:
        patiently(lambda: temporary.rename(path), replacing=True)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise taken from error
        raise
    sync_folder(path.parent)


@contextmanager
def typed_os_errors(path: Path) -> Generator[None]:
    """Map an ``OSError`` of writing a file to the library's error.

    Raises:
        VaultNotFoundError: The parent directory does not exist.
        VaultFullError: The disk is full, a quota is exceeded, or the file would be too large.
        VaultInUseError: Another program has the file open (Windows).
        VaultError: The path already exists, the folder cannot be written to, or the disk failed.
    """
    try:
        yield
    except VaultError:
        raise
    except FileExistsError as error:
        raise VaultError(path, "the path already exists; choose another name") from error
    except OSError as error:
        if is_open_elsewhere(error):
            raise VaultInUseError(path, OPEN_ELSEWHERE) from error
        raise error_of(error, path) from error
    except sqlcipher.DatabaseError as error:
        found = vault_error_of(error, path)
        raise type(found)(path, found.problem) from error
