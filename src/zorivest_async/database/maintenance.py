"""Looking after a vault file: verifying it, copying it, changing its key.

Plain functions that block; call them in a thread. Each opens a connection of its own.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.cipher import ConnectionSettings, open_cipher, vault_uri
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
from zorivest_async.database.vault_file import PAGE_BYTES, stamp_schema
from zorivest_async.errors import VaultDamagedError, VaultError, VaultInUseError
from zorivest_async.security import ApiKeyCipher, VaultKey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

__all__ = ["VerifyReport", "backup", "copy_database", "reading", "rekey", "require_sound", "verify"]

_EVERY_ROW: Final = 2**31 - 1
"""``PRAGMA integrity_check`` stops after 100 problems unless told otherwise."""

_ORPHANED_IMAGES = """
    SELECT id, owner_type FROM images WHERE NOT CASE owner_type
        WHEN 'trade' THEN EXISTS (SELECT 1 FROM trades WHERE exec_id = owner_id)
        WHEN 'report' THEN EXISTS (SELECT 1 FROM trade_reports WHERE CAST(id AS TEXT) = owner_id)
        WHEN 'plan' THEN EXISTS (SELECT 1 FROM trade_plans WHERE CAST(id AS TEXT) = owner_id)
    END
"""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What :meth:`zorivest_async.Vault.verify` found.

    Attributes:
        problems: A sentence each, most basic first; empty where the vault is sound.
        page_count: Pages that were authenticated.
    """

    problems: tuple[str, ...]
    page_count: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(raw: sqlcipher.Connection, operation: Operation | None = None) -> VerifyReport:
    """Check every page, structure and reference of the vault behind a connection; what is wrong raises nothing.

    A check that damage keeps from going on is a problem of its own, and the others are made all the same.
    """
    operation = operation or Operation()
    problems = list[str]()
    try:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
    except sqlcipher.DatabaseError as error:
        return VerifyReport((f"the vault cannot be read: {error}",), 0)
    for name, found in (
        ("pages", _bad_pages(raw, operation, page_count)),
        ("structure", _broken_structures(raw, operation, page_count)),
        ("references", _broken_references(raw, operation, page_count)),
    ):
        try:
            problems.extend(found)
        except (sqlcipher.DatabaseError, MemoryError) as error:  # the latter is what SQLCipher may call a bad page
            problems.append(f"the check of {name} could not go on: {str(error) or 'a page could not be read'}")
    return VerifyReport(tuple(problems), page_count)


def _bad_pages(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    operation.report("pages", 0, page_count)
    with operation.detachable():
        rows = raw.execute("PRAGMA cipher_integrity_check").fetchall()
    operation.report("pages", page_count, page_count)
    yield from (row[0] for row in rows)


def _broken_structures(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    with operation.phase(raw, "structure", page_count):
        yield from (row[0] for row in raw.execute(f"PRAGMA integrity_check({_EVERY_ROW})") if row[0] != "ok")


def _broken_references(raw: sqlcipher.Connection, operation: Operation, page_count: int) -> Iterator[str]:
    with operation.phase(raw, "references", page_count):
        for table, row_id, parent, _ in raw.execute("PRAGMA foreign_key_check"):
            yield f"row {row_id} of {table} refers to a row of {parent} that does not exist"
        for image_id, owner_type in raw.execute(_ORPHANED_IMAGES):
            yield f"image {image_id} belongs to a {owner_type} that does not exist"


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
        with reading(source), closing(open_cipher(vault_uri(source), key, ConnectionSettings())) as raw:
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
        with reading(path), _alone(path, old) as raw:
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
    raw.execute("ATTACH DATABASE ? AS target KEY ?", (str(temporary), spec.decode()))
    spec[:] = bytes(len(spec))
    with operation.phase(raw, "copy", page_count, lambda: _pages_in(temporary)):
        raw.execute("SELECT sqlcipher_export('target')").fetchall()
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
def reading(source: Path) -> Generator[None]:
    """Name the file whose page did not authenticate while it was copied.

    Raises:
        VaultDamagedError: One did not.
    """
    try:
        yield
    except sqlcipher.DatabaseError as error:
        if result_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise VaultDamagedError(source) from error
        raise


def require_sound(temporary: Path, key: VaultKey, path: Path, operation: Operation) -> None:
    """Reopen a finished copy, read all of it, and wait until it is on the disk.

    A fresh copy has no free pages, so checking its structure authenticates each page. References are not checked: what
    is broken in the original is so in the copy.

    Raises:
        VaultDamagedError: The copy is not what was written.
    """
    with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
        (page_count,) = raw.execute("PRAGMA page_count").fetchone()
        with operation.phase(raw, "verify", page_count):
            problems = [row[0] for row in raw.execute("PRAGMA integrity_check")]
    if problems != ["ok"]:
        raise VaultDamagedError(path, f"the copy does not verify, so it was thrown away: {problems[0]}")
    sync_file(temporary)


def _pages_in(file: Path) -> int:
    return file.stat().st_size // PAGE_BYTES
