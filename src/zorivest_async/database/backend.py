"""Interface of a backend: the one seam between repositories and a database such as SQLite or PostgreSQL.

In ``database/``, only the package of a backend contains what is specific to its database. No module imports that
package directly: a backend is looked up by the name of SQLAlchemy's dialect.
"""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from contextlib import AbstractAsyncContextManager, AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Column, Connection, Dialect, Table
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
    from sqlalchemy.sql.expression import ClauseElement
    from sqlalchemy.types import TypeEngine

    from zorivest_async.database.repositories.search_query import SearchQuery
    from zorivest_async.domain.enums import SearchKind
    from zorivest_async.domain.queries import SearchHit
    from zorivest_async.errors import ZorivestError

__all__ = [
    "BACKENDS",
    "Adapter",
    "Backend",
    "BulkInsert",
    "ByteStream",
    "Channel",
    "Confidence",
    "DirectPool",
    "ForeignKey",
    "Loss",
    "Owner",
    "SearchIndex",
    "StatementResult",
    "Written",
]


class StatementResult(NamedTuple):
    """Result of a statement.

    Attributes:
        rows: The rows; none if the statement returns no rows.
        rowcount: Number of changed rows; -1 if the statement cannot change rows.
    """

    rows: list[tuple[Any, ...]]
    rowcount: int


class Loss(Enum):
    """What the transaction of a unit of work has lost by a statement."""

    NONE = "nothing"
    CANCELLED = "a statement was cancelled, so it is unknown what it has changed"
    USELESS = "a statement read a page that does not authenticate, or the connection is closed; it is useless now"


class ForeignKey(NamedTuple):
    """A foreign key.

    Attributes:
        child: The referring table.
        parent: The table that it refers to.
        refuses: Whether it refuses the deletion of the parent's rows; the effects of other actions may be refused in
            turn.
        columns: Columns of the child, each with the parent's column that it refers to.
        is_number: Whether the database compares its values with nothing but whole numbers.
    """

    child: str
    parent: str
    refuses: bool
    columns: tuple[tuple[str, str], ...]
    is_number: bool = False


class Owner(Protocol):
    """The process that an engine's connections belong to."""

    @property
    def left_behind(self) -> bool:
        """Whether the running process is a forked child of this one."""
        ...


class Channel(Protocol):
    """Interface for the statements of one transaction."""

    @property
    def backend(self) -> Backend:
        """The backend of the transaction."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether it holds no connection, which other tasks may wait for."""
        ...

    def send(self, sql: str, values: Sequence[Any], /) -> Awaitable[StatementResult]:
        """Send a statement."""
        ...

    def send_rows(self, sql: str, rows: list[tuple[Any, ...]], /) -> Awaitable[int]:
        """Send a statement once for each row of values, and return the number of rows that it changed."""
        ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo only the statements of the block if it raises an exception."""
        ...

    async def connection(self) -> AsyncConnection:
        """Return the connection, in its transaction."""
        ...


class Written(Protocol):
    """A commit that is written, and that a power failure may still undo."""

    def synced(self) -> asyncio.Future[None]:
        """Request the sync that makes it durable, and return a future, which refuses cancellation."""
        ...


class Adapter(Protocol):
    """A connection of the library's own driver, which a transaction uses without SQLAlchemy.

    Attributes:
        loss: What the transaction has lost; after any loss it must not be committed.
        reads_only: Whether its transactions take no write lock.
    """

    loss: Loss
    reads_only: bool

    @property
    def has_savepoints(self) -> bool:
        """Whether a savepoint may be open, which none is after the end of its transaction."""
        ...

    @property
    def ended_elsewhere(self) -> bool:
        """Whether a statement, and neither the unit of work nor an error, has ended the transaction."""
        ...

    def begin(self, loop: asyncio.AbstractEventLoop | None = None, /, *queues: object) -> None:
        """Announce a transaction, which the next statement opens.

        Args:
            loop: The event loop of the unit of work that it belongs to; ``None`` if it belongs to none.
            queues: The queues for the connection; an ``others_wait`` of theirs says whether a task waits.
        """
        ...

    def send(self, sql: str, values: Sequence[Any], /) -> Awaitable[StatementResult]:
        """Send a statement; cancellation interrupts it."""
        ...

    def send_rows(self, sql: str, rows: list[tuple[Any, ...]], /) -> Awaitable[int]:
        """Send a statement once for each row of values, and return the number of rows that it changed."""
        ...

    def committing(self, *queues: object) -> asyncio.Future[Written | None] | None:
        """Begin to commit, and return a future, which refuses cancellation; ``None`` if nothing was sent.

        If tasks wait in the given queues for the connection, the future's result may be a :class:`Written`: the
        connection can be given back, but the commit is acknowledged only once it is synced.
        """
        ...

    def rolling_back(self) -> asyncio.Future[object] | None:
        """Begin to roll back, and return the future to wait for; see :meth:`committing`."""
        ...

    def abandon(self) -> None:
        """Roll back without waiting, which is enough for a transaction that only read."""
        ...

    def give_up(self) -> None:
        """Roll back at once without waiting; for a forgotten unit of work."""
        ...


class DirectPool(Protocol):
    """A pool from which units of work take idle connections directly, without SQLAlchemy."""

    def take(self, task: asyncio.Task[Any] | None, /) -> ConnectionPoolEntry | None:
        """Take an idle connection for a task; ``None`` if none is idle, or it must be opened again."""
        ...

    def give(self, entry: ConnectionPoolEntry, /) -> None:
        """Give back a connection of :meth:`take`, after its transaction has ended."""
        ...

    def proxy(self, entry: ConnectionPoolEntry, /) -> PoolProxiedConnection:
        """Return SQLAlchemy's proxy for a connection of :meth:`take`; closing the proxy gives the connection back."""
        ...


