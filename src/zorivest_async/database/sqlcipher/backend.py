"""SQLite as a backend: through the library's driver for SQLCipher, or through one of SQLAlchemy's drivers."""

from __future__ import annotations

import sqlite3
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, false
from sqlalchemy.exc import SQLAlchemyError
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher import image_owners, search_schema
from zorivest_async.database.sqlcipher.blob import BlobReader
from zorivest_async.database.sqlcipher.bulk import SqliteBulkInsert
from zorivest_async.database.sqlcipher.compiling import DIALECT
from zorivest_async.database.sqlcipher.dialect import SQLiteDialect_aiosqlcipher
from zorivest_async.database.sqlcipher.failures import result_code, translation_of
from zorivest_async.database.sqlcipher.foreign_keys import foreign_keys
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.database.sqlcipher.search import Fts5Search
from zorivest_async.database.sqlcipher.times import from_text, to_text
from zorivest_async.database.tables import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Column, Connection, Dialect, Table
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.expression import ClauseElement
    from sqlalchemy.types import TypeEngine

    from zorivest_async.database.backend import Backend, Channel, SearchIndex

__all__ = ["BACKEND"]


class _SqliteBackend:
    """The backend of SQLite; see :class:`~zorivest_async.database.backend.Backend` for its methods."""

    dialect: Dialect = DIALECT
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, sqlcipher.Error)
    no_limit: int | None = -1  # https://sqlite.org/lang_select.html#limitoffset
    rewrites_indexes = True
    search: SearchIndex = Fts5Search()

    store_time = staticmethod(to_text)
    read_time = staticmethod(from_text)
    owner = staticmethod(current)
    translation_of = staticmethod(translation_of)
    foreign_keys = staticmethod(foreign_keys)

    def text_of(self, core: ClauseElement, compiled: Any, /) -> str:  # noqa: ARG002 - the protocol's
        return str(compiled)

    def check_of(self, entity: str, field: str, column: Column[Any], /) -> None:
        """Return nothing: a key may be of any length."""

    def time_to_text(self, stored: str, /) -> str:
        return stored

    def time_from_text(self, text: str, /) -> str:
        from_text(text)
        return text

    def comparable(self, kind: TypeEngine[Any], convert: Callable[[Any], Any] | None, /) -> Callable[[Any], Any] | None:  # noqa: ARG002 - the protocol's
        return convert

    def drives(self, dialect: Dialect, /) -> bool:
        return isinstance(dialect, SQLiteDialect_aiosqlcipher)

    def keep_transaction_open(self, connection: Connection, /) -> None:
        # The sqlite3 module begins a transaction only before DML. A savepoint without one would be the transaction, and
        # its release would commit (https://docs.python.org/3/library/sqlite3.html#transaction-control).
        if not self.drives(connection.dialect):
            connection.execute(delete(SETTINGS).where(false()))

    def leaves_outcome_unknown(self, error: DBAPIError, /) -> bool:
        return result_code(error.orig) == sqlite3.SQLITE_IOERR

    def bulk_insert(self, channel: Channel, table: Table, /) -> SqliteBulkInsert:
        return SqliteBulkInsert(channel, table)

    async def open_bytes(
        self, connection: AsyncConnection, table: Table, column: str, number: int, start: int, /
    ) -> BlobReader:
        return await BlobReader.open(connection, table.name, column, number, start)

    def flushing(self, connection: Connection, changed: Sequence[object], /) -> AbstractContextManager[None]:
        """Do nothing: the database numbers rows, and triggers update the search index."""
        del connection, changed
        return nullcontext()

    def after_create(self, connection: Connection, tables: Collection[Table], /) -> None:
        search_schema.after_create(connection, tables)
        image_owners.after_create(connection)

    def after_drop(self, connection: Connection, tables: Collection[Table], /) -> None:
        search_schema.after_drop(connection, tables)
        image_owners.after_drop(connection, tables)


BACKEND: Backend = _SqliteBackend()
"""The one backend of SQLite."""
