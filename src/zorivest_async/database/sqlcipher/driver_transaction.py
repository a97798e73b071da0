"""Transactions of a driver connection, one after another, without SQLAlchemy."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.backend import Loss, StatementResult
from zorivest_async.database.sqlcipher.answer import Mailbox
from zorivest_async.database.sqlcipher.authentication import damage_behind
from zorivest_async.database.sqlcipher.driver import LARGEST_BUSY_PAUSE_S, CipherConnection
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.errors import CommitOutcomeUnknownError, RepositoryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from zorivest_async.database.sqlcipher.answer import Answer
    from zorivest_async.database.sqlcipher.group_commit import WrittenCommit

__all__ = ["USELESS_AFTER", "DriverTransaction", "raise_driver_error"]

USELESS_AFTER: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""Result codes after which SQLCipher reads nothing more on the same connection."""

LONGEST_ABANDONED_S: Final = 0.01
"""How long a transaction that only read stays open on an idle connection. Reads that follow each other need no timer
each, and no statement of their own for the ``ROLLBACK``."""

_T = TypeVar("_T")

ENDED: Final = (
    "a statement has ended the transaction of the unit of work, which only uow.commit() and uow.rollback() may"
)
"""Message if SQLite has no transaction any more, and no error has rolled it back."""


class _State(Enum):
    """State of a transaction."""

    NONE = "none was announced"
    DUE = "announced; BEGIN is sent with the first statement"
    BEGUN = "BEGIN was sent"
    FAILED = "SQLite has rolled it back by itself, after an error"
    ABANDONED = "to be rolled back before the connection does anything else"