class ByteStream(Protocol):
    """A reader of a stored value in chunks."""

    async def read(self, size_bytes: int, /) -> bytes:
        """Return up to ``size_bytes`` of the next bytes; none at the end."""
        ...

    async def aclose(self) -> None:
        """Close the reader."""
        ...


class SearchIndex(Protocol):
    """A full-text search index."""

    async def find(
        self, channel: Channel, query: SearchQuery, kinds: Sequence[SearchKind], limit: int | None, offset: int, /
    ) -> list[SearchHit]:
        """Return the hits with all words of a query, best first, with excerpts."""
        ...

    async def rebuild(self, channel: Channel, /) -> None:
        """Rebuild the index from the tables, all of it or nothing."""
        ...


class BulkInsert(Protocol):
    """A bulk insertion into one table, in slices; what the statement does with a stored row is the statement's."""

    async def begin(self) -> None:
        """Prepare an insertion that refuses stored rows, in the savepoint of the slices."""
        ...

    async def send(self, sql: str, rows: list[tuple[Any, ...]], /) -> int:
        """Send the insertion of one row for each row of a slice, and return the number of changed rows."""
        ...

    async def refused_row(self) -> int:
        """Return the index of the refused row in the last slice, counted from 0; only after :meth:`begin`."""
        ...


class Confidence(Protocol):
    """How the statements of SQLAlchemy's store and read confidential values, if the dialect has a ``confidence``."""

    def storing(self, encode: Callable[[Any], Any] | None, /) -> Callable[[Any], Any] | None:
        """Return what makes the stored form of a value.

        Args:
            encode: Makes the text of the value; ``None`` if it is one.
        """
        ...

    def reading(self, decode: Callable[[Any], Any] | None, /, *, is_bytes: bool) -> Callable[[Any], Any] | None:
        """Return what makes the value of a stored form.

        Args:
            decode: Makes the value of its text; ``None`` if it is one.
            is_bytes: Whether the value is bytes, and no text.
        """
        ...

    def joining(self) -> Callable[[Any], Any] | None:
        """Return what makes the original of an image of its chunks; ``None`` if the library's statements do that."""
        ...


