"""Connection pool of an engine."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import ReferenceType, WeakSet, ref

from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool
from sqlalchemy.util.concurrency import await_

from zorivest_async.database.sqlalchemy_internals import Empty, Full, IdleQueue
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


class _IdleStack(IdleQueue):
    """LIFO queue of the idle connections of a pool; the last used one has warm caches.

    SQLAlchemy's own queue takes and gives back a connection in some 17 calls.

    Args:
        maxsize: Maximum number of connections; 0 for any number.
        use_lifo: Ignored, as the queue is always LIFO.

    Attributes:
        entries: The idle connections.
        waiting: Tasks that wait for one.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = True) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        self.maxsize, self.use_lifo = maxsize, True
        self.entries: list[ConnectionPoolEntry] = []
        self.waiting = deque[asyncio.Future[None]]()

    def empty(self) -> bool:
        """Return whether no connection is idle."""
        return not self.entries

    def full(self) -> bool:
        """Return whether no further connection may be idle."""
        return 0 < self.maxsize <= len(self.entries)

    def qsize(self) -> int:
        """Return the number of idle connections."""
        return len(self.entries)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        """Add a connection, and wake the first task that waits for one."""
        if self.full():
            raise Full
        self.entries.append(item)
        if self.waiting:
            self.wake_next()

    def put(self, item: ConnectionPoolEntry, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Add a connection; a pool never waits for that."""
        self.put_nowait(item)

    def get_nowait(self) -> ConnectionPoolEntry:
        """Take the connection that was used last."""
        if not self.entries:
            raise Empty
        return self.entries.pop()

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        """Take the connection that was used last; in a greenlet, wait for one up to ``timeout`` seconds."""
        if not block or self.entries:
            return self.get_nowait()
        try:
            await_(self._wait(timeout))
        except TimeoutError:
            raise Empty from None
        return self.entries.pop()

    async def _wait(self, timeout_s: float | None) -> None:
        """Wait until a connection is idle."""
        async with asyncio.timeout(timeout_s):
            while not self.entries:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self.waiting.append(turn)
                try:
                    await turn
                except BaseException:
                    if turn.done() and not turn.cancelled() and self.entries:
                        self.wake_next()  # the connection was given back in the same turn of the event loop
                    raise

    def wake_next(self) -> None:
        """Wake the first task that waits."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


class VaultPool(AsyncAdaptedQueuePool):
    """A queue pool from which units of work take idle connections directly, without SQLAlchemy.

    It refuses at once what a task would wait for forever: in a forked child, connections that only the parent can give
    back, and a connection that the task holds itself.
    """

    _queue_class = cast("Any", _IdleStack)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._process = current()
        self._process.pools.add(self)
        self._records = WeakSet[ConnectionPoolEntry]()
        self._taken: dict[ConnectionPoolEntry, ReferenceType[asyncio.Task[Any]]] = {}
        self._idle = cast("_IdleStack", self._pool)
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

    def take(self, task: asyncio.Task[Any] | None, /) -> ConnectionPoolEntry | None:
        """Take an idle connection for a task; ``None`` if none is idle, or SQLAlchemy is needed for it.

        SQLAlchemy is needed if the pool has listeners, or the connection must be opened again.

        Give it back with :meth:`give`. SQLAlchemy's own :meth:`connect` creates a proxy, and resets the connection
        afterwards.
        """
        if self._process.left_behind:
            raise VaultForkedError
        events, idle = self.dispatch, self._idle.entries
        if not idle or events.checkout or events.checkin or events.reset:
            return None
        entry: Any = idle[-1]
        if entry.dbapi_connection is None or self._invalidate_time > entry.starttime:
            return None  # connect() opens it again
        del idle[-1]
        if task is not None:
            self._taken[entry] = ref(task)
        taken: ConnectionPoolEntry = entry
        return taken

    def give(self, entry: ConnectionPoolEntry) -> None:
        """Give back a connection of :meth:`take`, after its transaction has ended."""
        self._taken.pop(entry, None)
        idle = self._idle
        idle.entries.append(entry)
        if idle.waiting:
            idle.wake_next()

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
