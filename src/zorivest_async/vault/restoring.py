"""Restoration of a vault from a backup. The functions block: call them in a thread."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.cipher import WRITER_BUSY_SLICE_MS, ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.database.sqlcipher.page_check import PAGE_BYTES
from zorivest_async.database.sqlcipher.paths import is_there, require_plain_companions, resolved
from zorivest_async.database.sqlcipher.process import connect
from zorivest_async.database.sqlcipher.uris import file_uri
from zorivest_async.errors import (
    ConfigurationError,
    VaultInUseError,
    VaultNotFoundError,
    VaultSchemaError,
)
from zorivest_async.security import SALT_BYTES, Credentials, VaultKey
from zorivest_async.vault.copying import Contents, copy_at_rest, copy_snapshot, require_same
from zorivest_async.vault.file_format import (
    cipher_salt,
    derive_file_key,
    open_existing,
    require_schema,
)
from zorivest_async.vault.files import replace_database, typed_os_errors
from zorivest_async.vault.lock import VaultLock
from zorivest_async.vault.maintenance import require_sound
from zorivest_async.vault.schema_check import check_schema_of
from zorivest_async.vault.sharing import patiently
from zorivest_async.vault.sidecars import remove_sidecars
from zorivest_async.vault.work_folder import new_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from zorivest_async.database.sqlcipher.long_operation import Operation

__all__ = ["restore"]

_WAL_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
"""https://sqlite.org/fileformat2.html#the_write_ahead_log"""

_SHOWN_FINDINGS: Final = 5
"""Maximum number of findings in the message of an error; its attribute has all of them."""

_WHAT_TO_DO: Final = (
    "Nothing has changed. If these are your own changes, or you trust the author of the backup, restore it with "
    "allow_changed_schema=True (--allow-changed-schema)"
)

_ANY_KEY: Final = VaultKey(bytes(32))
"""A WAL is written back page by page, still encrypted, so the key need not be right."""


def restore(
    backup: Path,
    path: Path,
    credentials: Credentials,
    operation: Operation,
    *,
    allow_changed_schema: bool = False,
) -> None:
    """Replace a vault, which need not exist, with a copy of a backup; the backup is only read.

    If the process ends at any time, either the old vault opens, with all its commits, or the new one does.

    Args:
        backup: The backup.
        path: The vault.
        credentials: The passphrase or the key of the backup.
        operation: Receives the progress, and stops the work on request.
        allow_changed_schema: Accept a schema that is not the library's.

    Raises:
        VaultSchemaError: The schema of the backup is not the library's.
        VaultError: The backup is damaged, has another key, or the vault cannot be written.
        VaultInUseError: Another process has the vault open, or changes the backup.
        ConfigurationError: The two are the same file, or the passphrase or the key is invalid.
    """
    backup, path = resolved(backup), resolved(path)
    if backup == path:
        raise ConfigurationError("the backup and the vault are the same file")
    is_missing = not is_there(backup)
    require_plain_companions(backup)
    if is_missing:
        raise VaultNotFoundError(backup, "the backup does not exist")
    is_there(path)  # raises for a directory, for example
    require_plain_companions(path)
    found = derive_file_key(backup, credentials, operation.check)
    operation.check()
    lock = VaultLock(path)
    try:
        lock.take()
        with typed_os_errors(path), new_file(path) as temporary:
            contents = _copy(backup, found, temporary, operation)
            require_same(temporary, found, contents, path)
            if not allow_changed_schema:
                _require_librarys_schema(temporary, found, backup)
            require_sound(temporary, found, path, operation)
            with operation.publishing():
                _write_wal_back(path)
                # SQLite would take the old vault's sidecars for the new one's, and destroy the new vault with them.
                remove_sidecars(path)
                replace_database(temporary, path)
    finally:
        lock.let_go()


def _copy(backup: Path, key: VaultKey, temporary: Path, operation: Operation) -> Contents:
    """Copy a backup without changing it or its sidecars, and return its summary.

    A file without a WAL is opened as immutable, so it may be on a read-only medium; afterwards it is checked that it
    did not change. A file with a WAL is read together with it, like any other connection.
    """
    before = _state(backup)
    _, *sidecar_sizes = before
    at_rest = not any(sidecar_sizes)
    uri = file_uri(backup, f"mode=ro{'&immutable=1' if at_rest else ''}")

    @contextmanager
    def connection() -> Generator[sqlcipher.Connection]:
        with open_existing(backup, key, uri) as raw:
            require_schema(raw, backup)
            raw.execute("PRAGMA query_only = OFF")  # SQLite would refuse to write the copy
            yield raw

    if not at_rest:
        return copy_snapshot(connection, temporary, operation)
    with connection() as raw:
        contents = copy_at_rest(raw, temporary, operation)
    if _state(backup) != before:
        raise VaultInUseError(backup)
    return contents


def _require_librarys_schema(copy: Path, key: VaultKey, backup: Path) -> None:
    with closing(open_cipher(vault_uri(copy), key, ConnectionSettings(read_only=True))) as raw:
        report = check_schema_of(raw)
    if findings := (*report.changes, *report.additions):
        shown = "; ".join(findings[:_SHOWN_FINDINGS])
        more = f"; and {len(findings) - _SHOWN_FINDINGS} more" if len(findings) > _SHOWN_FINDINGS else ""
        error = VaultSchemaError(backup, f"{VaultSchemaError.problem}: {shown}{more}. {_WHAT_TO_DO}")
        error.findings = findings
        raise error


def _state(database: Path) -> tuple[object, ...]:
    """Return values that change with the database, and the sizes of its WAL and its rollback journal."""
    status = database.stat()
    sidecars = (database.with_name(database.name + suffix) for suffix in ("-wal", "-journal"))
    return (status.st_ino, status.st_size, status.st_mtime_ns), *(
        sidecar.stat().st_size if sidecar.exists() else 0 for sidecar in sidecars
    )


def _write_wal_back(path: Path) -> None:
    """Write a vault's WAL back into the vault, so that the file is complete without it; it needs no key.

    If that fails, the vault is damaged, and is about to be replaced anyway.

    Raises:
        VaultInUseError: A process that does not use the lock has it open.
    """
    wal = path.with_name(path.name + "-wal")
    if not path.exists() or not wal.exists():
        return
    if _is_foreign(wal, path):
        patiently(wal.unlink)
        return
    with closing(connect(vault_uri(path))) as raw:
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
    """Return whether a WAL contains another database's first page, which begins with that database's salt."""
    with wal.open("rb") as file:  # SQLite has no locks on this file that closing it could drop
        generation = file.read(_WAL_HEADER_BYTES)[16:24]
        while len(frame := file.read(_FRAME_HEADER_BYTES + SALT_BYTES)) == _FRAME_HEADER_BYTES + SALT_BYTES:
            if frame[8:16] != generation:
                break
            if int.from_bytes(frame[:4], "big") == 1:
                return path.stat().st_size >= SALT_BYTES and frame[_FRAME_HEADER_BYTES:] != cipher_salt(path)
            file.seek(PAGE_BYTES - SALT_BYTES, 1)
    return False
