"""The driver: one SQLCipher connection on one daemon thread, awaited.

An :class:`aiosqlite.Connection` whose calls survive cancellation. Each call is one hand-off: a function goes to the
thread through a queue, and its result returns as an :class:`Answer`, a future that an awaiting task cannot abandon.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import warnings
from contextlib import suppress
from functools import partial
from itertools import islice
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from weakref import ref

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.aiosqlite_internals import ConnectionBase
from zorivest_async.database.sqlcipher.answer import Answer, Calls, Mailbox, serve
from zorivest_async.database.sqlcipher.authentication import (
    AUTHENTIC,
    CIPHER_STATUS,
    damaged_page,
    is_authentic,
)
from zorivest_async.database.sqlcipher.driver_backup import NOT_ENCRYPTED, StoppableBackup
from zorivest_async.database.sqlcipher.driver_errors import NotSupportedError, TryAgainError, as_both
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.database.sqlcipher.group_commit import GroupCommit
from zorivest_async.database.sqlcipher.process import (
    OPCODES_PER_PAUSE,
    FileConnection,
    current,
    inside_sqlite,
    start_thread,
)
from zorivest_async.database.sqlcipher.raw_connection import Hooks, RawConnection, in_turn, without_hooks
from zorivest_async.database.sqlcipher.reasons import explain
from zorivest_async.database.sqlcipher.write_latch import WriteLatch
from zorivest_async.errors import VaultForkedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    import aiosqlite

    from zorivest_async.database.sqlcipher.process import Watch

__all__ = ["LARGEST_BUSY_PAUSE_S", "Answer", "CipherConnection"]

LARGEST_BUSY_PAUSE_S = 0.005
"""Maximum pause between two attempts to use a vault that another process holds; random, so that the attempts of
several processes do not coincide."""

DUMPED_AT_ONCE = 64
"""Number of statements of a dump in one hand-off."""

_T = TypeVar("_T")


class CipherConnection(ConnectionBase):
    """An :class:`aiosqlite.Connection` over ``sqlcipher3`` that cancellation and forgotten closing do not harm.

    * Cancelling a task interrupts its statement and waits for the thread to answer, which takes milliseconds;
      ``commit``, ``rollback`` and ``close`` finish first, even if their task is cancelled.
    * Closing it again does nothing. The thread is a daemon: a forgotten connection never keeps a process alive.
    * In a forked child, every method raises :class:`~zorivest_async.VaultForkedError` at once.
    * If the raw connection has a watch, it checks before and after each transaction that the file is still there.
    * Nothing is logged: aiosqlite's debug log would contain statements and their parameters.

    Not safe to share between tasks within a transaction, as SQLite has one transaction per connection.

    Args:
        connector: Opens the raw connection; runs on the thread. It must pass ``check_same_thread=False``, because the
            event loop's thread interrupts statements.
        begin_statement: The statement that begins a transaction.
        busy_timeout_s: How long to try to open the connection and to begin a transaction, in seconds.

    Attributes:
        write_latch: Refuses further writes once the sync of a commit has failed; connections of an engine share one.
        mailbox: Delivers answers to the event loop that opened the connection; connections of an engine share one.
        own_cursor: The library's cursor for statements whose rows are all fetched in one call, for use on the thread.
        shares_syncs: Whether commits may share a sync of the WAL; set before it is opened.
        group: The commits that share syncs, while the connection is open; ``None`` if each commit syncs by itself.
        lent: Whether statements or BLOBs may stay open after the call that opened them. An open one keeps its snapshot
            beyond the end of the transaction (https://sqlite.org/lang_transaction.html), so ``take_back()`` closes
            them.
    """

    def __init__(
        self,
        connector: Callable[[], sqlcipher.Connection],
        *,
        begin_statement: str = "BEGIN IMMEDIATE",
        busy_timeout_s: float = 0.0,
    ) -> None:
        super().__init__(connector)
        self.write_latch = WriteLatch()
        self.mailbox: Mailbox | None = None
        self._hooks = Hooks()
        self.shares_syncs = False
        self.group: GroupCommit | None = None
        self.lent = False
        self._blobs = set[Any]()
        self.begin_statement = begin_statement
        self.busy_timeout_s = busy_timeout_s
        self._calls: Calls = SimpleQueue()
        self._process = current()
        self._watch: Watch | None = None
        self._thread = Thread(target=serve, args=(self._calls, ref(self)), name="zorivest-connection", daemon=True)
        self._closed: Answer[None] | None = None
        self._encrypted = False
        self._interruptible = Lock()
        self._between_opcodes: Callable[[], None] | None = None

    @property
    def raw(self) -> RawConnection:
        """The driver's connection, for use on its thread (:meth:`call`).

        Raises:
            ValueError: It is not open.
        """
        raw: Any = self._connection
        if raw is None:
            raise ValueError("Connection closed")
        opened: RawConnection = raw
        return opened

    def renew_cursor(self) -> None:
        """Replace the cursor, on the thread, after an error: a statement that stays open would keep its snapshot."""
        if self._connection is not None:
            self.own_cursor.close()
            self._open_cursor()

    def _open_cursor(self) -> None:
        raw: Any = self._connection
        self.own_cursor = cursor = sqlcipher.Cursor(raw)
        cursor.row_factory = None
        cursors = self._process.cursors
        cursors.add(ref(cursor, cursors.discard))

    def execute_unseen(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute a statement of the library's own, on the thread, without calling hooks, and return its rows."""
        hooks = self._hooks
        before, hooks.paused = hooks.paused, True
        try:
            return self.own_cursor.execute(sql).fetchall()
        finally:
            hooks.paused = before

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; it can be read from the event loop while no call is running."""
        connection = self._connection
        return connection is not None and not self._process.left_behind and bool(connection.in_transaction)

    def open_blob(self, table: str, column: str, row: int) -> Any:
        """Open a BLOB for reading, on the thread; it is closed by :meth:`close_blob` or :meth:`take_back`."""
        self.lent = True
        blob = self.raw.open_blob(table, column, row, True)
        self._blobs.add(blob)
        return blob

    def close_blob(self, blob: Any) -> None:
        """Close a BLOB, on the thread."""
        self._blobs.discard(blob)
        blob.close()

    def close_blobs(self) -> None:
        """Close every BLOB that is open, on the thread."""
        while self._blobs:
            self._blobs.pop().close()

    def take_back(self) -> None:
        """Close all open statements and BLOBs, on the thread, and roll back an open transaction."""
        self.close_blobs()
        raw = self.raw
        with without_hooks(raw):
            if not raw.in_transaction:
                raw.execute("BEGIN")
            # The method resets every statement of the connection; the SQL command does not.
            raw.rollback()
        self.lent = False

    def require_authentic(self) -> None:
        """Check, on the thread, that every page read so far authenticated; call it before using what was read.

        SQLCipher reads a page that does not authenticate as zeros. SQLite notices that, except on the last page of a
        long value, which would end in zeros. SQLCipher remembers the failure, and this method asks for it.

        Raises:
            sqlcipher3.dbapi2.DatabaseError: A page did not authenticate. The connection reads nothing more.
        """
        if self._encrypted and self._connection is not None:
            ((status,),) = self.execute_unseen(CIPHER_STATUS)
            if status != AUTHENTIC:
                raise damaged_page()

    def check_file(self) -> None:
        """Check, on the thread, that the path still leads to the file that was opened; see :meth:`FileWatch.check`."""
        watch = self._watch
        if watch is not None and watch.is_moved():
            raw = cast("FileConnection", self._connection)
            with without_hooks(raw):
                watch.check(raw)

    def explain(self, error: sqlcipher.Error) -> None:
        """Add its cause to an error, on the thread; see :func:`.reasons.explain`."""
        if self._watch is not None and self._connection is not None:
            explain(error, cast("FileConnection", self._connection), self._watch.path)

    def checked(self, function: Callable[[], _T]) -> _T:
        """Run ``function`` on the thread, and check the file before and after it, if no transaction is open then."""
        if self._watch is None:
            return function()
        raw = self.raw
        if not raw.in_transaction:
            self.check_file()
        result = function()
        if not raw.in_transaction:
            self.check_file()
        return result

    def call(self, function: Callable[[], _T]) -> Answer[_T]:
        """Run ``function`` on the connection's thread, and return the answer to wait for.

        Cancellation interrupts the running statement, and is raised once the thread has answered.

        Raises:
            ValueError: The connection is closed.
            VaultForkedError: The connection was opened before the process forked.
        """
        return self.hand_over(partial(self._synced, function), self.interrupt_now)

    def finish(self, function: Callable[[], _T]) -> Answer[_T]:
        """Run ``function`` like :meth:`call`, but without interruption; cancellation is raised after its end."""
        return self.hand_over(partial(self._synced, function), None)

    def _synced(self, function: Callable[[], _T]) -> _T:
        """Run ``function`` on the thread; if it ends a transaction that shares a sync, sync before answering."""
        try:
            return function()
        finally:
            if self.group is not None:
                self.group.end_elsewhere(self)

    def post(self, function: Callable[[], object]) -> None:
        """Run ``function`` on the connection's thread before the next call; its result and its errors are dropped."""
        if not self._process.left_behind:
            self._calls.put((None, function))

    def mailbox_of(self, loop: asyncio.AbstractEventLoop) -> Mailbox:
        """Return a mailbox of an event loop: the connection's own, unless another loop opened the connection."""
        mailbox = self.mailbox
        return mailbox if mailbox is not None and mailbox.loop is loop else Mailbox(loop)

    def require_process(self) -> None:
        """Check that this process opened the connection.

        Raises:
            VaultForkedError: This process is a forked child of the one that opened it.
        """
        if self._process.left_behind:
            raise VaultForkedError

    def _require_open(self) -> None:
        self.require_process()
        if self._closed is not None or self._connection is None:
            raise ValueError("Connection closed")

    def hand_over(
        self,
        function: Callable[[], _T],
        interrupt: Callable[[], None] | None,
        when_cancelled: Callable[[], None] | None = None,
        mailbox: Mailbox | None = None,
    ) -> Answer[_T]:
        """Run ``function`` on the connection's thread; see :meth:`call` and :meth:`finish`.

        Args:
            function: The function to run.
            interrupt: As for :class:`Answer`.
            when_cancelled: As for :class:`Answer`.
            mailbox: That of the running event loop, if the caller knows it.

        Raises:
            ValueError: The connection is closed.
            VaultForkedError: The connection was opened before the process forked.
        """
        if self._process.left_behind or self._closed is not None or self._connection is None:
            self._require_open()
        answer: Answer[_T] = Answer(
            mailbox or self.mailbox_of(asyncio.get_running_loop()), self._process, interrupt, when_cancelled
        )
        self._calls.put((answer, function))
        return answer

    def interrupt_now(self) -> None:
        """Interrupt the statement that the thread is executing, if any; it can be called from the event loop."""
        # The lock keeps the thread from closing the connection under sqlite3_interrupt(), which the SQLite docs forbid.
        with self._interruptible:
            if self._connection is not None and not self._process.left_behind:
                self._connection.interrupt()

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.lent = True

        def run_checked() -> Any:
            result = self.checked(partial(fn, *args, **kwargs))
            self.require_authentic()
            return result

        return await self._both(self.call(run_checked))

    @staticmethod
    async def _both(answer: Answer[_T]) -> _T:
        """Wait for an answer, and raise an error of the driver as one that is also an error of :mod:`sqlite3`."""
        try:
            return await answer
        except (sqlcipher.Error, sqlcipher.Warning) as error:
            raise as_both(error) from None

    def __await__(self) -> Generator[Any, None, Self]:
        return self._connect().__await__()

    async def _connect(self) -> Self:
        """Open the connection, unless it is open: an awaited connection may still be entered with ``async with``."""
        if self._thread.ident is not None:
            self._require_open()
            return self
        start_thread(self._thread)

        def connect() -> None:
            self._connection = raw = self._connector()
            if isinstance(raw, FileConnection):
                raw.leave_to_thread()
                self._watch = raw.watch
                if raw.file is not None:
                    with inside_sqlite() as gate:  # the thread's own gate
                        raw.gate = gate
                        self._between_opcodes = partial(self._process.let_forks_in, gate)
                        self._let_forks_in()
            self._hooks = getattr(raw, "hooks", self._hooks)
            self._open_cursor()
            self._encrypted = is_authentic(self.raw)
            if self.shares_syncs and self._watch is not None:
                self.group = GroupCommit.open(self._watch.path, self.write_latch)

        loop = asyncio.get_running_loop()
        self.mailbox = self.mailbox_of(loop)
        deadline = loop.time() + self.busy_timeout_s
        try:
            while True:
                try:
                    answer = Answer[None](self.mailbox, self._process)
                    self._calls.put((answer, connect))
                    await answer
                except TryAgainError as error:
                    if loop.time() >= deadline:
                        raise error.reason from None
                except sqlcipher.OperationalError as error:
                    if result_code(error) != sqlite3.SQLITE_BUSY or loop.time() >= deadline:
                        raise
                else:
                    return self
                # The file is being replaced, or another process recovers the vault, or is the last to close it.
                await asyncio.sleep(random.uniform(0, LARGEST_BUSY_PAUSE_S))  # noqa: S311 - not a secret
        except BaseException:
            await self.close()
            raise

    def _let_forks_in(self) -> None:
        self.raw.set_progress_handler(self._between_opcodes, OPCODES_PER_PAUSE)

    async def commit(self) -> None:
        """Commit; finishes even when its task is cancelled."""
        await self._both(self.finish(partial(self.checked, self._conn.commit)))

    async def rollback(self) -> None:
        """Roll back; finishes even when its task is cancelled."""
        await self._both(self.finish(self._conn.rollback))

    async def iterdump(self) -> AsyncGenerator[str]:
        """Yield the whole database as unencrypted SQL text, one statement at a time."""
        lines = self.raw.iterdump()
        while chunk := await self._execute(lambda: [*islice(lines, DUMPED_AT_ONCE)]):
            for line in chunk:
                yield line

    async def backup(
        self,
        target: aiosqlite.Connection | sqlite3.Connection,
        *,
        pages: int = 0,
        progress: Callable[[int, int, int], object] | None = None,
        name: str = "main",
        sleep: float = 0.250,
    ) -> None:
        """Copy the database into that of another encrypted connection, under the key of that connection.

        Cancellation stops it between two slices, and leaves the target unchanged.

        Args:
            target: A connection of :func:`~zorivest_async.create_encrypted_connection`.
            pages: Number of pages of 4,096 bytes in a slice; zero or less for 1,000.
            progress: Called on the connection's thread after each slice, with the status, the number of pages left and
                the number of all pages.
            name: The schema to copy.
            sleep: How long to wait while the target is in use, in seconds.

        Raises:
            NotSupportedError: The target is not encrypted; a vault is never copied unencrypted.
        """
        if not isinstance(target, CipherConnection) or not target._encrypted:  # noqa: SLF001 - of the same class
            raise NotSupportedError(NOT_ENCRYPTED)
        copy = StoppableBackup(progress)
        run = partial(copy.run, self.raw, target.raw, pages=pages, name=name, sleep=sleep)
        await self._both(self.hand_over(run, copy.stop))

    async def set_progress_handler(self, handler: Callable[[], int | None] | None, n: int) -> None:
        """Set a function to be called every ``n`` opcodes, besides the library's own for forks; ``None`` for none."""

        def set_handler() -> None:
            if handler is None:
                self._let_forks_in()
            else:
                self.raw.set_progress_handler(partial(in_turn, self._between_opcodes, handler), n)

        await self._execute(set_handler)

    async def aclose(self) -> None:
        """Close the connection; see :meth:`close`."""
        await self.close()

    async def close(self) -> None:
        """Close the connection and end its thread; finishes even when its task is cancelled.

        Raises:
            VaultForkedError: The connection was opened before the process forked; it still belongs to the parent.
        """
        self.require_process()
        closed = self.stop()
        if closed is not None and not closed.done():
            await closed

    def stop(self) -> Answer[None] | None:
        """Make the thread close the connection and end, without waiting; calling it again does nothing."""
        if self._running and not self._process.left_behind and self._thread.ident is not None:
            try:
                answer = Answer[None](Mailbox(asyncio.get_running_loop()), self._process)
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
        self.lent = False
        group, self.group = self.group, None
        if group is not None:
            group.close()
        if raw is not None:
            with suppress(sqlcipher.Error):
                # The last connection to close writes the WAL back, unless it is still interrupted. The next statement
                # ends an interrupt, but only where no other is open (https://sqlite.org/c3ref/interrupt.html).
                self.close_blobs()
                with without_hooks(raw):
                    if raw.in_transaction:
                        raw.rollback()
                    raw.execute("SELECT 1").close()
            raw.close()

    def __del__(self) -> None:
        if self._connection is not None and self._running and not self._process.left_behind:
            warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
            self.stop()
