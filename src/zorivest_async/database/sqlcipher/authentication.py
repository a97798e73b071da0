"""Checks whether all pages that a connection has read authenticated; call them on the connection's thread."""

from __future__ import annotations

import sqlite3
from typing import Final, Protocol

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.raw_connection import without_hooks

__all__ = ["AUTHENTIC", "CIPHER_STATUS", "damage_behind", "damaged_page", "is_authentic", "require_authentic"]

CIPHER_STATUS: Final = "PRAGMA cipher_status"
"""Asks whether the connection has a key, and every page that it has read authenticated."""

AUTHENTIC: Final = "1"
"""The answer "yes"; "0" is "no" (https://www.zetetic.net/sqlcipher/sqlcipher-api/#cipher_status)."""


class _Reader(Protocol):
    def require_authentic(self) -> None: ...


def is_authentic(raw: sqlcipher.Connection) -> bool:
    """Return whether the connection has a key, and every page that it has read authenticated."""
    with without_hooks(raw):
        cursor = sqlcipher.Cursor(raw)
        cursor.row_factory = None
        ((status,),) = cursor.execute(CIPHER_STATUS).fetchall()
        return bool(status == AUTHENTIC)


def damaged_page() -> sqlcipher.DatabaseError:
    """Return the error of a page that does not authenticate. The connection reads nothing more."""
    damaged = sqlcipher.DatabaseError("a page of the database does not authenticate")
    damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return damaged


def require_authentic(raw: sqlcipher.Connection) -> None:
    """Check that every page that a keyed connection has read authenticated.

    Raises:
        sqlcipher3.dbapi2.DatabaseError: A page did not authenticate. The connection reads nothing more.
    """
    if not is_authentic(raw):
        raise damaged_page()


def damage_behind(error: MemoryError, connection: _Reader | None) -> sqlcipher.DatabaseError:
    """Return the driver's error for the cause of a ``MemoryError``: a damaged page, or a lack of memory.

    SQLCipher answers "out of memory" to every call after a page that did not authenticate. SQLite does so if a damaged
    search index announces a text of gigabytes.
    """
    if connection is not None:
        try:
            connection.require_authentic()
        except sqlcipher.DatabaseError as damage:
            return damage
        except MemoryError:
            pass  # there is not enough memory even for the check
    shortage = sqlcipher.OperationalError("out of memory")
    shortage.sqlite_errorcode = sqlite3.SQLITE_NOMEM
    shortage.__cause__ = error
    return shortage
