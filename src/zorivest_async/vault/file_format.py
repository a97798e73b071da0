"""Vault file format: recognise a vault, derive and check its key, create it.

The functions block: call them in a thread. They never open the file with Python's ``open`` while a connection to it may
exist: closing it would drop the locks that SQLite holds on it in this process (POSIX advisory locks,
https://sqlite.org/howtocorrupt.html, section 2.2). They read it through SQLite instead.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.failures import vault_error_of
from zorivest_async.database.sqlcipher.image_owners import trigger_statements as image_trigger_statements
from zorivest_async.database.sqlcipher.page_check import PAGE_BYTES, opens_some_page
from zorivest_async.database.sqlcipher.paths import is_there
from zorivest_async.database.sqlcipher.process import connect, inside_sqlite
from zorivest_async.database.sqlcipher.search_schema import create_statements, trigger_statements
from zorivest_async.database.tables import METADATA, SCHEMA_VERSION
from zorivest_async.errors import (
    NotAVaultError,
    NotEncryptedError,
    VaultDamagedError,
    VaultError,
    VaultNotFoundError,
    VaultVersionError,
    WrongPassphraseError,
)
from zorivest_async.security import SALT_BYTES, Credentials, KdfProfile, VaultKey, new_salt
from zorivest_async.vault.deriving import file_key
from zorivest_async.vault.files import publish, typed_os_errors
from zorivest_async.vault.sidecars import require_free
from zorivest_async.vault.work_folder import new_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

__all__ = [
    "bad_pages",
    "check_key",
    "check_schema",
    "cipher_salt",
    "create_file",
    "create_schema",
    "derive_file_key",
    "new_vault_key",
    "open_existing",
    "read_salt",
    "require_schema",
    "stamp_schema",
    "why_closed",
]

APPLICATION_ID: Final = int.from_bytes(b"ZRVT", "big")
"""``PRAGMA application_id`` of a vault (https://sqlite.org/pragma.html#pragma_application_id)."""

_PLAINTEXT_HEADER: Final = b"SQLite format 3\0"
"""The first 16 bytes of an unencrypted database (https://sqlite.org/fileformat.html)."""

_NO_KEY: Final = VaultKey(bytes(32))
"""Any raw key is good enough to read the salt."""


def read_salt(path: Path) -> bytes:
    """Return the salt, the first 16 bytes of a vault, whose first byte names a :class:`KdfProfile`.

    Raises:
        VaultNotFoundError: The file does not exist.
        NotAVaultError: It is a folder, a named pipe or a device, is too short for a vault, or names no profile.
        NotEncryptedError: It is a plaintext SQLite database.
    """
    if not is_there(path):
        raise VaultNotFoundError(path)
    size = path.stat().st_size
    # SQLCipher generates a salt for a file that is too short to contain one.
    salt = cipher_salt(path) if size >= SALT_BYTES else b""
    if salt == _PLAINTEXT_HEADER:
        raise NotEncryptedError(path)
    if size < PAGE_BYTES:
        raise NotAVaultError(path, f"this file has {size} bytes; a vault has at least {PAGE_BYTES}")
    try:
        KdfProfile.of_salt(salt)
    except LookupError:
        problem = "the first byte of this file names no known key derivation: it is another program's, or damaged"
        raise NotAVaultError(path, problem) from None
    return salt


def cipher_salt(path: Path) -> bytes:
    """Return the first 16 bytes of a file of at least that size."""
    try:
        with inside_sqlite(), closing(connect(vault_uri(path))) as raw:
            raw.execute("PRAGMA cipher_log = OFF")
            raw.set_key(_NO_KEY.raw_key_spec())
            return bytes.fromhex(raw.execute("PRAGMA cipher_salt").fetchone()[0])
    except sqlcipher.OperationalError as error:
        raise vault_error_of(error, path) from error


def new_vault_key(
    credentials: Credentials, profile: KdfProfile, check: Callable[[], object] = lambda: None
) -> VaultKey:
    """Derive a key for a new file, with a fresh salt; it runs Argon2.

    Args:
        credentials: The passphrase or the key.
        profile: Cost profile of the key derivation.
        check: Called while waiting for other derivations; an exception ends the wait.

    Raises:
        ConfigurationError: The passphrase or the key is invalid.
    """
    return file_key(credentials, new_salt(profile), check)


def derive_file_key(path: Path, credentials: Credentials, check: Callable[[], object] = lambda: None) -> VaultKey:
    """Derive the key of an existing file, without checking it; it runs Argon2 with the profile of the file's salt.

    Args:
        path: The file.
        credentials: The passphrase or the key.
        check: Called while waiting for other derivations; an exception ends the wait.

    Raises:
        VaultError: As :func:`read_salt`.
        ConfigurationError: The passphrase or the key is invalid.
    """
    return file_key(credentials, read_salt(path), check)


def check_key(path: Path, key: VaultKey) -> None:
    """Check that a key opens a file.

    Raises:
        WrongPassphraseError: It opens none of the sampled pages.
        VaultDamagedError: It opens some pages, but not the first.
    """
    with open_existing(path, key):
        pass


def check_schema(path: Path, key: VaultKey) -> int:
    """Check that a key opens a vault, and that this release supports its schema; return the version of the schema.

    Raises:
        VaultError: As :func:`check_key`.
        NotAVaultError: The database is not a journal.
        VaultVersionError: A newer release wrote it.
    """
    with open_existing(path, key) as raw:
        return require_schema(raw, path)


def require_schema(raw: sqlcipher.Connection, path: Path) -> int:
    """Check that a database is a vault, and that this release supports its schema; return the version of the schema.

    Raises:
        NotAVaultError: The database is not a journal.
        VaultVersionError: A newer release wrote it.
    """
    (application_id,) = raw.execute("PRAGMA application_id").fetchone()
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID:
        raise NotAVaultError(path, "this is an encrypted database, but not a vault")
    if version > SCHEMA_VERSION:
        raise VaultVersionError(path)
    return int(version)


@contextmanager
def open_existing(path: Path, key: VaultKey, uri: str | None = None) -> Generator[sqlcipher.Connection]:
    """Open a read-only connection to a file during the block, and map the driver's errors.

    Args:
        path: The file.
        key: Its key.
        uri: The URI that SQLite opens, if it differs from the path's.
    """
    uri = uri or vault_uri(path)
    try:
        with closing(open_cipher(uri, key, ConnectionSettings(read_only=True))) as raw:
            yield raw
    except WrongPassphraseError as error:
        raise why_closed(path, key, uri) from error.__cause__
    except sqlcipher.DatabaseError as error:
        raise vault_error_of(error, path) from error


def why_closed(path: Path, key: VaultKey, uri: str | None = None) -> VaultError:
    """Return the error for a key that does not open a file: SQLCipher reports a damaged first page in the same way.

    It samples a bounded number of pages (:func:`.opens_some_page`), so it takes milliseconds for any file.

    Args:
        path: The file.
        key: The key.
        uri: The URI that SQLite opens, if it differs from the path's.
    """
    is_key = opens_some_page(uri or vault_uri(path), key)
    return VaultDamagedError(path) if is_key else WrongPassphraseError(path)


def bad_pages(uri: str, key: VaultKey) -> list[str]:
    """Return a message for each page of a file that fails authentication under a key; it works on any file."""
    with closing(connect(uri)) as raw:
        raw.execute("PRAGMA cipher_log = OFF")
        raw.set_key(key.raw_key_spec())
        return [row[0] for row in raw.execute("PRAGMA cipher_integrity_check")]


def create_file(path: Path, key: VaultKey, fill: Callable[[sqlcipher.Connection], object]) -> bool:
    """Create an encrypted file that appears under its name complete, or not at all.

    Args:
        path: The new file.
        key: Its key; the salt becomes the first 16 bytes.
        fill: Writes the contents.

    Returns:
        Whether it was created: ``False`` if the path already exists, which is not touched.

    Raises:
        VaultNotFoundError: The folder does not exist.
        VaultFullError: The disk is full.
        VaultError: The folder cannot be written to.
    """
    with typed_os_errors(path), new_file(path) as temporary:
        with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
            fill(raw)
        try:
            require_free(path)
            publish(temporary, path)
        except FileExistsError:
            return False
    return True


def create_schema(raw: sqlcipher.Connection) -> None:
    """Create the tables of a vault and the search index, and mark the database as a vault, in one transaction."""
    raw.execute("BEGIN IMMEDIATE")
    for statement in _schema_statements():
        raw.execute(statement)
    stamp_schema(raw)
    raw.execute("COMMIT")


def stamp_schema(raw: sqlcipher.Connection) -> None:
    """Mark a database as a vault of this release's schema."""
    raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


@cache
def _schema_statements() -> tuple[str, ...]:
    dialect = SQLiteDialect()
    tables = METADATA.sorted_tables
    indexes = sorted((index for table in tables for index in table.indexes), key=lambda index: str(index.name))
    return (
        *(str(CreateTable(table).compile(dialect=dialect)) for table in tables),
        *(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes),
        *create_statements(sqlcipher.sqlite_version_info),
        *trigger_statements(SCHEMA_VERSION),
        *image_trigger_statements(),
    )
