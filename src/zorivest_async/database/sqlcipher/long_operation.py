"""Long operations on files: each runs in its own thread, reports its progress, and stops when its task is cancelled."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async._finishing import finish
from zorivest_async._opening import require_asyncio
from zorivest_async.database.sqlcipher.answer import Answer, Mailbox
from zorivest_async.database.sqlcipher.os_errors import open_files_error
from zorivest_async.database.sqlcipher.process import current, inside_sqlite, start_thread
from zorivest_async.domain.threads import no_thread_error
from zorivest_async.errors import ConfigurationError, VaultError
from zorivest_async.security.tracebacks import forget_locals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Operation", "Progress", "ProgressCallback", "StoppedError", "require_callback", "run_operation"]

REPORT_INTERVAL_S: Final = 0.05
"""Minimum time between two reports of a phase, so that a fast operation does not flood the event loop."""

OPCODES_PER_PULSE: Final = 100
"""Number of opcodes between two checks whether a statement should stop. A row takes about six opcodes, so with rows of
500 kB there are some 8 MB between two checks."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of an operation.

    Attributes:
        phase: ``"copy"``, ``"upgrade"``, ``"verify"`` or ``"publish"``; when verifying a vault, ``"pages"``,
            ``"structure"``, ``"references"`` or ``"search"``.
        done: Estimated number of pages of 4,096 bytes that are done. If SQLite does not report its progress, it is 0
            until the phase ends. Publishing is one step.
        total: The value of ``done`` at the end of the phase.
    """

    phase: str
    done: int
    total: int


ProgressCallback: TypeAlias = "Callable[[Progress], object]"
"""Function called on the event loop, at most about 20 times a second and at the end of each phase. An exception that it
raises stops the operation like a cancellation, and is raised by the operation."""


def require_callback(progress: ProgressCallback | None) -> None:
    """Check that an argument is a progress callback, or ``None``.

    Raises:
        ConfigurationError: The argument is not callable.
    """
    if progress is not None and not callable(progress):
        raise ConfigurationError("progress must be a function that takes a Progress")


class StoppedError(Exception):
    """The operation was stopped, as its task was cancelled; do not catch it. It never leaves ``run_operation``."""


class Operation:
    """Handle of a long operation, through which its thread reports progress and is stopped; it is thread-safe.

    Args:
        deliver: Receives the reports; ``None`` if no task waits, so that nothing stops the work.
    """

    def __init__(self, deliver: Callable[[Progress], object] | None = None) -> None:
        self._deliver = deliver
        self._lock = Lock()
        self._unwanted = self._irrevocable = self._detachable = False
        self._last_phase, self._last_time = "", 0.0

    def stop(self) -> bool:
        """Request that the work stops, if it still can; return whether it may go on without a task that waits."""
        with self._lock:
            self._unwanted = not self._irrevocable
            return self._detachable

    @property
    def unwanted(self) -> bool:
        """Whether the task was cancelled, so that the work should stop."""
        return self._unwanted

    def check(self) -> None:
        """Stop the work here if its task was cancelled.

        Raises:
            StoppedError: The task was cancelled.
        """
        if self._unwanted:
            raise StoppedError

    @contextmanager
    def publishing(self) -> Generator[None]:
        """Finish the block, which gives the result its name, even if the task is cancelled meanwhile.

        Raises:
            StoppedError: The task was cancelled before.
        """
        with self._lock:
            self.check()
            self._irrevocable = True
        self.report("publish", 0, 1)
        yield
        self.report("publish", 1, 1)

    @contextmanager
    def detachable(self) -> Generator[None]:
        """Let a cancelled task leave the block running: it cannot be interrupted, changes nothing, and ends by itself.

        Raises:
            StoppedError: The task was cancelled.
        """
        with self._lock:
            self.check()
            self._detachable = True
        try:
            yield
        finally:
            with self._lock:
                self._detachable = False
        self.check()

    def report(self, phase: str, done: int, total: int) -> None:
        """Report the progress of a phase; most reports within a phase are dropped."""
        now = time.monotonic()
        if done < total and phase == self._last_phase and now - self._last_time < REPORT_INTERVAL_S:
            return
        self._last_phase, self._last_time = phase, now
        if self._deliver is not None:
            self._deliver(Progress(phase, done, total))

    @contextmanager
    def phase(
        self, raw: sqlcipher.Connection, name: str, total: int, measure: Callable[[], int] = lambda: 0
    ) -> Generator[None]:
        """Report the statements of the block as a phase, and interrupt them when the task is cancelled.

        Args:
            raw: The connection that they run on.
            name: The name of the phase.
            total: The number of pages to do.
            measure: Returns the number of pages that are done.

        Raises:
            StoppedError: The statements were interrupted.
        """
        self.check()
        self.report(name, 0, total)
        with self.interruptible(raw, lambda: self.report(name, min(measure(), total - 1), total)):
            yield
        self.report(name, total, total)

    @contextmanager
    def interruptible(self, raw: sqlcipher.Connection, pulse: Callable[[], object] = lambda: None) -> Generator[None]:
        """Interrupt the statements of the block when the task is cancelled.

        Args:
            raw: The connection that they run on.
            pulse: Called repeatedly while they run.

        Raises:
            StoppedError: The statements were interrupted.
        """

        def look() -> bool:
            process.let_forks_in(gate)
            pulse()
            return self._unwanted

        self.check()
        process = current()
        with inside_sqlite() as gate:
            raw.set_progress_handler(look, OPCODES_PER_PULSE)
            try:
                yield
            except sqlcipher.OperationalError:
                self.check()
                raise
            finally:
                raw.set_progress_handler(None, 0)
        self.check()


async def run_operation(
    work: Callable[[Operation], _T],
    progress: ProgressCallback | None = None,
    discard: Callable[[_T], object] | None = None,
) -> _T:
    """Run ``work`` in its own thread, and wait until it has ended, even if the task is cancelled.

    Cancelling the task stops the work at its next check, and raises ``CancelledError`` once the thread has cleaned up.
    An exception of the callback also stops the work, and is then raised itself.

    Args:
        work: A synchronous function, which receives the operation.
        progress: Called with each report, in the context of the task.
        discard: Called in a thread with the result if the work ended although the task was cancelled.

    Raises:
        VaultError: The system refuses this process another thread.
    """
    require_asyncio()
    loop, context = asyncio.get_running_loop(), copy_context()
    answer = Answer[_T](Mailbox(loop), current())
    failures: list[Exception] = []

    def settle(result: _T | None, error: BaseException | None) -> None:
        if not answer.done():
            answer.settle(result, error)

    def stop() -> None:
        if operation.stop():
            settle(None, StoppedError())

    def call_back(report: Progress) -> None:
        if progress is not None and not failures and not answer.done():
            try:
                progress(report)
            except Exception as error:  # noqa: BLE001 - raised when the work has ended
                failures.append(error)
                stop()

    def call_on_loop(function: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed, so no task waits
            loop.call_soon_threadsafe(function, *arguments, context=context)

    def run() -> None:
        try:
            result = work(operation)
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller
            forget_locals(error, everywhere=True)
            call_on_loop(settle, None, no_thread_error(error) or open_files_error(error) or error)
        else:
            call_on_loop(settle, result, None)

    operation = Operation(lambda report: call_on_loop(call_back, report))
    try:
        start_thread(Thread(target=run, name="zorivest-operation", daemon=True))
    except VaultError:
        answer.abandon()
        raise
    try:
        result = await finish(answer, stop)
    except asyncio.CancelledError:
        if discard is not None and answer.exception() is None:
            await finish(run_operation(lambda _operation: discard(answer.result())))
        raise
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    if failures:
        raise failures[0]
    return result
