"""Errors of the driver that are also errors of :mod:`sqlite3`: ``except aiosqlite.IntegrityError`` catches them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

if TYPE_CHECKING:
    from zorivest_async.errors import VaultError

__all__ = ["TryAgainError", "as_both"]


class TryAgainError(Exception):
    """A connection cannot be opened yet; this error never leaves the driver.

    Attributes:
        reason: The error to raise when the time to try again is over.
    """

    def __init__(self, reason: VaultError) -> None:
        super().__init__()
        self.reason = reason


class DatabaseError(sqlcipher.DatabaseError, sqlite3.DatabaseError):
    """The error of this name, of both modules."""


class DataError(sqlcipher.DataError, sqlite3.DataError):
    """The error of this name, of both modules."""


class IntegrityError(sqlcipher.IntegrityError, sqlite3.IntegrityError):
    """The error of this name, of both modules."""


class InterfaceError(sqlcipher.InterfaceError, sqlite3.InterfaceError):
    """The error of this name, of both modules."""


class InternalError(sqlcipher.InternalError, sqlite3.InternalError):
    """The error of this name, of both modules."""


class NotSupportedError(sqlcipher.NotSupportedError, sqlite3.NotSupportedError):
    """The error of this name, of both modules."""


class OperationalError(sqlcipher.OperationalError, sqlite3.OperationalError):
    """The error of this name, of both modules."""


class ProgrammingError(sqlcipher.ProgrammingError, sqlite3.ProgrammingError):
    """The error of this name, of both modules."""


class Warning(sqlcipher.Warning, sqlite3.Warning):  # noqa: A001 - the name that it has in PEP 249
    """The error of this name, of both modules."""


_BOTH: Final[dict[type[Exception], type[Exception]]] = {
    sqlcipher.DatabaseError: DatabaseError,
    sqlcipher.DataError: DataError,
    sqlcipher.IntegrityError: IntegrityError,
    sqlcipher.InterfaceError: InterfaceError,
    sqlcipher.InternalError: InternalError,
    sqlcipher.NotSupportedError: NotSupportedError,
    sqlcipher.OperationalError: OperationalError,
    sqlcipher.ProgrammingError: ProgrammingError,
    sqlcipher.Warning: Warning,
}


def as_both(error: Exception) -> Exception:
    """Return an error of the driver as one of both modules, with its traceback; any other error unchanged."""
    kind = _BOTH.get(type(error))
    if kind is None:
        return error
    both = kind(*error.args)
    both.__dict__.update(error.__dict__)
    return both.with_traceback(error.__traceback__)
