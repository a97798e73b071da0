"""Connection and session of SQLAlchemy that a unit of work lends, for SQL and ORM queries of your own.

Both are on the transaction of its repositories, which only the unit of work ends.
"""

from __future__ import annotations

import re
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util.concurrency import await_, greenlet_spawn

from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.sqlalchemy_internals import RoutedSession
from zorivest_async.errors import UnitOfWorkError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence

    from sqlalchemy import RootTransaction
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import SessionTransaction

__all__ = ["JoinedSession", "LentConnection"]

_ENDS_TRANSACTION: Final = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:COMMIT|END|ROLLBACK(?!\s+(?:TRANSACTION\s+)?TO\b))\b", re.IGNORECASE | re.DOTALL
)
"""Statements that end a transaction (https://sqlite.org/lang_transaction.html), after blanks and comments."""

NOT_YOURS: Final = "this transaction belongs to a unit of work: end it with uow.commit() or uow.rollback()"
"""Message for a statement that would end the transaction."""


class _Closable(Protocol):
    async def aclose(self) -> None: ...


class LentConnection(AsyncConnection):
    """Connection in the transaction of a unit of work.

    The unit of work commits and closes it: ``commit()`` is refused, and ``close()`` does nothing. After its
    ``rollback()`` the unit of work refuses further statements, and the commit, until it is rolled back itself.

    Args:
        async_engine: The engine.
        sync_connection: A connection on which no transaction has begun.
    """

    def __init__(self, async_engine: AsyncEngine, sync_connection: Connection) -> None:
        super().__init__(async_engine, sync_connection)
        self._sync = sync_connection
        self._transaction: RootTransaction | None = None
        self._handles = weakref.WeakSet[_Closable]()
        self._cursors = cursors = list[Any]()

        def watch(_connection: Any, cursor: Any, statement: str, *_more: Any) -> None:
            if _ENDS_TRANSACTION.match(statement):
                raise UnitOfWorkError(NOT_YOURS)
            if getattr(cursor, "server_side", False):
                cursors.append(cursor)

        event.listen(sync_connection, "commit", _refuse_commit)
        event.listen(sync_connection, "before_cursor_execute", watch)

    async def join(self) -> None:
        """Begin the transaction, or join the one that is open on the driver's connection."""
        await self.begin()
        self._transaction = self._sync.get_transaction()

    @property
    def kept(self) -> bool:
        """Whether the transaction is still the original one, and can be committed."""
        sync, transaction = self._sync, self._transaction
        usable = transaction is not None and transaction.is_active and not sync.closed and not sync.invalidated
        return usable and sync.get_transaction() is transaction

    def closed_with_it(self, handle: _Closable) -> None:
        """Register a handle that is closed with the transaction, unless it is closed before."""
        self._handles.add(handle)

    async def close_handles(self) -> None:
        """Close the handles that are still open: BLOBs, and cursors that fetch in chunks."""
        for handle in list(self._handles):
            await handle.aclose()
        for cursor in self._cursors:
            await greenlet_spawn(cursor.close)

    def commit_now(self) -> None:
        """Commit, for the unit of work; runs in a greenlet."""
        event.remove(self._sync, "commit", _refuse_commit)
        self._sync.commit()

    def close_now(self) -> None:
        """Close the connection, whose transaction has ended; runs in a greenlet."""
        self._sync.close()

    def roll_back_and_close(self) -> None:
        """Close the connection, and roll back uncommitted changes; runs in a greenlet."""
        sync = self._sync
        if not sync.closed and not sync.invalidated:
            # SQLAlchemy skips the rollback after a failed commit.
            sync.dialect.do_rollback(sync.connection)
        sync.close()

    async def commit(self) -> None:
        """Refuse to commit.

        Raises:
            UnitOfWorkError: Always.
        """
        raise UnitOfWorkError(NOT_YOURS)

    async def close(self) -> None:
        """Do nothing: the unit of work returns the connection to its pool when it ends."""


def _refuse_commit(_connection: Connection) -> None:
    raise UnitOfWorkError(NOT_YOURS)


class JoinedSession(RoutedSession):
    """A session on the unit of work's connection, which it finds when it first needs one.

    Each flush has a savepoint. Without it, a failed flush would roll back the whole transaction, including the changes
    of repositories.
    """

    def __init__(self, *, open_connection: Callable[[], Coroutine[Any, Any, AsyncConnection]], **options: Any) -> None:
        super().__init__(**options)
        self._find_connection = open_connection
        self._opening_savepoint = False

    def open_connection(self) -> Connection:
        """Return the unit of work's connection."""
        return cast("Connection", await_(self._find_connection()).sync_connection)

    def begin(self, nested: bool = False) -> SessionTransaction:
        """As SQLAlchemy's, but a savepoint is sent at once, as repositories use the connection without the session."""
        if not nested:
            return super().begin()
        connection = self.connection()
        BACKENDS[connection.dialect.name].keep_transaction_open(connection)
        savepoint = super().begin(nested=True)
        self.connection()
        return savepoint

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Send added, changed and deleted objects; a flush that the database refuses is rolled back alone."""
        if self._opening_savepoint or not (self.new or self.dirty or self.deleted):
            return
        changed = [*self.new, *self.dirty]
        with self._savepoint():
            connection = self.connection()
            with BACKENDS[connection.dialect.name].flushing(connection, changed):
                super().flush(objects)

    def bulk_save_objects(self, *arguments: Any, **options: Any) -> None:
        """As SQLAlchemy's, undone alone where the database refuses it."""
        with self._savepoint():
            super().bulk_save_objects(*arguments, **options)

    def bulk_insert_mappings(self, *arguments: Any, **options: Any) -> None:
        """As SQLAlchemy's, undone alone where the database refuses it."""
        with self._savepoint():
            super().bulk_insert_mappings(*arguments, **options)

    def bulk_update_mappings(self, *arguments: Any, **options: Any) -> None:
        """As SQLAlchemy's, undone alone where the database refuses it."""
        with self._savepoint():
            super().bulk_update_mappings(*arguments, **options)

    @contextmanager
    def _savepoint(self) -> Generator[None]:
        self._opening_savepoint = True  # begin_nested() flushes before it sends SAVEPOINT
        try:
            savepoint = self.begin_nested()
        finally:
            self._opening_savepoint = False
        with savepoint:
            yield
