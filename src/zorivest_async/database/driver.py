"""The driver: one SQLCipher connection on one daemon thread, awaited.

An :class:`aiosqlite.Connection` whose calls survive cancellation. Each call is one hand-off: a function goes to the
thread through a queue and its result comes back as an :class:`Answer`, a future that an awaiting task cannot abandon.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import warnings
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, TypeVar, cast

import aiosqlite
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.failures import result_code

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["LARGEST_BUSY_PAUSE_S", "Answer", "CipherConnection", "StatementResult", "require_authentic"]

INTERRUPT_INTERVAL_S = 0.02
"""How often an unwanted statement is interrupted: a single call may come before it has begun, and is then lost."""

LARGEST_BUSY_PAUSE_S = 0.005
"""Between two attempts at a vault that another process holds: random up to this, so that they do not march in step."""

_T = TypeVar("_T")
_Queue: TypeAlias = "SimpleQueue[tuple[Answer[Any] | None, Callable[[], Any] | None]]"


class StatementResult(NamedTuple):
    """What came back for a statement.

    Attributes:
        rows: The driver's own tuples.
        rowcount: How many rows it changed.
        lastrowid: Row number of the last insertion.
    """

    rows: list[tuple[Any, ...]]
    rowcount: int
    lastrowid: int


class Answer(asyncio.Future[_T]):
    """The result of a call on the connection's thread.

    Cancelling the task that awaits it does not abandon the call: ``cancel()`` declines, so asyncio throws
    ``CancelledError`` into the task only once the thread has answered. The connection is therefore never left with a
    statement that nobody waits for. What can be interrupted, is.

    Args:
        interrupt: Called from the event loop, repeatedly, to make the thread answer soon; ``None`` for calls that must
            finish, such as ``COMMIT``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, interrupt: Callable[[], None] | None) -> None:
        super().__init__(loop=loop)
        self._interrupt = interrupt
        self._unwanted = False

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - asyncio's signature
        """Decline, and have the call interrupted where that is possible."""
        if not self.done() and not self._unwanted:
            self._unwanted = True
            self._interrupt_until_done()
        return False

    def _interrupt_until_done(self) -> None:
        if self._interrupt is not None and not self.done():
            self._interrupt()
            self.get_loop().call_later(INTERRUPT_INTERVAL_S, self._interrupt_until_done)

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Deliver the outcome; runs on the event loop."""
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)


def _cipher_works(raw: sqlcipher.Connection) -> bool:
    """Return whether the connection has a key, and every page that it has read authenticated."""
    cursor = raw.cursor()
    cursor.row_factory = None
    (status,) = cursor.execute("PRAGMA cipher_status").fetchone()
    return bool(int(status))


def require_authentic(raw: sqlcipher.Connection) -> None:
    """Check that every page that a keyed connection has read authenticated.

    Raises:
        sqlcipher3.dbapi2.DatabaseError: One did not. From then on the connection reads nothing.
    """
    if not _cipher_works(raw):
        damaged = sqlcipher.DatabaseError("a page of the database does not authenticate")
        damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damaged


def _serve(queue: _Queue) -> None:
    """Run calls in order until told to stop; the target of a connection's thread."""
    while True:
        answer, function = queue.get()
        if function is None:
            return
        result, error = None, None
        try:
            result = function()
        except BaseException as exc:  # noqa: BLE001 - whatever it is belongs to the caller
            error = exc
        if answer is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                answer.get_loop().call_soon_threadsafe(answer.settle, result, error)
        # An idle thread must not keep rows, parameters or a traceback alive.
        del answer, function, result, error


