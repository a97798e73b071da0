"""Group commit: one sync of the WAL for all commits that were written before it began.

In WAL mode ``synchronous=FULL`` differs from ``NORMAL`` by a sync of the WAL after each transaction
(https://sqlite.org/pragma.html#pragma_synchronous). So the library's own ``COMMIT`` runs under ``NORMAL``, and is
acknowledged after a sync of the WAL that began later. Whatever else ends such a transaction (a statement ``COMMIT``,
the driver's ``commit()``) is synced in its own hand-off. All else stays at ``FULL``, also a transaction that opens
while no task waits for the connection: it could share nothing, and a sync outside ``COMMIT`` takes longer.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeAlias

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.answer import Answer, Mailbox
from zorivest_async.database.sqlcipher.process import current, start_thread
from zorivest_async.errors import CommitOutcomeUnknownError, VaultError

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.database.sqlcipher.raw_connection import RawConnection
    from zorivest_async.database.sqlcipher.write_latch import WriteLatch

__all__ = ["GroupCommit", "WrittenCommit", "sync_descriptor"]

_FLAGS: Final = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""Windows flushes only a descriptor that may write."""


class _Connection(Protocol):
    @property
    def raw(self) -> RawConnection: ...

    def execute_unseen(self, sql: str, /) -> object: ...


_Request: TypeAlias = "tuple[int, Answer[None]]"


def sync_descriptor(descriptor: int) -> None:
    """Sync an open file to the disk, with the system call that SQLite makes.

    On macOS ``fsync()`` leaves data in the drive's cache; ``F_FULLFSYNC`` does not, if the file system supports it
    (https://developer.apple.com/library/archive/documentation/System/Conceptual/ManPages_iPhoneOS/man2/fsync.2.html).
    SQLite's ``PRAGMA fullfsync`` does the same for connections.
    """
    if not _sync_fully(descriptor):
        os.fsync(descriptor)


def _sync_fully(descriptor: int) -> bool:
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - POSIX has it

        with suppress(OSError):  # network file systems do not support it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return True
    return False


class WrittenCommit:
    """A commit that is written to the WAL and not synced yet.

    Args:
        group: The connection's commits.
        number: The number of this one.
    """

    __slots__ = ("_group", "_number")

    def __init__(self, group: GroupCommit, number: int) -> None:
        self._group = group
        self._number = number

    def synced(self) -> Answer[None]:
        """Request the sync, on the event loop, and return the answer to wait for; it refuses cancellation."""
        return self._group.request(self._number)


