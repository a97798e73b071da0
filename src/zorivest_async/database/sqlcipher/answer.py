"""Calls on connections' threads: their results are futures that an awaiting task cannot abandon."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar
from weakref import ref

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.authentication import damage_behind
from zorivest_async.database.sqlcipher.process import current, gate_of_thread
from zorivest_async.errors import VaultForkedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue

    from zorivest_async.database.sqlcipher.process import Process

__all__ = ["Answer", "Calls", "Mailbox", "serve"]

INTERRUPT_INTERVAL_S = 0.02
"""Time between two interrupts of an unwanted statement: a single one is lost if the statement has not begun."""

_T = TypeVar("_T")


class Mailbox:
    """The answers that threads have ready for the tasks of one event loop.

    Waking an event loop takes a system call and the interpreter's lock. So threads that answer at the same time wake it
    once: only the first answer since its last delivery does. Threads share a mailbox, which needs no lock.

    Args:
        loop: The event loop.
    """

    __slots__ = ("_is_told", "_ready", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ready = deque[tuple[Answer[Any], Any, BaseException | None]]()
        self._is_told = False

    def post(self, answer: Answer[Any], result: Any, error: BaseException | None) -> None:
        """Deliver an answer soon; runs on a thread."""
        self._ready.append((answer, result, error))
        if not self._is_told:
            self._is_told = True
            try:
                self.loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop is closed, and no task waits
                self._is_told = False
                while self._ready:
                    self._ready.popleft()[0].abandon()

    def _deliver(self) -> None:
        # It is reset first: an answer that comes meanwhile is delivered here, or wakes the loop again.
        self._is_told = False
        ready = self._ready
        while ready:
            answer, result, error = ready.popleft()
            answer.settle(result, error)


class Answer(asyncio.Future[_T]):
    """The result of a call on the connection's thread.

    Cancelling the task that awaits it does not abandon the call: ``cancel()`` returns ``False``, so asyncio throws
    ``CancelledError`` into the task only once the thread has answered. So no statement runs that no task waits for.
    Cancellation interrupts the call, if it may be interrupted.

    Args:
        mailbox: Delivers the answer on the event loop of the task that waits.
        process: The process that the connection was opened in.
        interrupt: Called repeatedly from the event loop to make the thread answer soon; ``None`` for calls that must
            finish, such as ``COMMIT``.
        when_cancelled: Called once if the task is cancelled before it receives the answer.

    Attributes:
        mailbox: The mailbox.
    """

    __slots__ = ("_interrupt", "_unwanted", "_waiting", "_when_cancelled", "mailbox")

    def __init__(
        self,
        mailbox: Mailbox,
        process: Process,
        interrupt: Callable[[], None] | None = None,
        when_cancelled: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(loop=mailbox.loop)
        self.mailbox = mailbox
        self._interrupt = interrupt
        self._when_cancelled = when_cancelled
        self._unwanted = False
        self._waiting = process.waiting
        self._waiting.add(self)

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - asyncio's signature
        """Refuse the cancellation of the future, and interrupt the call if that is possible."""
        if not self._unwanted:
            self._unwanted = True
            if self._when_cancelled is not None:
                self._when_cancelled()
            self._interrupt_until_done()
        return False

    def _interrupt_until_done(self) -> None:
        if self._interrupt is not None and not self.done():
            self._interrupt()
            self.get_loop().call_later(INTERRUPT_INTERVAL_S, self._interrupt_until_done)

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Set the result or the error; runs on the event loop."""
        self._waiting.discard(self)
        if self.done():  # end_in_child() has set an error
            return
        if error is None:
            self.set_result(result)
        else:
            self.set_exception(error)

    def abandon(self) -> None:
        """Forget the call, as the event loop is closed and no task waits for the answer."""
        self._waiting.discard(self)

    def end_in_child(self) -> None:
        """Set a :class:`~zorivest_async.VaultForkedError` in a child, where the thread does not exist."""
        with suppress(Exception):  # the event loop may be closed, or belong to another thread
            self.settle(None, VaultForkedError())
            self.exception()  # so that asyncio does not report it if no task awaits it


class _Owner(Protocol):
    def explain(self, error: sqlcipher.Error, /) -> None: ...

    def require_authentic(self) -> None: ...


Calls: TypeAlias = "SimpleQueue[tuple[Answer[Any] | None, Callable[[], Any] | None]]"
"""Queue of calls, each with the answer to give, if a task waits for it; without a call it ends."""


def serve(queue: Calls, owner: ref[_Owner]) -> None:
    """Run calls in order until the queue ends; the target of a connection's thread."""
    cursors = current().cursors
    with gate_of_thread() as gate:
        while True:
            answer, function = queue.get()
            if function is None:
                return
            result: Any = None
            error: BaseException | None = None
            try:
                with gate:
                    try:
                        result = function()
                    except sqlcipher.Error as exc:
                        if (connection := owner()) is not None:
                            connection.explain(exc)
                        raise
            except MemoryError as exc:
                with gate:
                    error = damage_behind(exc, owner())
            except BaseException as exc:  # noqa: BLE001 - it is raised in the caller
                error = exc
            if isinstance(result, sqlcipher.Cursor):
                cursors.add(ref(result, cursors.discard))
            if answer is not None:
                answer.mailbox.post(answer, result, error)
            # An idle thread must not keep rows, parameters, a traceback or its connection alive.
            del answer, function, result, error
            connection = None