class CipherConnection(aiosqlite.Connection):
    """An :class:`aiosqlite.Connection` over ``sqlcipher3`` that cancellation and forgetfulness cannot harm.

    * Cancelling a task interrupts its statement and waits for the thread to answer, which takes milliseconds;
      ``commit``, ``rollback`` and ``close`` finish first, whatever happens to their task.
    * Closing twice is closing once. The thread is a daemon: a forgotten connection never keeps a process alive.
    * Nothing is logged: aiosqlite's debug log would contain statements and their parameters.

    Not safe to share between tasks within a transaction, as SQLite has one transaction per connection.

    Args:
        connector: Opens the raw connection; runs on the thread. It must pass ``check_same_thread=False``, because
            interrupting comes from the event loop's thread.
        begin_statement: What the dialect opens a transaction with.
        busy_timeout_s: How long opening, and the dialect's beginning, go on trying to, in seconds.
    """

    def __init__(
        self,
        connector: Callable[[], sqlcipher.Connection],
        *,
        begin_statement: str = "BEGIN IMMEDIATE",
        busy_timeout_s: float = 0.0,
    ) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self.begin_statement = begin_statement
        self.busy_timeout_s = busy_timeout_s
        self._calls: _Queue = SimpleQueue()
        self._thread = Thread(target=_serve, args=(self._calls,), name="zorivest-connection", daemon=True)
        self._closed: Answer[None] | None = None
        self._encrypted = False
        self._interruptible = Lock()

    @property
    def raw(self) -> sqlcipher.Connection:
        """The driver's connection, for use on its thread (:meth:`call`)."""
        return cast("sqlcipher.Connection", self._conn)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; safe to ask from the event loop while no call is under way."""
        return self._connection is not None and bool(self._connection.in_transaction)

    def require_authentic(self) -> None:
        """Check, on the thread, that every page read so far authenticated; call it before using what was read.

        SQLCipher reads a page that does not as zeros. SQLite notices that everywhere but on the last page of a long
        value, whose end would come back as zeros; SQLCipher remembers it, and this asks.

        Raises:
            sqlcipher3.dbapi2.DatabaseError: One did not. From then on the connection reads nothing.
        """
        if self._encrypted:
            require_authentic(self.raw)

    def call(self, function: Callable[[], _T]) -> Answer[_T]:
        """Run ``function`` on the connection's thread, and return the answer to wait for.

        Cancellation interrupts the statement that it is running and is raised once the thread has answered.

        Raises:
            ValueError: The connection is closed.
        """
        return self._hand_over(function, self._interrupt)

    def finish(self, function: Callable[[], _T]) -> Answer[_T]:
        """As :meth:`call`, but to its end; cancellation is raised after it."""
        return self._hand_over(function, None)

    def post(self, function: Callable[[], object]) -> None:
        """Have ``function`` run on the connection's thread before whatever comes next; nobody hears how it ended."""
        self._calls.put((None, function))

    def _hand_over(self, function: Callable[[], _T], interrupt: Callable[[], None] | None) -> Answer[_T]:
        if self._closed is not None or self._connection is None:
            raise ValueError("Connection closed")
        return self._enqueue(function, interrupt)

    def _enqueue(self, function: Callable[[], _T], interrupt: Callable[[], None] | None) -> Answer[_T]:
        answer = Answer[_T](asyncio.get_running_loop(), interrupt)
        self._calls.put((answer, function))
        return answer

    def _interrupt(self) -> None:
        # The lock keeps the thread from closing the connection under sqlite3_interrupt(), which the SQLite docs forbid.
        with self._interruptible:
            if self._connection is not None:
                self._connection.interrupt()

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def run_checked() -> Any:
            result = fn(*args, **kwargs)
            self.require_authentic()
            return result

        return await self.call(run_checked)

    def __await__(self) -> Generator[Any, None, Self]:
        self._thread.start()
        return self._connect().__await__()

    async def _connect(self) -> Self:
        def connect() -> None:
            self._connection = self._connector()
            self._encrypted = _cipher_works(self.raw)

        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.busy_timeout_s
        try:
            while True:
                try:
                    await self._enqueue(connect, None)
                except sqlcipher.OperationalError as error:
                    if result_code(error) != sqlite3.SQLITE_BUSY or loop.time() >= deadline:
                        raise
                else:
                    return self
                # Another process recovers the vault, or was the last to close it.
                await asyncio.sleep(random.uniform(0, LARGEST_BUSY_PAUSE_S))  # noqa: S311 - not a secret
        except BaseException:
            self.stop()
            raise

    async def commit(self) -> None:
        """Commit; finishes even when its task is cancelled."""
        await self.finish(self._conn.commit)

    async def rollback(self) -> None:
        """Roll back; finishes even when its task is cancelled."""
        await self.finish(self._conn.rollback)

    async def close(self) -> None:
        """Close the connection and end its thread; finishes even when its task is cancelled."""
        closed = self.stop()
        if closed is not None and not closed.done():
            await closed

    def stop(self) -> Answer[None] | None:
        """Have the thread close the connection and end, without waiting; once, however often it is called."""
        if self._closed is None and self._thread.ident is not None:
            try:
                answer = Answer[None](asyncio.get_running_loop(), None)
            except RuntimeError:  # garbage collection outside an event loop
                self._calls.put((None, self._close_raw))
            else:
                self._closed = answer
                self._calls.put((answer, self._close_raw))
            self._calls.put((None, None))
            self._running = False
        return self._closed

    def _close_raw(self) -> None:
        with self._interruptible:
            raw, self._connection = self._connection, None
        if raw is not None:
            raw.close()

    def __del__(self) -> None:
        if self._connection is not None and self._running:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            self.stop()
