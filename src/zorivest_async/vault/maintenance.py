"""Maintenance of a vault file: backup and change of the key.

The functions block: call them in a thread. Each opens a separate connection.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.authentication import require_authentic
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.failures import result_code, vault_error_of
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.database.sqlcipher.paths import require_plain_companions
from zorivest_async.database.sqlcipher.process import registered
from zorivest_async.errors import VaultDamagedError, VaultError, VaultInUseError, WrongPassphraseError
from zorivest_async.security import ApiKeyCipher, VaultKey
from zorivest_async.vault.copying import contents_of, copy_snapshot, pages_in, require_same
from zorivest_async.vault.file_format import stamp_schema, why_closed
from zorivest_async.vault.files import publish, replace_database, typed_os_errors
from zorivest_async.vault.sidecars import require_free, sidecars_of
from zorivest_async.vault.work_folder import new_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = ["backup", "reading", "rekey", "require_sound"]

_EXPORT_RESULTS: Final = {
    "database disk image is malformed": sqlite3.SQLITE_CORRUPT,
    "database or disk is full": sqlite3.SQLITE_FULL,
    "disk I/O error": sqlite3.SQLITE_IOERR,
    "file is not a database": sqlite3.SQLITE_NOTADB,
}
"""Result codes by the message of ``sqlcipher_export()``, whose own result code is always 1."""

_IN_INDEX: Final = re.compile("fts5", re.IGNORECASE)
"""Matches problems of FTS5's own tables, which should not prevent a copy, as the index can be rebuilt."""


def backup(source: Path, key: VaultKey, destination: Path, operation: Operation | None = None) -> None:
    """Copy a snapshot of a vault under the same key, while others use the vault.

    Raises:
        VaultError: The destination already exists, or cannot be written.
        VaultFullError: The disk is full.
        VaultDamagedError: The vault or the copy is damaged.
    """
    operation = operation or Operation()
    destination = destination.absolute()
    require_plain_companions(destination)
    with typed_os_errors(destination):
        require_free(destination)
    with typed_os_errors(destination), new_file(destination) as temporary:
        with reading(source, key):
            contents = copy_snapshot(
                lambda: closing(open_cipher(vault_uri(source), key, ConnectionSettings())), temporary, operation
            )
        require_same(temporary, key, contents, destination)
        require_sound(temporary, key, destination, operation)
        with operation.publishing():
            require_free(destination)
            publish(temporary, destination)


def rekey(
    path: Path,
    old: VaultKey,
    new: VaultKey,
    operation: Operation | None = None,
    replaced: Callable[[], object] = lambda: None,
) -> None:
    """Replace a vault with a copy of itself under another key; at any time exactly one of the two keys opens it.

    The caller holds the vault's exclusive lock. The API keys in the vault are encrypted again. ``PRAGMA rekey`` is not
    used, because an interrupted one destroys the vault.

    Args:
        path: The vault.
        old: Its present key.
        new: Its new key.
        operation: Receives the progress, and stops the work on request.
        replaced: Called as soon as the new key opens the vault, even if a later step fails.

    Raises:
        VaultInUseError: A process that does not use the lock has the vault open; nothing has changed.
        VaultFullError: The disk is full; nothing has changed.
        VaultDamagedError: The vault or the copy is damaged; nothing has changed.
    """
    operation = operation or Operation()
    with typed_os_errors(path), new_file(path) as temporary:
        with reading(path, old), _alone(path, old) as raw:
            _export(raw, temporary, new, operation)
            require_same(temporary, new, contents_of(raw), path)
            with closing(open_cipher(vault_uri(temporary), new, ConnectionSettings())) as copy:
                stamp_schema(copy)
                _encrypt_api_keys_anew(copy, ApiKeyCipher(old.key), ApiKeyCipher(new.key))
            require_sound(temporary, new, path, operation)
        with operation.publishing():
            if sidecars_of(path):  # which would be taken for the new file's
                raise VaultInUseError(path)
            replace_database(temporary, path, replaced)


def _export(raw: sqlcipher.Connection, temporary: Path, key: VaultKey, operation: Operation) -> None:
    (page_count,) = raw.execute("PRAGMA page_count").fetchone()
    with registered(temporary):
        _export_into(raw, temporary, key, operation, page_count)


def _export_into(
    raw: sqlcipher.Connection, temporary: Path, key: VaultKey, operation: Operation, page_count: int
) -> None:
    spec = key.raw_key_spec()
    try:
        raw.execute("ATTACH DATABASE ? AS target KEY ?", (vault_uri(temporary), spec.decode()))
    finally:
        spec[:] = bytes(len(spec))
    with operation.phase(raw, "copy", page_count, lambda: pages_in(temporary)):
        try:
            raw.execute("SELECT sqlcipher_export('target')").fetchall()
        except sqlcipher.OperationalError as error:
            error.sqlite_errorcode = _EXPORT_RESULTS.get(str(error), error.sqlite_errorcode)
            raise
        require_authentic(raw)
    raw.execute("DETACH DATABASE target")


@contextmanager
def _alone(path: Path, key: VaultKey) -> Generator[sqlcipher.Connection]:
    """Open an exclusive connection: there is no other one until it is closed."""
    try:
        opened = open_cipher(vault_uri(path), key, ConnectionSettings())
    except sqlcipher.OperationalError as error:
        raise _in_use_or(error, path) from error
    with closing(opened) as raw:
        _leave_wal(raw, path)
        try:
            yield raw
        finally:
            with suppress(sqlcipher.DatabaseError):  # the next writer would do it, unless a reader comes first
                raw.execute("PRAGMA main.journal_mode = WAL")


def _leave_wal(raw: sqlcipher.Connection, path: Path) -> None:
    """Leave WAL mode, which SQLite allows only to the only connection, and lock other connections out."""
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
        [
            (new.encrypt(old.decrypt(api_key, provider_name=provider), provider_name=provider), provider)
            for api_key, provider in stored
        ],
    )


@contextmanager
def reading(source: Path, key: VaultKey) -> Generator[None]:
    """Map an authentication error while a file is copied, naming the file.

    Raises:
        VaultDamagedError: A page failed authentication.
        WrongPassphraseError: All pages did: another program has replaced the file.
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
    """Reopen a finished copy and read all of it.

    A fresh copy has no free pages, so checking its structure authenticates each page. References are not checked, and
    the search index is not compared with its texts: an inconsistency of the original is also in the copy.

    Raises:
        VaultDamagedError: The copy is damaged.
    """
    with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
        with operation.phase(raw, "verify", page_count):
            found = [row[0] for row in raw.execute("PRAGMA integrity_check")]
    if problems := [problem for problem in found if problem != "ok" and not _IN_INDEX.search(problem)]:
        raise VaultDamagedError(path, f"the copy does not verify and was deleted: {problems[0]}")
