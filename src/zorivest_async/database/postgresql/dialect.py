"""``postgresql+zorivest``: SQLAlchemy's dialect for asyncpg, over a connection whose transactions belong to a journal.

Its connections have the library's own transaction (:class:`~zorivest_async.database.postgresql.adapter
.ServerTransaction`), which both units of work and SQLAlchemy use: it alone sends ``BEGIN``, ``COMMIT`` and savepoints.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    AsyncAdapt_asyncpg_cursor,
    AsyncAdapt_asyncpg_dbapi,
    AsyncAdapt_asyncpg_ss_cursor,
    AsyncpgBigInteger,
    AsyncpgFloat,
    PGCompiler_asyncpg,
    PGDialect_asyncpg,
)
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.util.concurrency import await_, in_greenlet

from zorivest_async.database.models import Base
from zorivest_async.database.postgresql.adapter import JournalSettings, ServerTransaction
from zorivest_async.database.postgresql.insertions import image_insertion
from zorivest_async.database.postgresql.plans import chunks_of
from zorivest_async.database.postgresql.stored_values import StoredValues, refuse
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["ServerDialect", "keys_of"]

OURS: Final = frozenset(Base.metadata.tables)
"""Names of the library's tables, whose keys begin with the journal's number."""


class _Float(AsyncpgFloat):
    """Number, which asyncpg reads as a ``float`` already."""

    def result_processor(self, dialect: Any, coltype: Any) -> None:  # noqa: ARG002
        return None


class _Compiler(PGCompiler_asyncpg):
    """SQLAlchemy's compiler, which knows that the keys of the library's tables have the journal's number, too."""

    def _on_conflict_target(self, clause: Any, **options: Any) -> str:
        target: str = super()._on_conflict_target(clause, **options)  # type: ignore[no-untyped-call]
        table = self.current_executable.table if hasattr(self, "current_executable") else None
        if target.startswith("(") and getattr(table, "name", None) in OURS:
            return f"(journal_id, {target[1:]}"
        return target


class _Cursor(AsyncAdapt_asyncpg_cursor):
    """Cursor that sends through the connection's transaction."""

    __slots__ = ()

    async def _prepare_and_execute(self, operation: Any, parameters: Any) -> None:
        connection: Any = self._adapt_connection
        async with connection._execute_mutex:  # noqa: SLF001 - SQLAlchemy's way
            try:
                transaction: ServerTransaction = connection.transaction
                operation, parameters = await _in_chunks(operation, parameters or (), transaction.keys)
                rows, self._rowcount, columns = await transaction.execute(operation, parameters, is_own=False)
            except Exception as error:  # noqa: BLE001 - SQLAlchemy maps it
                self._handle_exception(error)  # type: ignore[no-untyped-call]
            self._description = cast("Any", _described(columns))
            self._rows = deque(rows)

    async def _executemany(self, operation: Any, seq_of_parameters: Sequence[Any]) -> None:
        connection: Any = self._adapt_connection
        self._description = None
        async with connection._execute_mutex:  # noqa: SLF001 - SQLAlchemy's way
            try:
                transaction: ServerTransaction = connection.transaction
                if image_insertion(operation) is None:
                    self._rowcount = await transaction.send_rows(operation, [tuple(row) for row in seq_of_parameters])
                else:
                    self._rowcount = 0
                    for row in seq_of_parameters:
                        own = await _in_chunks(operation, row, transaction.keys)
                        self._rowcount += (await transaction.execute(*own, is_own=False))[1]
            except Exception as error:  # noqa: BLE001
                self._handle_exception(error)  # type: ignore[no-untyped-call]


async def _in_chunks(operation: str, parameters: Sequence[Any], keys: JournalKeys) -> tuple[str, Sequence[Any]]:
    """Return a statement and its values; those that insert an image have its original in chunks."""
    found = image_insertion(operation)
    if found is None:
        return operation, parameters
    values = list(parameters)
    if not isinstance(values[found.original], list):
        if keys.binds:
            raise refuse()
        values[found.original] = await chunks_of(values[found.original], None, keys)
    return found.text, values


class _StreamingCursor(AsyncAdapt_asyncpg_ss_cursor):
    """Cursor that fetches in chunks, and ends with its transaction."""

    __slots__ = ("_number",)

    async def _prepare_and_execute(self, operation: Any, parameters: Any) -> None:
        connection: Any = self._adapt_connection
        async with connection._execute_mutex:  # noqa: SLF001 - SQLAlchemy's way
            try:
                transaction: ServerTransaction = connection.transaction
                self._cursor, columns = await transaction.cursor_of(operation, parameters or ())
                self._number = transaction.number
            except Exception as error:  # noqa: BLE001
                self._handle_exception(error)  # type: ignore[no-untyped-call]
            self._description = cast("Any", _described(columns))
            self._rowcount = -1

    def _require_open(self) -> None:
        connection: Any = self._adapt_connection
        transaction: ServerTransaction = connection.transaction
        if self._cursor is None or not transaction.has_savepoints or transaction.number != self._number:
            raise connection.dbapi.InterfaceError("the cursor has ended with its transaction")

    def _buffer_rows(self) -> None:
        self._require_open()
        super()._buffer_rows()  # type: ignore[no-untyped-call]

    def fetchmany(self, size: int | None = None) -> Any:
        """Return the next rows."""
        self._require_open()
        return super().fetchmany(size)  # type: ignore[no-untyped-call]

    def fetchall(self) -> Any:
        """Return the rows that are left."""
        self._require_open()
        return super().fetchall()  # type: ignore[no-untyped-call]