class Backend(Protocol):
    """A backend: the operations that differ between databases.

    Attributes:
        dialect: Compiles the library's statements and converts their values.
        errors: Classes of the errors of its driver and of SQLAlchemy.
        no_limit: The value of ``LIMIT`` for no limit.
        rewrites_indexes: Whether an ``UPDATE`` rewrites each index of a column that it names, though the value stays.
        search: The full-text search index.
    """

    dialect: Dialect
    errors: tuple[type[Exception], ...]
    no_limit: int | None
    rewrites_indexes: bool
    search: SearchIndex

    def text_of(self, core: ClauseElement, compiled: Any, /) -> str:
        """Return the SQL of a statement that :attr:`dialect` has compiled, as the driver takes it."""
        ...

    def check_of(self, entity: str, field: str, column: Column[Any], /) -> Callable[[Any], None] | None:
        """Return what raises ``ValidationError`` for a value that a column cannot store; ``None`` if it stores all."""
        ...

    def store_time(self, value: datetime, /) -> Any:
        """Return the driver value of a time; a naive time is UTC. Driver values sort like times."""
        ...

    def read_time(self, stored: Any, /) -> datetime:
        """Return the aware time of a driver value."""
        ...

    def time_to_text(self, stored: Any, /) -> str:
        """Return the driver value of a time as text, for a page token."""
        ...

    def time_from_text(self, text: str, /) -> Any:
        """Return the driver value of a time in a page token; raises ``ValueError`` for another text."""
        ...

    def comparable(self, kind: TypeEngine[Any], convert: Callable[[Any], Any] | None, /) -> Callable[[Any], Any] | None:
        """Return what converts a value to compare with a column; a value that the column cannot have is ``None``."""
        ...

    def owner(self) -> Owner:
        """Return the running process."""
        ...

    def drives(self, dialect: Dialect, /) -> bool:
        """Return whether a dialect uses the library's own driver, whose connections have an :class:`Adapter`."""
        ...

    def keep_transaction_open(self, connection: Connection, /) -> None:
        """Begin a transaction if none is open, so that a savepoint is inside it; runs in a greenlet."""
        ...

    def translation_of(self, error: BaseException | None, entity: str | None, key: Any, /) -> ZorivestError | None:
        """Return the library's error for a driver error; ``None`` if the error is unknown."""
        ...

    def leaves_outcome_unknown(self, error: DBAPIError, /) -> bool:
        """Return whether a commit that failed with an error may still be stored."""
        ...

    async def foreign_keys(self, channel: Channel, /) -> list[ForeignKey]:
        """Return the foreign keys of the schema."""
        ...

    def bulk_insert(self, channel: Channel, table: Table, /) -> BulkInsert:
        """Return a bulk insertion into a table."""
        ...

    async def open_bytes(
        self, connection: AsyncConnection, table: Table, column: str, number: int, start: int, /
    ) -> ByteStream:
        """Open the bytes of a column in the row with a number, for reading from an offset."""
        ...

    def flushing(self, connection: Connection, changed: Sequence[object], /) -> AbstractContextManager[None]:
        """Prepare objects that a session inserts or changes in the block, and index them afterwards; in a greenlet."""
        ...

    def after_create(self, connection: Connection, tables: Collection[Table], /) -> None:
        """Create the other objects of tables that were created: triggers, the search index."""
        ...

    def after_drop(self, connection: Connection, tables: Collection[Table], /) -> None:
        """Drop the other objects of tables that were dropped."""
        ...


_MODULES: Final = {
    "postgresql": "zorivest_async.database.postgresql.backend",
    "sqlite": "zorivest_async.database.sqlcipher.backend",
}
"""Modules of backends by the name of SQLAlchemy's dialect."""


class _Backends(dict[str, Backend]):
    """Backends by the name of the dialect, each imported when it is first used."""

    def __missing__(self, name: str) -> Backend:
        if name not in _MODULES:
            raise ConfigurationError(f"there is no backend for the dialect {name!r}; there are {', '.join(_MODULES)}")
        backend = cast("Backend", import_module(_MODULES[name]).BACKEND)
        return self.setdefault(name, backend)


BACKENDS: Final = _Backends()
"""Backends by dialect: ``BACKENDS[engine.dialect.name]`` is the backend of an engine.

Raises:
    ConfigurationError: There is no backend for this dialect.
"""
