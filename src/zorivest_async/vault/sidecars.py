"""Sidecars of a database: its WAL, the WAL index (shm), and a rollback journal.

The functions block: call them in a thread.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import VaultError
from zorivest_async.vault.sharing import patiently

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "is_spent",
    "remove_sidecars",
    "remove_spent_journal",
    "require_free",
    "sidecars_of",
    "spent_journal_of",
]

SIDECARS: Final = ("-wal", "-shm", "-journal")


def sidecars_of(path: Path) -> list[Path]:
    """Return the existing sidecars of a database."""
    return [file for suffix in SIDECARS if (file := path.with_name(path.name + suffix)).exists()]


def is_spent(sidecar: Path) -> bool:
    """Return whether a file is a rollback journal without a header, which a killed process may leave.

    SQLite does not roll it back (https://sqlite.org/lockingv3.html#hot_journals).
    """
    if not sidecar.name.endswith("-journal") or not sidecar.is_file():  # a named pipe would block the reader
        return False
    try:
        with sidecar.open("rb") as file:
            return file.read(1) in (b"", b"\0")
    except FileNotFoundError:
        return False


def spent_journal_of(path: Path) -> Path | None:
    """Return the spent rollback journal beside a database: SQLite neither needs nor removes it in WAL mode."""
    return next(filter(is_spent, sidecars_of(path)), None)


def remove_spent_journal(path: Path) -> None:
    """Remove a spent rollback journal; the caller holds the vault's exclusive lock, so no process is using it."""
    if (journal := spent_journal_of(path)) is not None:
        patiently(partial(journal.unlink, missing_ok=True))


def remove_sidecars(path: Path) -> None:
    """Remove the sidecars of a database that no process has open."""
    for file in sidecars_of(path):
        patiently(partial(file.unlink, missing_ok=True))


def require_free(path: Path) -> None:
    """Check that a path is free for a new database.

    Raises:
        FileExistsError: The path already exists.
        VaultError: The WAL or rollback journal of an earlier database of this name still exists. SQLite would take it
            for the new database's and destroy that; and it may contain commits of a vault that was only moved away.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    for file in sidecars_of(path):
        if file.name.endswith("-shm") or is_spent(file) or not file.stat().st_size:
            continue
        orphan = file.name
        problem = (
            f"{orphan} contains changes of a vault that was moved or deleted: restore the vault, or delete {orphan}"
        )
        raise VaultError(path, problem)
