"""The vault file: telling one from other files, finding its key, creating it.

Plain functions that block; call them in a thread. The file is never opened with Python's own ``open`` while a
connection to it may exist: closing it would drop the locks that SQLite holds on it in this process (POSIX advisory
locks, https://sqlite.org/howtocorrupt.html, section 2.2). What is needed of it is read through SQLite.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.failures import vault_error_of
from zorivest_async.database.files import new_file, publish, sync_file, typed_os_errors
from zorivest_async.database.models import SCHEMA_VERSION, Base
from zorivest_async.database.search_schema import create_statements, trigger_statements
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

PAGE_BYTES: Final = 4096
"""SQLCipher 4's page size; no vault is smaller."""

_PLAINTEXT_HEADER: Final = b"SQLite format 3\0"
"""The first 16 bytes of an unencrypted database (https://sqlite.org/fileformat.html)."""

_NO_KEY: Final = VaultKey(bytes(32))
"""Any raw key does to read the salt."""


def read_salt(path: Path) -> bytes:
    """Return the 16 bytes at the start of a vault, the first of which names a :class:`KdfProfile`.

    Raises:
        VaultNotFoundError: There is no file.
        NotAVaultError: It is a folder, too short to be a vault, or names no profile.
        NotEncryptedError: It is a plaintext SQLite database.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise VaultNotFoundError(path) from None
    if not path.is_file():
        raise NotAVaultError(path, "this is a folder or a device, not a vault")
    # SQLCipher makes up a salt for a file that is too short to have one.
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
    """Return the first 16 bytes of a file that has as many."""
    try:
        with closing(sqlcipher.connect(vault_uri(path), uri=True)) as raw:
            raw.execute("PRAGMA cipher_log = OFF")
            raw.set_key(_NO_KEY.raw_key_spec())
            return bytes.fromhex(raw.execute("PRAGMA cipher_salt").fetchone()[0])
    except sqlcipher.OperationalError as error:
        raise VaultError(path, "the file cannot be opened; its permissions may forbid it") from error


def new_vault_key(credentials: Credentials, profile: KdfProfile) -> VaultKey:
    """Return a key for a new file, with a fresh salt; Argon2 runs here.

    Raises:
        ConfigurationError: The passphrase or the key cannot be one.
    """
    return credentials.vault_key(new_salt(profile))


def derive_file_key(path: Path, credentials: Credentials) -> VaultKey:
    """Return the key that opens an existing file, if anything does; Argon2 runs here, as the file's salt names it.

    Raises:
        VaultError: As :func:`read_salt`.
        ConfigurationError: The passphrase or the key cannot be one.
    """
    return credentials.vault_key(read_salt(path))


def check_key(path: Path, key: VaultKey) -> None:
    """Check that a key opens a file.

    Raises:
        WrongPassphraseError: It opens no page of the file.
        VaultDamagedError: It opens some, but not the first.
    """
    with open_existing(path, key):
        pass


def check_schema(path: Path, key: VaultKey) -> int:
    """Check that a key opens a vault, and that no newer release wrote it; return the version of its schema.

    Raises:
        VaultError: As :func:`check_key`.
        NotAVaultError: The database is not a journal.
        VaultVersionError: A newer release wrote it.
    """
    with open_existing(path, key) as raw:
        return require_schema(raw, path)


def require_schema(raw: sqlcipher.Connection, path: Path) -> int:
    """Check that a database is a vault, and that no newer release wrote it; return the version of its schema.

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
    """Open a reading connection to a file for the length of the block, and raise what goes wrong as what it says.

    Args:
        path: The file.
        key: Its key.
        uri: What SQLite opens, where the path alone does not say how.
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
    """Return the error that says why a key does not open a file: SQLCipher answers alike for a damaged first page.

    Args:
        path: The file.
        key: The key.
        uri: What SQLite opens, where the path alone does not say how.
    """
    opens_some_page = len(bad_pages(uri or vault_uri(path), key)) < path.stat().st_size // PAGE_BYTES
    return VaultDamagedError(path) if opens_some_page else WrongPassphraseError(path)


def bad_pages(uri: str, key: VaultKey) -> list[str]:
    """Return a sentence for each page in a file that does not authenticate under a key; works on any file."""
    with closing(sqlcipher.connect(uri, uri=True, check_same_thread=False)) as raw:
        raw.execute("PRAGMA cipher_log = OFF")
        raw.set_key(key.raw_key_spec())
        return [row[0] for row in raw.execute("PRAGMA cipher_integrity_check")]


def create_file(path: Path, key: VaultKey, fill: Callable[[sqlcipher.Connection], object]) -> bool:
    """Create an encrypted file that appears under its name complete, or not at all.

    Args:
        path: Where; nothing must be there.
        key: Its key; the salt becomes the first 16 bytes.
        fill: Writes the contents.

    Returns:
        Whether it was created: ``False`` where something was there already, which is left alone.

    Raises:
        VaultNotFoundError: The folder does not exist.
        VaultFullError: The disk is full.
        VaultError: The folder cannot be written to.
    """
    with typed_os_errors(path), new_file(path) as temporary:
        with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
            fill(raw)
        sync_file(temporary)
        try:
            publish(temporary, path)
        except FileExistsError:
            return False
    return True


def create_schema(raw: sqlcipher.Connection) -> None:
    """Write the tables of a vault, their index, and the marks that tell it from other databases, in one transaction."""
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
    tables = Base.metadata.sorted_tables
    indexes = sorted((index for table in tables for index in table.indexes), key=lambda index: str(index.name))
    return (
        *(str(CreateTable(table).compile(dialect=dialect)) for table in tables),
        *(str(CreateIndex(index).compile(dialect=dialect)) for index in indexes),
        *create_statements(sqlcipher.sqlite_version_info),
        *trigger_statements(),
    )
