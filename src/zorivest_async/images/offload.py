"""Bounded thread offload for decoding images."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from zorivest_async.domain.threads import no_thread_error
from zorivest_async.errors import UnitOfWorkError, VaultClosedError
from zorivest_async.images.processing import ProcessedImage, make_thumbnail, process_image, read_image_file
from zorivest_async.security.tracebacks import forget_locals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from os import PathLike

    from zorivest_async.images.policy import ImagePolicy

__all__ = ["ImageOffload"]

import_module("anyio._backends._asyncio")  # which anyio would import when it is first used, on the event loop

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class ImageOffload:
    """Bounded offload of image work to at most ``policy.threads`` threads at a time.

    Many tasks may await its coroutines at once; those beyond the bound wait in order of arrival. A cancelled caller
    returns at once. Work that is still waiting for a thread is then dropped. Running work cannot be stopped, so it
    keeps its place until its thread is done, and its result is discarded. That keeps the bound.

    It belongs to the event loop that first uses it, and to one vault, which closes it.

    Args:
        policy: Limits of the images, and the number of threads.
    """

    __slots__ = ("_closed", "_jobs", "_limiter", "_loop", "_policy")

    def __init__(self, policy: ImagePolicy) -> None:
        self._policy = policy
        self._limiter: CapacityLimiter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: set[asyncio.Task[Any]] = set()
        self._closed = False

    def process(self, data: bytes) -> Awaitable[ProcessedImage]:
        """Run :func:`process_image` in a thread.

        Raises:
            ImageError: As for :func:`process_image`.
            VaultClosedError: The vault was closed.
        """
        return self.run(process_image, data, self._policy)

    def thumbnail(self, data: bytes, max_size: int) -> Awaitable[bytes]:
        """Run :func:`make_thumbnail` in a thread.

        Raises:
            ImageError: As for :func:`make_thumbnail`.
            ConfigurationError: ``max_size`` is not a whole number of at least 1.
            VaultClosedError: The vault was closed.
        """
        return self.run(make_thumbnail, data, max_size, self._policy)

    async def read_file(self, path: str | PathLike[str]) -> bytes:
        """Run :func:`read_image_file` in a thread.

        Raises:
            ImageError: As for :func:`read_image_file`.
            OSError: The file does not exist (``FileNotFoundError``) or cannot be read.
            VaultClosedError: The vault was closed.
        """
        return await self.run(read_image_file, path, self._policy)

    async def run(self, function: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Run a function in a thread, within the bound, and return its result.

        The work runs in a separate task, because a native ``task.cancel()`` on a task that waits for a thread would
        release its place while the thread still runs.

        Args:
            function: A synchronous, thread-safe function.
            *args: Its arguments.

        Raises:
            VaultClosedError: The vault was closed.
            UnitOfWorkError: Another event loop used it first.
            VaultError: The system allows this process no further thread.
        """
        if self._closed:
            raise VaultClosedError("the vault is closed")
        loop = asyncio.get_running_loop()
        if self._limiter is None:
            self._limiter, self._loop = CapacityLimiter(self._policy.threads), loop
        elif self._loop is not loop:
            raise UnitOfWorkError("images of this vault belong to another event loop; open it on the loop that uses it")
        job = _Job(to_thread.run_sync(_call(function, args), limiter=self._limiter), loop, self._limiter)
        del args  # a traceback may show local variables
        self._jobs.add(job)
        job.add_done_callback(self._forget)
        try:
            await asyncio.wait({job})
        except asyncio.CancelledError:
            job.cancel()
            raise
        error = job.exception()
        forget_locals(error)
        if (no_thread := no_thread_error(error)) is not None:
            raise no_thread from error
        return job.result()

    async def aclose(self) -> None:
        """Accept no more work and wait for running work, including that of cancelled callers.

        Idempotent: closing again only waits again. Cancellation ends the wait, not the work. If the event loop of the
        work has ended, ``aclose()`` does not wait for it.
        """
        self._closed = True
        if self._jobs and self._loop is asyncio.get_running_loop():
            await asyncio.wait(self._jobs)

    def _forget(self, job: asyncio.Task[Any]) -> None:
        self._jobs.discard(job)
        if not job.cancelled():
            job.exception()  # so that asyncio does not report it as never retrieved


class _Job(asyncio.Task[_T]):
    """A task that can be cancelled only while it waits for a thread, not while its thread runs."""

    def __init__(
        self, work: Coroutine[Any, Any, _T], loop: asyncio.AbstractEventLoop, limiter: CapacityLimiter
    ) -> None:
        super().__init__(work, loop=loop)
        self._limiter = limiter

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the job, unless its thread runs: the thread would continue after the job released its place."""
        return self not in self._limiter.statistics().borrowers and super().cancel(msg)


def _call(function: Callable[[*_Ts], _T], args: tuple[*_Ts]) -> Callable[[], _T]:
    # Its repr shows no arguments, unlike that of functools.partial.
    return lambda: function(*args)
