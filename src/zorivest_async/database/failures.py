"""From SQLAlchemy's errors to the library's: one table, most specific first."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.domain.tracebacks import forget_locals
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
    from pathlib import Path
    from types import TracebackType

__all__ = ["LOST", "result_code", "translated", "translation_of", "vault_error_of"]

LOST: Final = "the transaction was lost when an earlier statement was cancelled or met damage; roll back to go on"
"""What is wrong with whatever comes after such a statement."""

_BY_MESSAGE: Final[tuple[tuple[str, type[RepositoryError]], ...]] = (
    ("UNIQUE constraint failed", DuplicateError),
    ("PRIMARY KEY constraint failed", DuplicateError),
    ("FOREIGN KEY constraint failed", ForeignKeyError),
)
"""SQLite's words for constraints: the driver reports no extended result code that would tell them apart."""

_NOT_STORED: Final = {
    "Trade": "its account is not stored; save the account first",
    "BalanceSnapshot": "its account is not stored; save the account first",
    "TradeReport": "its trade is not stored; save the trade first",
    "TradePlan": "its account or trade is not stored; save that first",
    "WatchlistItem": "its watchlist is not stored; save the watchlist first",
}
"""What a foreign key means, by entity: deleting one of these never leaves a reference to it."""

_BY_RESULT_CODE: Final[dict[int, type[VaultError]]] = {
    sqlite3.SQLITE_BUSY: VaultBusyError,
    sqlite3.SQLITE_LOCKED: VaultBusyError,
    sqlite3.SQLITE_FULL: VaultFullError,
    sqlite3.SQLITE_CORRUPT: VaultDamagedError,
    sqlite3.SQLITE_NOTADB: VaultDamagedError,
    sqlite3.SQLITE_CANTOPEN: VaultNotFoundError,
}
"""Primary result codes (https://sqlite.org/rescode.html)."""

_NOTHING_STORED: Final = f"{VaultFullError.problem}; nothing of the transaction was stored"
"""Not that it was rolled back: SQLite may undo the statement alone, and the rest may be committed yet."""


def result_code(error: BaseException | None) -> int:
    """Return the primary result code of a driver error: the low byte; 0 where it has none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def vault_error_of(error: Exception, path: Path | None) -> VaultError:
    """Return the library's error that says what an error of the bare driver says about a file."""
    kind = _BY_RESULT_CODE.get(result_code(error))
    return VaultError(path, f"the file could not be used: {error}") if kind is None else kind(path)


class translated:  # noqa: N801 - used like a function; a generator would take longer than some statements do
    """Raise the library's error for any error of SQLAlchemy or the driver; ``CancelledError`` passes untouched.

    Args:
        entity: What the block is about.
        key: Its identifier.
    """

    __slots__ = ("_entity", "_key")

    def __init__(self, entity: str | None = None, key: Any = None) -> None:
        self._entity = entity
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, exc.SQLAlchemyError | sqlcipher.Error):
            if isinstance(error, exc.StatementError):
                error.params, error.hide_parameters = None, True  # rows have no place in a traceback
            forget_locals(error)  # where they are, on the way to the driver
            raise translation_of(error, self._entity, self._key) from error


def translation_of(
    error: exc.SQLAlchemyError | sqlcipher.Error, entity: str | None = None, key: Any = None
) -> ZorivestError:
    """Return the library's error that says what another one says, without its statement or parameters."""
    cause: BaseException | None = error
    if isinstance(error, exc.SQLAlchemyError):
        if not isinstance(error, exc.DBAPIError):
            return _translation_of_sqlalchemys_own(error, entity, key)
        cause = error.orig
    message = str(cause)
    for words, kind in _BY_MESSAGE:
        if words in message:
            return kind(entity, key, _NOT_STORED.get(entity or "") if kind is ForeignKeyError else None)
    code = result_code(cause)
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnlyError(entity, key)
    if code == sqlite3.SQLITE_IOERR:
        return VaultError(None, "the disk failed; the transaction was rolled back")
    if code in _BY_RESULT_CODE:
        return _BY_RESULT_CODE[code](problem=_NOTHING_STORED if code == sqlite3.SQLITE_FULL else None)
    return RepositoryError(entity, key, f"the database refused the statement ({type(error).__name__}: {message})")


def _translation_of_sqlalchemys_own(error: exc.SQLAlchemyError, entity: str | None, key: Any) -> ZorivestError:
    if isinstance(error, exc.TimeoutError):  # of the pool
        return VaultBusyError()
    if isinstance(error, exc.PendingRollbackError):
        return RepositoryError(entity, key, LOST)
    return RepositoryError(entity, key, f"SQLAlchemy refused the statement ({type(error).__name__})")
