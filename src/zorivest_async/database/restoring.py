"""Putting a backup in a vault's place. Plain functions that block; call them in a thread."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.cipher import WRITER_BUSY_SLICE_MS, vault_uri
from zorivest_async.database.failures import result_code
from zorivest_async.database.files import new_file, remove_leftovers, remove_sidecars, sync_folder, typed_os_errors
from zorivest_async.database.lock import VaultLock
from zorivest_async.database.maintenance import copy_database, require_sound
from zorivest_async.database.vault_file import (
    PAGE_BYTES,
    cipher_salt,
    derive_file_key,
    open_existing,
    require_schema,
)
from zorivest_async.errors import ConfigurationError, NotAVaultError, VaultInUseError
from zorivest_async.security import SALT_BYTES, Credentials, VaultKey

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.database.long_operation import Operation

__all__ = ["restore"]

_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
"""https://sqlite.org/fileformat2.html#the_write_ahead_log"""

_ANY_KEY: Final = VaultKey(bytes(32))
"""A WAL is written back page by page as it is, encrypted, whether or not the key is right."""


def restore(backup: Path, path: Path, credentials: Credentials, operation: Operation) -> None:
    """Put a copy of a backup in the place of a vault, which need not exist; the backup is only read.

    Whenever the process ends, the old vault opens, with all that was committed to it, or the new one does.

    Raises:
        VaultError: The backup is not a sound vault, its key is another, or the place cannot be written to.
        VaultInUseError: Somebody has the vault open, or changes the backup.
        ConfigurationError: The two are the same file, or the passphrase or the key cannot be one.
    """
    backup, path = backup.resolve(), path.resolve()
    if backup == path:
        raise ConfigurationError("the backup and the vault are the same file")
    if path.is_dir():
        raise NotAVaultError(path, "this is a folder, not a vault")
    found = derive_file_key(backup, credentials)
    operation.check()
    lock = VaultLock(path)
    try:
        lock.take()
        remove_leftovers(path)
        with typed_os_errors(path), new_file(path) as temporary:
            _copy(backup, found, temporary, operation)
            require_sound(temporary, found, path, operation)
            with operation.publishing():
                _write_wal_back(path)
                # SQLite would take what lies beside the old vault for the new one's, and destroy it with that.
                remove_sidecars(path)
                sync_folder(path.parent)
                temporary.replace(path)
                sync_folder(path.parent)
    finally:
        lock.let_go()


def _copy(backup: Path, key: VaultKey, temporary: Path, operation: Operation) -> None:
    """Copy a backup without changing it or what lies beside it.

    A file without a WAL is opened as one that cannot change, so it may be on a medium that cannot be written to; that
    it did not change is checked. Another one is read together with its WAL, as one of the connections that use it.
    """
    before = _state(backup)
    _, *sidecar_sizes = before
    at_rest = not any(sidecar_sizes)
    uri = f"{backup.as_uri()}?mode=ro{'&immutable=1' if at_rest else ''}"
    with open_existing(backup, key, uri) as raw:
        require_schema(raw, backup)
        raw.execute("PRAGMA query_only = OFF")  # SQLite would refuse to write the copy
        copy_database(raw, temporary, operation)
    if at_rest and _state(backup) != before:
        raise VaultInUseError(backup)


def _state(database: Path) -> tuple[object, ...]:
    """Return what changes when a database does, and the sizes of its WAL and its rollback journal."""
    status = database.stat()
    sidecars = (database.with_name(database.name + suffix) for suffix in ("-wal", "-journal"))
    return (status.st_ino, status.st_size, status.st_mtime_ns), *(
        sidecar.stat().st_size if sidecar.exists() else 0 for sidecar in sidecars
    )


def _write_wal_back(path: Path) -> None:
    """Write what is in a vault's WAL into the vault, whose key need not be known, so that it is complete without it.

    Where that cannot be done, the vault is damaged, and is about to be replaced.

    Raises:
        VaultInUseError: Somebody who does not know the lock has it open.
    """
    wal = path.with_name(path.name + "-wal")
    if not path.exists() or not wal.exists():
        return
    if _is_foreign(wal, path):
        wal.unlink()
        return
    with closing(sqlcipher.connect(vault_uri(path), uri=True, isolation_level=None)) as raw:
        raw.execute("PRAGMA cipher_log = OFF")
        raw.set_key(_ANY_KEY.raw_key_spec())
        raw.execute(f"PRAGMA busy_timeout = {WRITER_BUSY_SLICE_MS}")
        raw.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            raw.execute("SELECT count(*) FROM sqlite_master")  # finds the WAL; closing writes it back
        except sqlcipher.DatabaseError as error:
            if result_code(error) == sqlite3.SQLITE_BUSY:
                raise VaultInUseError(path) from error


def _is_foreign(wal: Path, path: Path) -> bool:
    """Return whether a WAL holds another database's first page, which begins with that one's salt."""
    with wal.open("rb") as file:  # SQLite has no locks on this file that closing it could drop
        generation = file.read(_WAL_HEADER_BYTES)[16:24]
        while len(frame := file.read(_FRAME_HEADER_BYTES + SALT_BYTES)) == _FRAME_HEADER_BYTES + SALT_BYTES:
            if frame[8:16] != generation:
                break
            if int.from_bytes(frame[:4], "big") == 1:
                return path.stat().st_size >= SALT_BYTES and frame[_FRAME_HEADER_BYTES:] != cipher_salt(path)
            file.seek(PAGE_BYTES - SALT_BYTES, 1)
    return False
