"""ORM session of a unit of work, on the transaction of its repositories."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.util.concurrency import await_

from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.sqlalchemy_internals import RoutedSession

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.orm import SessionTransaction

__all__ = ["JoinedSession"]


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
        with self._savepoint():
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
