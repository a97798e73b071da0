"""Connection pool of an engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import ReferenceType, WeakSet, ref

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool

from zorivest_async.database.sqlcipher.process import current
from zorivest_async.errors import UnitOfWorkError, VaultForkedError

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

__all__ = ["VaultPool"]

_HOLDER: Final = "zorivest_async.holder"
"""Key of the task that borrowed a connection, in the connection's information."""

WAITS_FOR_ITSELF: Final = (
    "this task holds the engine's only connection itself, in a unit of work or a connection or session of the engine, "
    "and would wait for it forever: inside a unit of work, use 'await uow.connection()' or 'uow.session' instead of "
    "the engine"
)
"""Message if a task requests a connection while it holds the only one itself."""


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # outside an event loop, for example during garbage collection
        return None


class VaultPool(AsyncAdaptedQueuePool):
    """A queue pool from which units of work take idle connections directly, without SQLAlchemy.

    It refuses at once what a task would wait for forever: in a forked child, connections that only the parent can give
    back, and a connection that the task holds itself.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._process = current()
        self._process.pools.add(self)
        self._records = WeakSet[ConnectionPoolEntry]()
        self._taken: dict[ConnectionPoolEntry, ReferenceType[asyncio.Task[Any]]] = {}
        self._connecting = 0

    @property
    def others_wait(self) -> bool:
        """Whether tasks wait for a connection; another thread may ask."""
        return self._connecting > 0

    def _create_connection(self) -> ConnectionPoolEntry:
        record = super()._create_connection()
        self._records.add(record)
        return record

    def end_in_child(self) -> None:
        """In a child, let borrowed connections be collected without a warning: the parent gives them back."""
        for record in cast("Any", self._records):
            record.fairy_ref = None

    def connect(self) -> PoolProxiedConnection:
        """Return SQLAlchemy's proxy of a connection, in the process that created the pool."""
        self._require_process()
        task = _current_task()
        if task is not None and self._is_held_by(task):
            raise UnitOfWorkError(WAITS_FOR_ITSELF)
        self._connecting += 1
        try:
            connection = super().connect()
        finally:
            self._connecting -= 1
        if task is not None and (info := connection.record_info) is not None:
            info[_HOLDER] = ref(task)
        return connection

    def _is_held_by(self, task: asyncio.Task[Any]) -> bool:
        """Return whether a task holds all connections of the pool, so that it would wait for itself."""
        if self.checkedout() < self.size():
            return False
        holders = [(record.record_info or {}).get(_HOLDER) for record in self._records if record.in_use]
        holders += self._taken.values()
        return bool(holders) and all(holder is not None and holder() is task for holder in holders)

    def take(self) -> ConnectionPoolEntry | None:
        """Take an idle connection without SQLAlchemy; ``None`` if none is idle, or SQLAlchemy is needed for it.

        SQLAlchemy is needed if the pool has listeners, or the connection must be opened again.

        Give it back with :meth:`give`. SQLAlchemy's own :meth:`connect` creates a proxy, and resets the connection
        afterwards.
        """
        if self._process.left_behind:
            raise VaultForkedError
        events = self.dispatch
        if not self.checkedin() or events.checkout or events.checkin or events.reset:
            return None
        entry = self._pool.get_nowait()
        if entry.dbapi_connection is None or self._invalidate_time > cast("Any", entry).starttime:
            self._pool.put_nowait(entry)  # connect() opens it again
            return None
        if (task := asyncio.current_task()) is not None:
            self._taken[entry] = ref(task)
        return entry

    def give(self, entry: ConnectionPoolEntry) -> None:
        """Give back a connection of :meth:`take`, after its transaction has ended."""
        self._taken.pop(entry, None)
        self._pool.put_nowait(entry)

    def proxy(self, entry: ConnectionPoolEntry) -> PoolProxiedConnection:
        """Return SQLAlchemy's proxy for a connection of :meth:`take`; closing the proxy gives the connection back."""
        self.give(entry)
        return self.connect()  # the pool is a stack, so this is the same connection

    def dispose(self) -> None:
        """Close the idle connections."""
        self._require_process()
        super().dispose()

    def recreate(self) -> QueuePool:
        """Return a new pool with the same arguments."""
        self._require_process()
        return super().recreate()

    def _require_process(self) -> None:
        if current() is not self._process:  # current() also detects the forks of C programs
            raise VaultForkedError
