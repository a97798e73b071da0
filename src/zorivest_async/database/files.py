"""Files that appear under their name complete, or not at all. Plain functions that block; call them in a thread."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.failures import vault_error_of
from zorivest_async.errors import VaultError, VaultFullError, VaultNotFoundError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = [
    "SIDECARS",
    "is_spent",
    "leftovers_of",
    "new_file",
    "publish",
    "remove_leftovers",
    "remove_sidecars",
    "require_free",
    "sidecars_of",
    "sync_file",
    "sync_folder",
    "typed_os_errors",
]

SIDECARS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""


@contextmanager
def new_file(path: Path) -> Generator[Path]:
    """Make an empty file beside ``path``, for its owner's eyes alone; what is left of it goes when the block ends."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        remove_sidecars(temporary)


def leftovers_of(path: Path) -> list[Path]:
    """Return what :func:`new_file` made beside ``path``, for those at work and those that were killed.

    A spent rollback journal is one of those, too: SQLite neither needs it nor removes it from beside a database in WAL
    mode.
    """
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}\.new({'|'.join(SIDECARS)})?")
    spent = [file for file in sidecars_of(path) if is_spent(file)]
    return [file for file in path.parent.iterdir() if ours.fullmatch(file.name)] + spent


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left beside ``path``.

    Nobody is at work there: the caller holds its lock alone, or nothing is there yet, and who is not the first to give
    a file that name has worked in vain anyway.
    """
    for file in leftovers_of(path):
        file.unlink(missing_ok=True)


def sidecars_of(path: Path) -> list[Path]:
    """Return what SQLite keeps beside a database, as far as it is there."""
    return [file for suffix in SIDECARS if (file := path.with_name(path.name + suffix)).exists()]


def is_spent(sidecar: Path) -> bool:
    """Return whether a file is a rollback journal without a header, as a killed process may leave it.

    SQLite does not roll it back (https://sqlite.org/lockingv3.html#hot_journals).
    """
    if not sidecar.name.endswith("-journal"):
        return False
    try:
        with sidecar.open("rb") as file:
            return file.read(1) in (b"", b"\0")
    except FileNotFoundError:
        return False


def remove_sidecars(path: Path) -> None:
    """Remove what SQLite keeps beside a database that nobody has open."""
    for file in sidecars_of(path):
        file.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until a closed file's contents are on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_free(path: Path) -> None:
    """Check that a new database can get a name.

    Raises:
        FileExistsError: Something has it.
        VaultError: Something has not, but had it: its WAL or rollback journal is still there. SQLite would take that
            for the new database's and destroy it; and it may hold commits of a vault that was only moved away.
    """
    orphans = [file.name for file in sidecars_of(path) if not file.name.endswith("-shm") and file.stat().st_size]
    if path.exists():
        raise FileExistsError
    if orphans:
        orphan = orphans[0]
        problem = f"{orphan} holds changes to a vault that is no longer here: bring that back, or delete {orphan}"
        raise VaultError(path, problem)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, without replacing what may have appeared there meanwhile.

    Raises:
        FileExistsError: Something has.
        VaultError: As :func:`require_free`.
    """
    require_free(path)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: reserve the name, then replace the reservation
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows cannot open folders, some file systems cannot sync them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def typed_os_errors(path: Path) -> Generator[None]:
    """Raise what goes wrong while a file is made as the library's error that says so.

    Raises:
        VaultNotFoundError: There is no folder to make it in.
        VaultFullError: The disk is full.
        VaultError: Something is there already, the folder cannot be written to, or the disk failed.
    """
    try:
        yield
    except VaultError:
        raise
    except FileExistsError as error:
        raise VaultError(path, "something is there already; choose another name") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VaultNotFoundError(path, "there is no folder to make this file in") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise VaultFullError(path) from error
        raise VaultError(path, "the file cannot be made here; the folder may be read-only") from error
    except sqlcipher.DatabaseError as error:
        raise vault_error_of(error, path) from error
