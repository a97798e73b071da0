"""Looking after a vault file: copying it, changing its key.

Plain functions that block; call them in a thread. Each opens a connection of its own.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.driver import require_authentic
from zorivest_async.database.failures import result_code, vault_error_of
from zorivest_async.database.files import (
    new_file,
    publish,
    remove_leftovers,
    require_free,
    sidecars_of,
    sync_file,
    sync_folder,
    typed_os_errors,
)
from zorivest_async.database.long_operation import Operation
from zorivest_async.database.vault_file import PAGE_BYTES, stamp_schema, why_closed
from zorivest_async.errors import VaultDamagedError, VaultError, VaultInUseError, WrongPassphraseError
from zorivest_async.security import ApiKeyCipher, VaultKey

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["backup", "copy_database", "reading", "rekey", "require_sound"]

_EXPORT_RESULTS: Final = {
    "database disk image is malformed": sqlite3.SQLITE_CORRUPT,
    "database or disk is full": sqlite3.SQLITE_FULL,
    "disk I/O error": sqlite3.SQLITE_IOERR,
    "file is not a database": sqlite3.SQLITE_NOTADB,
}
"""What ``sqlcipher_export()`` says where any other statement has a result code of its own: its own is always 1."""

_IN_INDEX: Final = re.compile("fts5", re.IGNORECASE)
"""In what FTS5 says about its own tables, which are no reason to have no copy: they can be made anew."""


def backup(source: Path, key: VaultKey, destination: Path, operation: Operation | None = None) -> None:
    """Copy a consistent state of a vault, with the same key, while others use it.

    Raises:
        VaultError: Something is at the destination already, or it cannot be written.
        VaultFullError: The disk is full.
        VaultDamagedError: The vault is damaged, or the copy of it.
    """
    operation = operation or Operation()
    with typed_os_errors(destination):
        require_free(destination)
        remove_leftovers(destination)
    with typed_os_errors(destination), new_file(destination) as temporary:
        with reading(source, key), closing(open_cipher(vault_uri(source), key, ConnectionSettings())) as raw:
            copy_database(raw, temporary, operation)
        require_sound(temporary, key, destination, operation)
        with operation.publishing():
            publish(temporary, destination)


def copy_database(raw: sqlcipher.Connection, temporary: Path, operation: Operation) -> None:
    """Copy what a connection sees, with its key, into an empty file."""
    (page_count,) = raw.execute("PRAGMA page_count").fetchone()
    (free_count,) = raw.execute("PRAGMA freelist_count").fetchone()
    with operation.phase(raw, "copy", page_count - free_count, lambda: _pages_in(temporary)):
        raw.execute("VACUUM INTO ?", (str(temporary),))
        require_authentic(raw)


def rekey(path: Path, old: VaultKey, new: VaultKey, operation: Operation | None = None) -> None:
    """Replace a vault by a copy of itself under another key; at every moment exactly one of the two keys opens it.

    The caller holds the vault's lock alone. The API keys in the vault are encrypted anew. ``PRAGMA rekey`` is not used:
    interrupted, it loses the vault.

    Raises:
        VaultInUseError: Somebody who does not know the lock holds the vault; nothing has changed.
        VaultFullError: The disk is full; nothing has changed.
        VaultDamagedError: The vault is damaged, or the copy of it; nothing has changed.
    """
    operation = operation or Operation()
    with typed_os_errors(path), new_file(path) as temporary:
        with reading(path, old), _alone(path, old) as raw:
            _export(raw, temporary, new, operation)
            with closing(open_cipher(vault_uri(temporary), new, ConnectionSettings())) as copy:
                stamp_schema(copy)
                _encrypt_api_keys_anew(copy, ApiKeyCipher(old.key), ApiKeyCipher(new.key))
            require_sound(temporary, new, path, operation)
        with operation.publishing():
            if sidecars_of(path):  # which would be taken for the new file's
                raise VaultInUseError(path)
            temporary.replace(path)
            sync_folder(path.parent)


def _export(raw: sqlcipher.Connection, temporary: Path, key: VaultKey, operation: Operation) -> None:
    (page_count,) = raw.execute("PRAGMA page_count").fetchone()
    spec = key.raw_key_spec()
    try:
        raw.execute("ATTACH DATABASE ? AS target KEY ?", (str(temporary), spec.decode()))
    finally:
        spec[:] = bytes(len(spec))
    with operation.phase(raw, "copy", page_count, lambda: _pages_in(temporary)):
        try:
            raw.execute("SELECT sqlcipher_export('target')").fetchall()
        except sqlcipher.OperationalError as error:
            error.sqlite_errorcode = _EXPORT_RESULTS.get(str(error), error.sqlite_errorcode)
            raise
        require_authentic(raw)
    raw.execute("DETACH DATABASE target")


@contextmanager
def _alone(path: Path, key: VaultKey) -> Generator[sqlcipher.Connection]:
    """Open a connection beside which there is no other, until it is closed."""
    try:
        opened = open_cipher(vault_uri(path), key, ConnectionSettings())
    except sqlcipher.OperationalError as error:
        raise _in_use_or(error, path) from error
    with closing(opened) as raw:
        _leave_wal(raw, path)
        try:
            yield raw
        finally:
            with suppress(sqlcipher.DatabaseError):  # the next writer would do it, unless readers come first
                raw.execute("PRAGMA main.journal_mode = WAL")


def _leave_wal(raw: sqlcipher.Connection, path: Path) -> None:
    """Leave WAL mode, which SQLite allows to the only connection to a file, and keep others out from then on."""
    try:
        raw.execute("PRAGMA main.locking_mode = EXCLUSIVE")
        (mode,) = raw.execute("PRAGMA main.journal_mode = DELETE").fetchone()
    except sqlcipher.OperationalError as error:
        raise _in_use_or(error, path) from error
    if mode != "delete":
        raise VaultInUseError(path)


def _in_use_or(error: sqlcipher.OperationalError, path: Path) -> VaultError:
    busy = result_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return VaultInUseError(path) if busy else vault_error_of(error, path)


def _encrypt_api_keys_anew(raw: sqlcipher.Connection, old: ApiKeyCipher, new: ApiKeyCipher) -> None:
    stored = raw.execute(
        "SELECT encrypted_api_key, provider_name FROM market_provider_settings WHERE encrypted_api_key IS NOT NULL"
    ).fetchall()
    raw.executemany(
        "UPDATE market_provider_settings SET encrypted_api_key = ? WHERE provider_name = ?",
        [(new.encrypt(old.decrypt(api_key)), provider) for api_key, provider in stored],
    )


@contextmanager
def reading(source: Path, key: VaultKey) -> Generator[None]:
    """Name the file whose page did not authenticate while it was copied.

    Raises:
        VaultDamagedError: One did not.
        WrongPassphraseError: None did: somebody has put another file in its place.
    """
    try:
        yield
    except WrongPassphraseError as error:
        raise why_closed(source, key) from error.__cause__
    except sqlcipher.DatabaseError as error:
        if result_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise VaultDamagedError(source) from error
        raise


def require_sound(temporary: Path, key: VaultKey, path: Path, operation: Operation) -> None:
    """Reopen a finished copy, read all of it, and wait until it is on the disk.

    A fresh copy has no free pages, so checking its structure authenticates each page. References are not checked, and
    the search index is not compared with its texts: what is broken in the original is so in the copy.

    Raises:
        VaultDamagedError: The copy is not what was written.
    """
    with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
        with operation.phase(raw, "verify", page_count):
            found = [row[0] for row in raw.execute("PRAGMA integrity_check")]
    if problems := [problem for problem in found if problem != "ok" and not _IN_INDEX.search(problem)]:
        raise VaultDamagedError(path, f"the copy does not verify, so it was thrown away: {problems[0]}")
    sync_file(temporary)


def _pages_in(file: Path) -> int:
    return file.stat().st_size // PAGE_BYTES
