"""From SQLAlchemy's errors to the library's: one table, most specific first."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc

from zorivest_async.errors import (
    DuplicateError,
    ForeignKeyError,
    ReadOnlyError,
    RepositoryError,
    VaultBusyError,
    VaultDamagedError,
    VaultError,
    VaultFullError,
    VaultNotFoundError,
    ZorivestError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["translated", "translation_of"]

_BY_MESSAGE: Final[tuple[tuple[str, type[RepositoryError]], ...]] = (
    ("UNIQUE constraint failed", DuplicateError),
    ("PRIMARY KEY constraint failed", DuplicateError),
    ("FOREIGN KEY constraint failed", ForeignKeyError),
)
"""SQLite's words for constraints: the driver reports no extended result code that would tell them apart."""

_BY_RESULT_CODE: Final[dict[int, Callable[[], VaultError]]] = {
    sqlite3.SQLITE_BUSY: VaultBusyError,
    sqlite3.SQLITE_LOCKED: VaultBusyError,
    sqlite3.SQLITE_FULL: VaultFullError,
    sqlite3.SQLITE_CORRUPT: VaultDamagedError,
    sqlite3.SQLITE_NOTADB: VaultDamagedError,
    sqlite3.SQLITE_CANTOPEN: VaultNotFoundError,
    sqlite3.SQLITE_IOERR: lambda: VaultError(None, "the disk failed to read or write; the transaction was rolled back"),
}
"""Primary result codes (https://sqlite.org/rescode.html)."""


@contextmanager
def translated(entity: str | None = None, key: Any = None) -> Iterator[None]:
    """Raise the library's error for any SQLAlchemy error in the block; ``CancelledError`` passes untouched."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise translation_of(error, entity, key) from error


def translation_of(error: exc.SQLAlchemyError, entity: str | None = None, key: Any = None) -> ZorivestError:
    """Return the library's error that says what a SQLAlchemy error says, without its statement or parameters."""
    if isinstance(error, exc.TimeoutError):
        return VaultBusyError()
    if isinstance(error, exc.PendingRollbackError):
        return RepositoryError(entity, key, "the transaction was lost with a cancelled statement; roll back to go on")
    if not isinstance(error, exc.DBAPIError):
        return RepositoryError(entity, key, f"SQLAlchemy refused the statement ({type(error).__name__})")
    message = str(error.orig)
    for words, kind in _BY_MESSAGE:
        if words in message:
            return kind(entity, key)
    # The low byte is the primary result code.
    code = (getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyError(entity, key)
    if code in _BY_RESULT_CODE:
        return _BY_RESULT_CODE[code]()
    return RepositoryError(entity, key, f"the database refused the statement ({type(error).__name__}: {message})")
