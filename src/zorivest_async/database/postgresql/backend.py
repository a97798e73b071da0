"""PostgreSQL as a backend, over the connections of a vault on a server."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from zorivest_async.database.postgresql.bulk import ServerBulkInsert
from zorivest_async.database.postgresql.comparing import comparable
from zorivest_async.database.postgresql.compiling import DIALECT, text_of
from zorivest_async.database.postgresql.dialect import ServerDialect
from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, is_lost, translation_of
from zorivest_async.database.postgresql.flushing import flushing
from zorivest_async.database.postgresql.foreign_keys import foreign_keys
from zorivest_async.database.postgresql.identifiers import check_of
from zorivest_async.database.postgresql.images import ChunkReader
from zorivest_async.database.postgresql.search import WordSearch
from zorivest_async.database.postgresql.times import read_time, store_time
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.errors import NotOnThisBackendError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Dialect, Table
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import AsyncConnection

    from zorivest_async.database.backend import Backend, Channel, SearchIndex

__all__ = ["BACKEND"]


class _ServerBackend:
    """The backend of PostgreSQL; see :class:`~zorivest_async.database.backend.Backend` for its methods."""

    dialect: Dialect = DIALECT
    errors: tuple[type[Exception], ...] = (SQLAlchemyError, *DRIVER_ERRORS)
    no_limit: int | None = None  # https://www.postgresql.org/docs/current/queries-limit.html
    rewrites_indexes = False  # heap-only tuples: https://www.postgresql.org/docs/current/storage-hot.html
    search: SearchIndex = WordSearch()

    text_of = staticmethod(text_of)
    check_of = staticmethod(check_of)
    store_time = staticmethod(store_time)
    read_time = staticmethod(read_time)
    time_to_text = staticmethod(datetime.isoformat)
    time_from_text = staticmethod(read_time)
    comparable = staticmethod(comparable)
    owner = staticmethod(current)
    translation_of = staticmethod(translation_of)
    foreign_keys = staticmethod(foreign_keys)

    def drives(self, dialect: Dialect, /) -> bool:
        if not isinstance(dialect, ServerDialect):
            raise NotOnThisBackendError(
                "SqlAlchemyUnitOfWork", "a journal on a server needs the connections of Vault.connect(); use its engine"
            )
        return True

    def keep_transaction_open(self, connection: Connection, /) -> None:
        """Do nothing: a savepoint is always inside a transaction, which the connection opens."""

    def leaves_outcome_unknown(self, error: DBAPIError, /) -> bool:
        return is_lost(error.orig) or is_lost(getattr(error.orig, "__cause__", None))

    def bulk_insert(self, channel: Channel, table: Table, /) -> ServerBulkInsert:
        return ServerBulkInsert(channel, table)

    async def open_bytes(
        self, connection: AsyncConnection, table: Table, column: str, number: int, start: int, /
    ) -> ChunkReader:
        del table, column  # images are the only streams
        return await ChunkReader.open(connection, number, start)

    def flushing(self, connection: Connection, changed: Sequence[object], /) -> AbstractContextManager[None]:
        return flushing(connection, changed)

    def after_create(self, connection: Connection, tables: Collection[Table], /) -> None:  # noqa: ARG002
        """Refuse: ``zorivest server upgrade`` creates the schema.

        Raises:
            NotOnThisBackendError: Always.
        """
        raise NotOnThisBackendError("Base.metadata.create_all", "run 'zorivest server upgrade' for a server's schema")

    def after_drop(self, connection: Connection, tables: Collection[Table], /) -> None:
        """Do nothing."""


BACKEND: Backend = _ServerBackend()
"""The one backend of PostgreSQL."""