class GroupCommit:
    """The commits of one connection, numbered as they are written, and the sync that they wait for.

    Unless a method says otherwise, it runs on the connection's thread. A sync may run on any thread.

    Args:
        descriptor: Descriptor of the WAL. It is opened before any ``COMMIT`` that it vouches for, because Linux reports
            a failed write once to each descriptor that was open at that time
            (https://wiki.postgresql.org/wiki/Fsync_Errors). An open connection keeps the WAL from being replaced.
        latch: Refuses writes after a failed sync.

    Attributes:
        relaxed: Whether the connection is at ``synchronous=NORMAL``.
    """

    def __init__(self, descriptor: int, latch: WriteLatch) -> None:
        self.relaxed = False
        self._descriptor = descriptor
        self._latch = latch
        self._process = current()
        self._written = self._synced = 0
        self._syncing = Lock()
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._mailbox: Mailbox | None = None
        self._thread: Thread | None = None

    @classmethod
    def open(cls, database: Path, latch: WriteLatch) -> Self | None:
        """Open the WAL of an open connection; ``None`` if that is not possible, and each commit syncs by itself.

        Args:
            database: The database file. Only its WAL is opened, on which SQLite has no locks that closing would drop.
            latch: Refuses writes after a failed sync.
        """
        process = current()
        with suppress(OSError), process.opening:  # a fork waits, so that the child knows the descriptor
            descriptor = os.open(f"{database}-wal", _FLAGS)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                process.descriptors.add(descriptor)
                return cls(descriptor, latch)
            os.close(descriptor)
        return None

    def can_share(self, queues: tuple[object, ...]) -> bool:
        """Return whether a commit would share its sync: others are written and not synced, or a task waits.

        Args:
            queues: The queues for the connection, whose ``others_wait`` says whether a task waits.
        """
        return self._written > self._synced or any(getattr(queue, "others_wait", False) for queue in queues)

    def relax(self, connection: _Connection) -> None:
        """Set ``synchronous=NORMAL`` for the transaction that begins next."""
        if not self.relaxed:
            if not os.fstat(self._descriptor).st_nlink:
                return  # the user has switched the journal mode, and the WAL is gone
            connection.execute_unseen("PRAGMA synchronous = NORMAL")
            self.relaxed = True
        connection.raw.scripted = False

    def restore(self, connection: _Connection) -> None:
        """Set ``synchronous=FULL`` again, after the transaction has ended."""
        # If it fails, the connection counts as relaxed, and whatever commits on it is synced by end_elsewhere().
        with suppress(sqlcipher.Error, MemoryError):
            connection.execute_unseen("PRAGMA synchronous = FULL")
            self.relaxed = False

    def end_elsewhere(self, connection: _Connection) -> None:
        """Sync the WAL if a transaction that began under ``NORMAL`` was ended by anything but the library's commit.

        Raises:
            CommitOutcomeUnknownError: The sync failed.
        """
        if not self.relaxed:
            return
        raw = connection.raw
        if raw.scripted or not raw.in_transaction:
            raw.scripted = False
            if not raw.in_transaction:
                self.restore(connection)
            self._written += 1
            self._sync_up_to(self._written)

    def acknowledge(self, queues: tuple[object, ...]) -> WrittenCommit | None:
        """Sync a commit that was written, or leave that to the next sync that it can share with others.

        Args:
            queues: The queues for the connection, whose ``others_wait`` says whether a task waits; none if the commit
                must be synced in this hand-off.

        Returns:
            ``None`` if it is synced.

        Raises:
            CommitOutcomeUnknownError: The sync failed.
        """
        is_shared = self.can_share(queues)
        self._written += 1
        if is_shared and queues and self._has_thread():
            return WrittenCommit(self, self._written)
        self._sync_up_to(self._written)
        return None

    def _has_thread(self) -> bool:
        """Return whether there is a thread for syncs, after trying to start it."""
        if self._thread is None:
            thread = Thread(target=self._serve, name="zorivest-sync", daemon=True)
            with suppress(VaultError):  # the system allows no further thread
                start_thread(thread)
                self._thread = thread
        return self._thread is not None

    def request(self, number: int) -> Answer[None]:
        """Request the sync of a commit, on the event loop."""
        loop, mailbox = asyncio.get_running_loop(), self._mailbox
        if mailbox is None or mailbox.loop is not loop:
            self._mailbox = mailbox = Mailbox(loop)
        answer = Answer[None](mailbox, self._process)
        self._requests.put((number, answer))
        # A close() that came first has synced everything, and ended the thread.
        if number <= self._synced or self._latch.tripped:
            answer.settle(None, self._verdict(number))
        return answer

    def _verdict(self, number: int) -> CommitOutcomeUnknownError | None:
        return None if number <= self._synced else CommitOutcomeUnknownError()

    def _sync_up_to(self, number: int) -> None:
        with self._syncing:
            if number <= self._synced:
                return
            if self._latch.tripped:
                raise CommitOutcomeUnknownError
            written = self._written
            try:
                sync_descriptor(self._descriptor)
            except OSError as error:
                # A later sync that succeeds would prove nothing: the system may have dropped what it could not write.
                self._latch.trip()
                raise CommitOutcomeUnknownError from error
            self._synced = written

    def _serve(self) -> None:
        """Sync for all that wait, again and again; the target of the thread."""
        while True:
            batch = [self._requests.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._requests.get_nowait())
            requests = [request for request in batch if request is not None]
            if requests:
                with suppress(CommitOutcomeUnknownError):
                    self._sync_up_to(max(number for number, _ in requests))
                self._answer(requests)
            if len(requests) < len(batch):
                return
            del batch, requests  # an idle thread must not keep answers alive

    def _answer(self, requests: list[_Request]) -> None:
        for number, answer in requests:
            answer.mailbox.post(answer, None, self._verdict(number))

    def close(self) -> None:
        """Sync what is written, and close the descriptor, before the connection: Windows deletes no open WAL."""
        with suppress(CommitOutcomeUnknownError):
            self._sync_up_to(self._written)
        self._process.descriptors.discard(self._descriptor)
        with suppress(OSError):
            os.close(self._descriptor)
        self._requests.put(None)