def _described(columns: Sequence[Any]) -> list[tuple[Any, ...]] | None:
    return [(column.name, column.type.oid, None, None, None, None, None) for column in columns] or None


class ServerConnection(AsyncAdapt_asyncpg_connection):
    """DB-API connection of a journal.

    Attributes:
        transaction: The transaction, which units of work use without SQLAlchemy.
    """

    __slots__ = ("transaction",)

    _cursor_cls = _Cursor
    _ss_cursor_cls = _StreamingCursor

    def __init__(self, dbapi: Any, connection: Any, *, settings: JournalSettings, **options: Any) -> None:
        super().__init__(dbapi, connection, **options)  # type: ignore[no-untyped-call]
        self.transaction = ServerTransaction(connection, settings, self._use)

    def _use(self, connection: Any) -> None:
        self._connection = connection

    def commit(self) -> None:
        """Commit, if anything was sent."""
        answer = self.transaction.committing()
        if answer is not None:
            await_(_done(answer))

    def rollback(self) -> None:
        """Roll back, if anything was sent."""
        answer = self.transaction.rolling_back()
        if answer is not None:
            await_(_done(answer))

    def set_isolation_level(self, level: Any) -> None:
        """Select transactions, whose level is the engine's, or none (``AUTOCOMMIT``)."""
        self.rollback()
        self.isolation_level = self._isolation_setting = level
        self.transaction.autocommit = level == "autocommit"

    def close(self) -> None:
        """Close the connection, without waiting for the server, which rolls back and may not answer."""
        await_(self._terminate_graceful_close())

    async def _terminate_graceful_close(self) -> None:
        self._connection.terminate()
        await asyncio.sleep(0)  # in which the event loop closes the socket


def keys_of(dialect: Any) -> JournalKeys:
    """Return the keys of the journal of an engine's dialect."""
    keys: JournalKeys | None = dialect.keys
    if keys is None:
        raise ConfigurationError("postgresql+zorivest is for Vault.connect(), which gives it a journal")
    return keys


async def _done(answer: Any) -> None:
    await answer


class _DBAPI(AsyncAdapt_asyncpg_dbapi):
    """asyncpg in the form that SQLAlchemy expects, whose connections belong to a journal."""

    def connect(self, *_arguments: Any, **options: Any) -> ServerConnection:
        """Open a connection with the engine's creator.

        Raises:
            ConfigurationError: The engine is not a vault's.
        """
        settings = options.pop("journal_settings", None)
        if not isinstance(settings, JournalSettings):
            raise ConfigurationError("postgresql+zorivest is for Vault.connect(), which gives it a journal")
        if not in_greenlet():
            raise MissingGreenlet("a connection cannot be opened here")
        return await_(ServerConnection.create(self, settings.connect(), settings=settings))


class ServerDialect(PGDialect_asyncpg):
    """The dialect behind ``postgresql+zorivest://``."""

    driver = "zorivest"
    keys: JournalKeys | None = None
    """The keys of the journal; ``None`` in the dialect that compiles the library's own statements."""

    supports_statement_cache = True
    statement_compiler = _Compiler
    default_isolation_level = "READ COMMITTED"  # what a connection returns to from AUTOCOMMIT

    colspecs = {  # noqa: RUF012 - SQLAlchemy's way
        **PGDialect_asyncpg.colspecs,
        sqltypes.Integer: AsyncpgBigInteger,
        sqltypes.Float: _Float,
    }

    @property
    def confidence(self) -> StoredValues:
        """How statements of SQLAlchemy's store confidential values."""
        return StoredValues(self.keys)

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return asyncpg as a DB-API module."""
        return _DBAPI(__import__("asyncpg"))  # type: ignore[no-untyped-call]

    def do_begin(self, dbapi_connection: Any) -> None:
        """Announce a transaction; its first statement opens it."""
        dbapi_connection.transaction.begin()

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Return whether the connection is open; a lost one is opened again with its next transaction."""
        return not dbapi_connection.transaction.raw.is_closed()

    def do_rollback_to_savepoint(self, connection: Any, name: Any) -> None:
        """Roll back to a savepoint, unless its transaction has ended, as everything is undone then."""
        if connection.connection.dbapi_connection.transaction.has_savepoints:
            super().do_rollback_to_savepoint(connection, name)  # type: ignore[no-untyped-call]

    def on_connect(self) -> None:
        """Do nothing: the call that opens a connection also sets its codecs."""

    def initialize(self, connection: Any) -> None:
        """Note the server's version, without the questions that a dialect asks an unknown server."""
        version = connection.connection.dbapi_connection.transaction.raw.get_server_version()
        self.server_version_info = (version.major, version.minor)
        self.default_schema_name = "public"
        self._backslash_escapes = False


registry.register("postgresql.zorivest", __name__, ServerDialect.__name__)
