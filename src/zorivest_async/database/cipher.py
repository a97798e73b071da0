"""Opening a raw connection to a vault file, and the settings it works with.

The key goes to SQLCipher as a raw key through ``set_key(bytearray)``, which is zeroed afterwards: PBKDF2 never runs,
and no URL, SQL text, log or trace callback ever sees a key.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.errors import ConfigurationError, MissingDependencyError, VaultNotFoundError, WrongPassphraseError

if TYPE_CHECKING:
    from os import PathLike

    from zorivest_async.security import VaultKey

__all__ = ["ConnectionSettings", "Durability", "open_cipher", "open_cipher_as", "require_safe_driver", "vault_uri"]

_ConnectionT = TypeVar("_ConnectionT", bound=sqlcipher.Connection)

Durability: TypeAlias = Literal["full", "normal"]
"""Whether a commit is synced to the disk before it returns, or may be lost when the power fails."""

OLDEST_SAFE_SQLITE: Final = (3, 51, 3)
"""Older ones may corrupt a database in WAL mode (https://sqlite.org/wal.html#walresetbug)."""

WRITER_BUSY_SLICE_MS: Final = 20
"""SQLite's own wait cannot be interrupted, so it is kept short; the dialect tries again between slices."""

READER_BUSY_SLICE_MS: Final = 250
"""A reader waits for nobody but a process that recovers the WAL."""

JOURNAL_SIZE_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""A WAL that a slow reader let grow is cut back to its usual size (1,000 pages of 4 KiB) once it has been used up."""


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How connections to a vault behave.

    Attributes:
        read_only: Refuse writes, and begin transactions without asking for the write lock.
        durability: ``"full"`` syncs each commit to the disk before it returns; ``"normal"`` may lose the last commits
            when the power fails, and is never corrupt.
        busy_timeout_s: How long to try for the write lock while another process has it, in seconds.
        journal_mode: ``"WAL"``; an in-memory vault has none.
    """

    read_only: bool = False
    durability: Durability = "full"
    busy_timeout_s: float = 30.0
    journal_mode: Literal["WAL", "MEMORY"] = "WAL"

    def __post_init__(self) -> None:
        if self.durability not in ("full", "normal"):
            raise ConfigurationError('durability must be "full" or "normal"')
        if not self.busy_timeout_s >= 0:
            raise ConfigurationError("busy_timeout_s must be zero or more seconds")

    @property
    def begin_statement(self) -> str:
        """What a transaction begins with: a writer takes the lock at once, so that it cannot fail half-way."""
        return "BEGIN" if self.read_only else "BEGIN IMMEDIATE"

    def pragmas(self) -> list[str]:
        """Return the statements that prepare a fresh, keyed connection, in order."""
        full = self.durability == "full"
        statements = [
            "PRAGMA cipher_compatibility = 4",
            f"PRAGMA busy_timeout = {READER_BUSY_SLICE_MS if self.read_only else WRITER_BUSY_SLICE_MS}",
            "PRAGMA temp_store = MEMORY",  # a temporary file would be plaintext
            f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}",
            "PRAGMA foreign_keys = ON",
            "PRAGMA recursive_triggers = ON",  # what REPLACE deletes leaves the search index, too
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


@cache
def require_safe_driver() -> None:
    """Refuse to work without a driver that encrypts and does not corrupt.

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
    """Return the SQLite URI of a file; without ``create`` a missing file is an error and not an empty database."""
    return f"{Path(path).absolute().as_uri()}?mode={'rwc' if create else 'rw'}"


def open_cipher(uri: str, key: VaultKey, settings: ConnectionSettings) -> sqlcipher.Connection:
    """Open, key and prepare a raw connection; see :func:`open_cipher_as`."""
    return open_cipher_as(sqlcipher.Connection, uri, key, settings)


def open_cipher_as(kind: type[_ConnectionT], uri: str, key: VaultKey, settings: ConnectionSettings) -> _ConnectionT:
    """Open, key and prepare a raw connection; blocks for about a millisecond, so call it on a thread.

    Raises:
        WrongPassphraseError: The key does not open the file.
        VaultNotFoundError: There is no file, or no folder for a new one.
        MissingDependencyError: As :func:`require_safe_driver`.
    """
    require_safe_driver()
    try:
        raw = sqlcipher.connect(uri, uri=True, isolation_level=None, check_same_thread=False, factory=kind)
    except sqlcipher.OperationalError as error:
        raise VaultNotFoundError(None, "the vault's file or its folder does not exist or cannot be opened") from error
    try:
        raw.execute("PRAGMA cipher_log = OFF")  # it would go to stderr
        spec = key.raw_key_spec()
        try:
            raw.set_key(spec)
        finally:
            spec[:] = bytes(len(spec))
        for statement in settings.pragmas():
            raw.execute(statement)
        raw.execute("SELECT count(*) FROM sqlite_master")
    except BaseException as error:
        raw.close()
        if isinstance(error, sqlcipher.DatabaseError) and "not a database" in str(error):
            raise WrongPassphraseError from error
        raise
    return raw
