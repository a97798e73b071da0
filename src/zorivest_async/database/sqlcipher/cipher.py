"""Opening of raw connections to a vault file, and their settings.

SQLCipher receives a raw key through ``set_key(bytearray)``, which is zeroed afterwards. So PBKDF2 never runs, and no
URL, SQL text, log or trace callback contains a key.
"""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.failures import vault_error_of
from zorivest_async.database.sqlcipher.process import FileConnection, connect_as, inside_sqlite
from zorivest_async.database.sqlcipher.reasons import note_reason
from zorivest_async.database.sqlcipher.uris import file_uri, path_of
from zorivest_async.errors import (
    ConfigurationError,
    MissingDependencyError,
    WrongPassphraseError,
)

if TYPE_CHECKING:
    from os import PathLike

    from zorivest_async.security import VaultKey

__all__ = [
    "ConnectionSettings",
    "Durability",
    "open_cipher",
    "open_cipher_as",
    "require_count",
    "require_safe_driver",
    "vault_uri",
]

_ConnectionT = TypeVar("_ConnectionT", bound=FileConnection)

Durability: TypeAlias = Literal["full", "normal"]
"""``"full"``: a commit is synced to the disk before it returns; ``"normal"`` may lose the last in a power failure."""

OLDEST_SAFE_SQLITE: Final = (3, 51, 3)
"""Older ones may corrupt a database in WAL mode (https://sqlite.org/wal.html#walresetbug)."""

WRITER_BUSY_SLICE_MS: Final = 20
"""SQLite's own wait cannot be interrupted, so it is short; the driver tries again between two of them."""

READER_BUSY_SLICE_MS: Final = 250
"""A reader only waits for a process that recovers the WAL."""

JOURNAL_SIZE_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""Size to which a WAL that grew during a long read is truncated after a checkpoint: the usual 1,000 pages of 4 KiB."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Settings of connections to a vault.

    Attributes:
        read_only: Refuse writes, and begin transactions without the write lock.
        durability: ``"full"``: each commit is synced to the disk before it returns, by itself or with others that were
            written before; ``"normal"`` may lose the last commits in a power failure, but is never corrupt.
        busy_timeout_s: How long to wait for the write lock while another process holds it, in seconds.
        journal_mode: ``"WAL"``; ``"MEMORY"`` for a vault in memory.
    """

    read_only: bool = False
    durability: Durability = "full"
    busy_timeout_s: float = 30.0
    journal_mode: Literal["WAL", "MEMORY"] = "WAL"

    def __post_init__(self) -> None:
        if not isinstance(self.durability, str) or self.durability not in ("full", "normal"):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError('durability must be "full" or "normal"')
        timeout_s: object = self.busy_timeout_s
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not timeout_s >= 0:
            raise ConfigurationError("busy_timeout_s must be a number of seconds, zero or more")

    @property
    def begin_statement(self) -> str:
        """The statement that begins a transaction: a writer takes the lock first, so that it cannot fail half-way."""
        return "BEGIN" if self.read_only else "BEGIN IMMEDIATE"

    def pragmas(self) -> list[str]:
        """Return the statements that prepare a new, keyed connection, in order."""
        full = self.durability == "full"
        statements = [
            "PRAGMA cipher_compatibility = 4",
            f"PRAGMA busy_timeout = {READER_BUSY_SLICE_MS if self.read_only else WRITER_BUSY_SLICE_MS}",
            "PRAGMA temp_store = MEMORY",  # a temporary file would be plaintext
            f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}",
            "PRAGMA foreign_keys = ON",
            "PRAGMA recursive_triggers = ON",  # so that rows deleted by REPLACE also leave the search index
            "PRAGMA trusted_schema = OFF",
            "PRAGMA cell_size_check = ON",
            "PRAGMA mmap_size = 0",
            f"PRAGMA journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES}",
            "PRAGMA wal_autocheckpoint = 1000",
        ]
        if sys.platform == "darwin" and full:
            statements.append("PRAGMA fullfsync = ON")  # fsync() alone leaves the data in the drive's cache
        if self.read_only:
            statements.append("PRAGMA query_only = ON")
        else:
            statements.append(f"PRAGMA journal_mode = {self.journal_mode}")
        return statements


def require_count(value: object, name: str) -> None:
    """Check that a setting is a whole number of at least 1.

    Raises:
        ConfigurationError: The setting is invalid.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name} must be at least 1, and a whole number")


@cache
def require_safe_driver() -> None:
    """Check that the driver encrypts, and does not corrupt databases.

    Raises:
        MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.
    """
    if sqlcipher.sqlite_version_info < OLDEST_SAFE_SQLITE:
        oldest = ".".join(map(str, OLDEST_SAFE_SQLITE))
        raise MissingDependencyError(
            f"sqlcipher3 has SQLite {sqlcipher.sqlite_version}; {oldest} or newer is needed: pip install -U sqlcipher3"
        )
    probe = sqlcipher.connect(":memory:")
    try:
        if not any(probe.execute("PRAGMA cipher_version").fetchall()):
            raise MissingDependencyError("sqlcipher3 was built without SQLCipher; a vault is never stored unencrypted")
    finally:
        probe.close()


def vault_uri(path: str | PathLike[str], *, create: bool = False) -> str:
    """Return the SQLite URI of a file; without ``create``, a missing file is an error and not an empty database."""
    return file_uri(Path(path).absolute(), f"mode={'rwc' if create else 'rw'}")


def open_cipher(uri: str, key: VaultKey, settings: ConnectionSettings) -> FileConnection:
    """Open, key and prepare a raw connection; see :func:`open_cipher_as`."""
    return open_cipher_as(FileConnection, uri, key, settings)


def open_cipher_as(kind: type[_ConnectionT], uri: str, key: VaultKey, settings: ConnectionSettings) -> _ConnectionT:
    """Open, key and prepare a raw connection; blocks for about a millisecond, so call it on a thread.

    Raises:
        WrongPassphraseError: The key does not open the file.
        VaultNotFoundError: The file, or the parent directory of a new file, does not exist.
        VaultError: The file cannot be opened.
        VaultForkedError: The parent process had the file open when it forked.
        VaultReplacedError: This process has another file open under that path.
        MissingDependencyError: As for :func:`require_safe_driver`.
    """
    with inside_sqlite():
        return _opened(kind, uri, key, settings)


def _opened(kind: type[_ConnectionT], uri: str, key: VaultKey, settings: ConnectionSettings) -> _ConnectionT:
    require_safe_driver()
    try:
        raw = connect_as(kind, uri)
    except sqlcipher.OperationalError as error:
        path = path_of(uri)
        raise vault_error_of(error, None if path is None else Path(path)) from error
    try:
        raw.execute("PRAGMA cipher_log = OFF")  # the log would be written to stderr
        spec = key.raw_key_spec()
        try:
            raw.set_key(spec)
        finally:
            spec[:] = bytes(len(spec))
        for statement in settings.pragmas():
            raw.execute(statement)
        raw.execute("SELECT count(*) FROM sqlite_master")
    except BaseException as error:
        path = path_of(uri)
        if path is not None and isinstance(error, sqlcipher.Error):
            note_reason(error, Path(path))  # before close(), which would free descriptors
        raw.close()
        if isinstance(error, sqlcipher.DatabaseError) and "not a database" in str(error):
            raise WrongPassphraseError from error
        if isinstance(error, UnicodeDecodeError):  # the driver cannot decode SQLite's message
            malformed = sqlcipher.DatabaseError("malformed database schema: a name in it is not valid UTF-8")
            malformed.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise malformed from None
        raise
    return raw
