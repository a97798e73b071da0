"""Mapping of SQLite's errors to the library's: one table, most specific first."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.sqlcipher.reasons import (
    CANNOT_OPEN,
    NOTHING_STORED,
    reason_of,
    why_not_opened,
    why_not_written,
)
from zorivest_async.errors import (
    DuplicateError,
    ForeignKeyError,
    ReadOnlyError,
    RepositoryError,
    VaultBusyError,
    VaultDamagedError,
    VaultError,
    VaultFullError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.errors import ZorivestError

__all__ = ["result_code", "translation_of", "vault_error_of"]

_BY_MESSAGE: Final[tuple[tuple[str, type[RepositoryError]], ...]] = (
    ("UNIQUE constraint failed", DuplicateError),
    ("PRIMARY KEY constraint failed", DuplicateError),
    ("FOREIGN KEY constraint failed", ForeignKeyError),
)
"""Messages of SQLite for constraints: the driver reports no extended result code that would distinguish them."""

_BY_RESULT_CODE: Final[dict[int, type[VaultError]]] = {
    sqlite3.SQLITE_BUSY: VaultBusyError,
    sqlite3.SQLITE_LOCKED: VaultBusyError,
    sqlite3.SQLITE_FULL: VaultFullError,
    sqlite3.SQLITE_CORRUPT: VaultDamagedError,
    sqlite3.SQLITE_NOTADB: VaultDamagedError,
    sqlite3.SQLITE_CANTOPEN: VaultError,
    sqlite3.SQLITE_IOERR: VaultError,
    sqlite3.SQLITE_NOMEM: VaultError,
}
"""Primary result codes (https://sqlite.org/rescode.html)."""

_FULL: Final = f"{VaultFullError.problem}; {NOTHING_STORED}"

_DISK_FAILED: Final = "the disk failed"

_UNTOLD: Final = {
    sqlite3.SQLITE_CANTOPEN: CANNOT_OPEN,
    sqlite3.SQLITE_IOERR: _DISK_FAILED,
    sqlite3.SQLITE_READONLY: "the file is read-only",
    sqlite3.SQLITE_PERM: "the file is read-only",
}
"""Messages if the system does not show the cause, either."""

_NO_MEMORY: Final = "there is not enough memory for the statement; if the search index asks for it, call verify()"


def result_code(error: BaseException | None) -> int:
    """Return the primary result code of a driver error, the low byte; 0 if it has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def vault_error_of(error: Exception, path: Path | None) -> VaultError:
    """Return the library's error for a driver error about a file."""
    code, reason = result_code(error), reason_of(error)
    if reason is not None:
        return type(reason)(reason.path, reason.problem)
    if code in _UNTOLD:
        if path is not None:
            reason = why_not_opened(path) if code == sqlite3.SQLITE_CANTOPEN else why_not_written(path)
        return reason or VaultError(path, _UNTOLD[code])
    kind = _BY_RESULT_CODE.get(code)
    return VaultError(path, f"the file could not be used: {error}") if kind is None else kind(path)


def translation_of(error: BaseException | None, entity: str | None, key: Any) -> ZorivestError | None:
    """Return the library's error for a driver error; ``None`` if the error is unknown.

    Args:
        error: The error of ``sqlcipher3`` or :mod:`sqlite3`.
        entity: The entity of the statement.
        key: The identifier of the entity.
    """
    message = str(error)
    for words, kind in _BY_MESSAGE:
        if words in message:
            return kind(entity, key)
    reason = reason_of(error)
    if reason is not None:
        return type(reason)(reason.path, reason.problem)
    code = result_code(error)
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyError(entity, key)
    if code in _BY_RESULT_CODE:
        problems = {
            sqlite3.SQLITE_FULL: _FULL,
            sqlite3.SQLITE_CANTOPEN: CANNOT_OPEN,
            sqlite3.SQLITE_IOERR: f"{_DISK_FAILED}; the transaction was rolled back",
            sqlite3.SQLITE_NOMEM: _NO_MEMORY,
        }
        return _BY_RESULT_CODE[code](problem=problems.get(code))
    return None
