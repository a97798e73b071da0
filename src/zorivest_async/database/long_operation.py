"""Work on whole files: it runs in a thread of its own, tells how far it is, and stops when nobody wants it any more."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock, Thread
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from anyio import to_thread
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.driver import Answer
from zorivest_async.database.finishing import finish
from zorivest_async.domain.tracebacks import forget_locals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Operation", "Progress", "ProgressCallback", "StoppedError", "run_operation"]

REPORT_INTERVAL_S: Final = 0.05
"""Between two reports of one phase, so that a fast operation does not flood the event loop."""

OPCODES_PER_PULSE: Final = 100
"""How often a statement is asked whether to go on. A row takes about six; with 500 kB in each that is some 8 MB."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is.

    Attributes:
        phase: ``"copy"``, ``"upgrade"``, ``"verify"`` or ``"publish"``; when verifying a vault, ``"pages"``,
            ``"structure"``, ``"references"`` or ``"search"``.
        done: Pages of 4,096 bytes, estimated. Where SQLite does not tell how far it is, 0 until the phase ends.
            Publishing is one step.
        total: What ``done`` will be at the end of the phase.
    """

    phase: str
    done: int
    total: int


ProgressCallback: TypeAlias = "Callable[[Progress], object]"
"""Called on the event loop, at most about 20 times a second and at the end of each phase. What it raises stops the
operation like a cancellation does, and is raised by it."""


class StoppedError(Exception):
    """Nobody wants the result any more; let it through. It never leaves ``run_operation``."""


class Operation:
    """What work in a thread knows of those who wait for it. Its methods may be called from any thread.

    Args:
        deliver: Takes reports; without it nobody waits, and nothing stops the work.
    """

    def __init__(self, deliver: Callable[[Progress], object] | None = None) -> None:
        self._deliver = deliver
        self._lock = Lock()
        self._unwanted = self._irrevocable = self._detachable = False
        self._last_phase, self._last_time = "", 0.0

    def stop(self) -> bool:
        """Have the work stop, if it still can; return whether it goes on by itself, so that nobody need wait for it."""
        with self._lock:
            self._unwanted = not self._irrevocable
            return self._detachable

    def check(self) -> None:
        """Stop the work here if nobody wants it any more.

        Raises:
            StoppedError: To end the work.
        """
        if self._unwanted:
            raise StoppedError

    @contextmanager
    def publishing(self) -> Generator[None]:
        """Finish what the block does, wanted or not: it gives the result its name.

        Raises:
            StoppedError: It is unwanted already.
        """
        with self._lock:
            self.check()
            self._irrevocable = True
        self.report("publish", 0, 1)
        yield
        self.report("publish", 1, 1)

    @contextmanager
    def detachable(self) -> Generator[None]:
        """Let nobody wait for the block: it cannot be interrupted, changes nothing, and ends by itself.

        Raises:
            StoppedError: Nobody wants the work any more.
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
        """Tell how far the work is; most reports within a phase are left out."""
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
        """Report the statements of the block as a phase, and interrupt them when nobody wants them any more.

        Args:
            raw: What they run on.
            name: The phase.
            total: How much there is to do, in pages.
            measure: Tells how much of it is done.

        Raises:
            StoppedError: They were interrupted.
        """

        def pulse() -> bool:
            self.report(name, min(measure(), total - 1), total)
            return self._unwanted

        self.check()
        self.report(name, 0, total)
        raw.set_progress_handler(pulse, OPCODES_PER_PULSE)
        try:
            yield
        except sqlcipher.OperationalError:
            self.check()
            raise
        finally:
            raw.set_progress_handler(None, 0)
        self.check()
        self.report(name, total, total)


async def run_operation(
    work: Callable[[Operation], _T],
    progress: ProgressCallback | None = None,
    discard: Callable[[_T], object] | None = None,
) -> _T:
    """Run ``work`` in a thread of its own, and wait until it has ended, whatever happens to the task.

    Cancelling the task stops the work at its next check and raises ``CancelledError`` once the thread has cleaned up;
    an exception of the callback does the same and is raised itself.

    Args:
        work: A plain function, which is given the operation.
        progress: Called with each report, in the context of the task.
        discard: Called in a thread with a result that came too late to stop the work.
    """
    loop, context = asyncio.get_running_loop(), copy_context()
    answer = Answer[_T](loop, None)
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
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(function, *arguments, context=context)

    def run() -> None:
        try:
            result = work(operation)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
            forget_locals(error, everywhere=True)
            call_on_loop(settle, None, error)
        else:
            call_on_loop(settle, result, None)

    operation = Operation(lambda report: call_on_loop(call_back, report))
    Thread(target=run, name="zorivest-operation", daemon=True).start()
    try:
        result = await finish(answer, stop)
    except asyncio.CancelledError:
        if discard is not None and answer.exception() is None:
            await finish(to_thread.run_sync(discard, answer.result()))
        raise
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    if failures:
        raise failures[0]
    return result