class DriverTransaction:
    """The open or next transaction of a :class:`CipherConnection`.

    :meth:`begin` announces it, and ``BEGIN`` is sent with its first statement. The driver knows whether a transaction
    is open. A unit of work holds its transaction: after something else has ended it, no other one begins.

    Attributes:
        autocommit: Whether no transaction is opened.
        loss: What the transaction of the unit of work has lost; after any loss it must not be committed.
        reads_only: Whether its transactions take no write lock.
    """

    __slots__ = (
        "_cipher",
        "_error",
        "_held",
        "_is_due_to_end",
        "_mailbox",
        "_queues",
        "_read_only",
        "_state",
        "autocommit",
        "loss",
        "reads_only",
    )

    def __init__(self, connection: CipherConnection) -> None:
        self._cipher = connection
        self.autocommit = self._read_only = self._held = self._is_due_to_end = False
        self._state = _State.NONE
        self.loss = Loss.NONE
        self._mailbox: Mailbox | None = None
        self._queues: tuple[object, ...] = ()
        self._error: BaseException | None = None
        self.reads_only = connection.begin_statement == "BEGIN"

    def begin(self, loop: asyncio.AbstractEventLoop | None = None, /, *queues: object) -> None:
        """Announce a transaction, which the next statement opens, unless one was announced before.

        Args:
            loop: The event loop of the unit of work that it belongs to, and then only :meth:`committing` and
                :meth:`rolling_back` may end it; ``None`` if it belongs to none.
            queues: The queues for the connection. If no task waits in one of them when the transaction opens, its
                commit shares its sync with no other.
        """
        if loop is not None:
            self._held, self._queues, self.loss = True, queues, Loss.NONE
            mailbox = self._cipher.mailbox
            self._mailbox = mailbox if mailbox is not None and mailbox.loop is loop else Mailbox(loop)
        state = self._state
        if state is _State.NONE or state is _State.ABANDONED:
            if not self.autocommit:
                self._state = _State.DUE
                return
            if state is _State.ABANDONED:
                self._cipher.post(self._roll_back_if_open)
            self._state = _State.NONE

    @property
    def ended_elsewhere(self) -> bool:
        """Whether a statement, and not an error of SQLite, has ended the transaction of a unit of work."""
        return self._held and self._state is _State.BEGUN and not self._cipher.in_transaction

    def committing(self, *queues: object) -> Answer[WrittenCommit | None] | None:
        """Begin to commit, and return the answer to wait for; ``None`` if nothing was sent.

        Cancellation does not stop it: the commit has ended when ``CancelledError`` is raised.

        Args:
            queues: The queues for the connection. If a task waits in one of them, the commit is answered when it is
                written, and must not be acknowledged before it is synced; without queues it is always synced.
        """
        cipher, state = self._cipher, self._state
        if state is _State.BEGUN and self._held:
            try:
                return cipher.hand_over(partial(self._commit_on_thread, queues), None, None, self._mailbox)
            except ValueError:  # the connection is closed
                raise CommitOutcomeUnknownError(problem=ENDED) from None
        cipher.require_process()
        self._state, self._held = _State.NONE, False
        if state is _State.FAILED:
            self._refuse_failed()
        return cipher.hand_over(partial(self._commit_on_thread, queues), None) if cipher.in_transaction else None

    def _commit_on_thread(self, queues: tuple[object, ...]) -> WrittenCommit | None:
        cipher = self._cipher
        group, written = cipher.group, None
        if self._held:
            if not cipher.raw.in_transaction:
                raise CommitOutcomeUnknownError(problem=ENDED)
            self._state, self._held = _State.NONE, False
        cipher.write_latch.require()  # a sync may have failed since this transaction began
        if cipher.lent:
            cipher.close_blobs()
        try:
            cipher.own_cursor.execute("COMMIT")
        except MemoryError as shortage:
            error = damage_behind(shortage, cipher)
            self._note_uselessness(error)
            raise error from None
        except sqlcipher.DatabaseError as error:
            self._note_uselessness(error)
            if result_code(error) == sqlite3.SQLITE_IOERR:
                cipher.explain(error)
                if getattr(error, "is_rolled_back", False):
                    raise
                # The commit may be in the WAL, where a recovery would find it. A later sync that succeeds would prove
                # nothing: the system may have dropped the pages that could not be written.
                cipher.write_latch.trip()
                raise CommitOutcomeUnknownError from error
            raise
        if group is not None and group.relaxed:
            group.restore(cipher)
            written = group.acknowledge(queues)
        if cipher.lent:
            with suppress(sqlcipher.Error):  # the commit has succeeded; the next use closes what is still open
                cipher.take_back()
        cipher.check_file()
        return written

    def rolling_back(self) -> Answer[object] | None:
        """Begin to roll back, and return the answer to wait for; see :meth:`committing`."""
        self._held = False
        if self._state is _State.ABANDONED:
            return None
        self._state = _State.NONE
        cipher = self._cipher
        return cipher.finish(self._roll_back_if_open) if cipher.in_transaction or cipher.lent else None

    def abandon(self) -> None:
        """Roll back without waiting, which is enough for a transaction that only read.

        If the next transaction begins soon, the ``ROLLBACK`` is sent with its first statement, else alone.
        """
        self._state, self._held = _State.ABANDONED, False
        if not self._is_due_to_end and self._mailbox is not None:
            self._is_due_to_end = True
            self._mailbox.loop.call_later(LONGEST_ABANDONED_S, self._end_abandoned)

    def _end_abandoned(self) -> None:
        self._is_due_to_end = False
        if self._state is _State.ABANDONED:
            self._cipher.post(self._roll_back_if_open)

    def give_up(self) -> None:
        """Roll back at once without waiting; for a forgotten unit of work."""
        self._state, self._held = _State.ABANDONED, False
        self._end_abandoned()

    def _roll_back_if_open(self) -> None:
        cipher = self._cipher
        if cipher.lent:
            cipher.take_back()
        elif cipher.raw.in_transaction:
            cipher.execute_unseen("ROLLBACK")
        if cipher.group is not None and cipher.group.relaxed:
            cipher.group.restore(cipher)

    @property
    def is_due(self) -> bool:
        """Whether a transaction was announced, and ``BEGIN`` has not been sent yet."""
        return self._state is _State.DUE

    @property
    def has_savepoints(self) -> bool:
        """Whether a savepoint may be open, which none is after the end of its transaction."""
        return self._state is not _State.FAILED and self._cipher.in_transaction

    @property
    def read_only(self) -> bool:
        """Whether a connection that can write refuses writes for now."""
        return self._read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._read_only = value
        self.reads_only = value or self._cipher.begin_statement == "BEGIN"
        self._cipher.post(lambda: self._cipher.raw.execute(f"PRAGMA query_only = {value:d}"))

    def send(self, sql: str, values: Sequence[Any]) -> Awaitable[StatementResult]:
        """Execute a statement, inside the transaction that was announced; cancellation interrupts it."""
        work = partial(self._execute, sql, values)
        if self._held and self.reads_only and self._state is not _State.FAILED:
            return self._call(work)  # most reads, for which perform() has nothing to decide
        return self.perform(work)

    def _execute(self, sql: str, values: Sequence[Any], _raw: sqlcipher.Connection) -> StatementResult:
        """Execute a statement on the thread, and fetch its rows."""
        cipher = self._cipher
        cursor = cipher.own_cursor
        try:
            cursor.execute(sql, values)
            rows, count = (cursor.fetchall() if cursor.description else []), cursor.rowcount
            if rows:
                cipher.require_authentic()
        except BaseException:
            # An error's traceback would keep the cursor, and the cursor would keep the file open after close().
            cipher.renew_cursor()
            raise
        return StatementResult(rows, count)

    def send_rows(self, sql: str, rows: list[tuple[Any, ...]]) -> Awaitable[int]:
        """Execute a statement once for each row of values, and return the number of rows that it changed."""

        def execute(connection: sqlcipher.Connection) -> int:
            raw = connection.cursor(sqlcipher.Cursor)
            try:
                raw.executemany(sql, rows)
                return int(raw.rowcount)
            finally:
                raw.close()

        return self.perform(execute)

    def perform(self, work: Callable[[sqlcipher.Connection], _T]) -> Awaitable[_T]:
        """Run ``work`` on the thread, inside the transaction that was announced; cancellation interrupts it.

        The transaction of a unit of work is lost if a statement is cancelled, or reads a page that does not
        authenticate.
        """
        state, cipher = self._state, self._cipher
        if not self.reads_only and cipher.write_latch.tripped:
            cipher.write_latch.refuse()
        if state is _State.FAILED:
            self._refuse_failed()
        if state is _State.BEGUN and not self._held and not cipher.in_transaction:
            state = self._state = _State.DUE  # a statement has ended the transaction; the next one begins another
        if state is _State.DUE and not self.reads_only:
            return self._begin_writing(work)
        return self._call(work)

    def _call(self, work: Callable[[sqlcipher.Connection], _T]) -> Answer[_T]:
        cipher = self._cipher
        try:
            step = partial(self._step, work)
            if self._held:
                return cipher.hand_over(step, cipher.interrupt_now, self._lose, self._mailbox)
            return cipher.hand_over(step, cipher.interrupt_now)
        except ValueError as error:
            self.loss = Loss.USELESS
            raise_driver_error(error)

    def _lose(self) -> None:
        if self.loss is Loss.NONE:
            self.loss = Loss.CANCELLED

    def _step(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Run ``work`` in the transaction, and begin it first if it is due; runs on the thread."""
        state, cipher = self._state, self._cipher
        raw, group = cipher.raw, cipher.group
        if state is _State.BEGUN and not raw.in_transaction:
            raise RepositoryError(problem=ENDED)
        if not self.reads_only:
            cipher.write_latch.require()  # a sync may have failed meanwhile
        try:
            if state is not _State.DUE:
                return cipher.checked(partial(work, raw))
            cipher.check_file()
            # SQLAlchemy sends no ROLLBACK after a COMMIT that failed; that of an abandoned transaction may have failed.
            if raw.in_transaction or cipher.lent:
                self._roll_back_if_open()
            if group is not None and self._held and group.can_share(self._queues):
                group.relax(cipher)
            cipher.own_cursor.execute("BEGIN" if self._read_only else cipher.begin_statement)
            self._state = _State.BEGUN
            return work(raw)
        except Exception as error:  # noqa: BLE001 - translated and raised again
            found = damage_behind(error, cipher) if isinstance(error, MemoryError) else error
            if group is not None and group.relaxed and self._state is _State.DUE:
                group.restore(cipher)  # BEGIN failed
            self._note_failure(state, found)
            raise_driver_error(found)
        finally:
            if group is not None:
                group.end_elsewhere(cipher)

    def _note_uselessness(self, error: Exception) -> None:
        if result_code(error) in USELESS_AFTER:
            self.loss = Loss.USELESS

    def _note_failure(self, before: _State, error: Exception) -> None:
        """Update the state after an error; runs on the thread."""
        code = result_code(error)
        self._note_uselessness(error)
        if before is _State.NONE:
            if code == sqlite3.SQLITE_IOERR and isinstance(error, sqlcipher.Error):
                self._cipher.explain(error)
                if not getattr(error, "is_rolled_back", False):
                    self._cipher.write_latch.trip()  # without a transaction the statement itself commits
        elif not self._cipher.raw.in_transaction:
            if before is _State.DUE:  # nothing is lost, and the next statement begins it again
                self._state = _State.DUE
            else:
                self._state, self._error = _State.FAILED, error

    async def _begin_writing(self, work: Callable[[sqlcipher.Connection], _T]) -> _T:
        """Begin a transaction with ``work``; try again while another process holds the write lock."""
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while True:
            try:
                return await self._call(work)
            except sqlcipher.OperationalError as busy:
                if self._state is not _State.DUE or result_code(busy) != sqlite3.SQLITE_BUSY:
                    raise
                deadline = deadline or loop.time() + self._cipher.busy_timeout_s
                if loop.time() >= deadline:
                    raise
            try:
                await asyncio.sleep(random.uniform(0, LARGEST_BUSY_PAUSE_S))  # noqa: S311 - not a secret
            except asyncio.CancelledError:
                self._lose()  # the statement was never sent
                raise

    def _refuse_failed(self) -> NoReturn:
        refusal = sqlcipher.OperationalError(
            "SQLite has rolled this transaction back after an earlier error; roll back"
        )
        refusal.sqlite_errorcode = result_code(self._error)
        raise refusal from self._error


def raise_driver_error(error: Exception) -> NoReturn:
    """Raise an error of the driver as an error of the DB-API, if it is none yet; without values of the user."""
    match error:
        case sqlcipher.Warning():  # "You can only execute one statement at a time."
            raise sqlcipher.ProgrammingError(str(error)) from error
        case OverflowError():
            raise sqlcipher.DataError("an integer does not fit into SQLite's 64 bits") from None
        case UnicodeError():  # its text and its object attribute carry the value
            raise sqlcipher.DataError("a text is not valid Unicode") from None
        case sqlcipher.OperationalError() if str(error).startswith("Could not decode"):  # its text carries the value
            raise sqlcipher.DataError("a stored text is not valid UTF-8") from None
        case ValueError() if "closed" in str(error) or "no active connection" in str(error):
            raise sqlcipher.OperationalError("Connection closed") from error
        case _:
            raise error
