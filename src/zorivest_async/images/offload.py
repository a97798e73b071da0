"""Bounded thread offload for decoding images."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from zorivest_async.domain.threads import no_thread_error
from zorivest_async.errors import UnitOfWorkError, ValidationError, VaultClosedError
from zorivest_async.images.budget import ByteBudget, HeldBytes
from zorivest_async.images.processing import (
    ProcessedImage,
    make_thumbnail,
    process_image,
    read_image_file,
    webp_longest_side,
)
from zorivest_async.images.sources import as_image_path, copied, require_small_buffer
from zorivest_async.security.tracebacks import forget_locals, hidden_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

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

    It also bounds the bytes that are in memory: those of images that are being attached, from reading them to the end
    of their ``INSERT``, and those of originals that are read for a thumbnail, to the end of their decoding. Each of the
    two is bounded by as many images of the maximum size as there are threads. Originals that are read do not wait for
    those that are attached, which may have to wait for a writer.

    It belongs to the event loop that first uses it, and to one vault, which closes it.

    Args:
        policy: Limits of the images, and the number of threads.
        holds_turn: Returns whether the current task holds the turn to write. It then never waits for bytes, which are
            held by tasks that may wait for its turn.
    """

    __slots__ = ("_attached", "_closed", "_holds_turn", "_jobs", "_limiter", "_loop", "_policy", "_read")

    def __init__(self, policy: ImagePolicy, holds_turn: Callable[[], bool] | None = None) -> None:
        self._policy = policy
        self._holds_turn = holds_turn
        self._attached, self._read = (ByteBudget(policy.threads * policy.max_bytes) for _ in range(2))
        self._limiter: CapacityLimiter | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: set[asyncio.Task[Any]] = set()
        self._closed = False

    @property
    def policy(self) -> ImagePolicy:
        """Limits of the images."""
        return self._policy

    def attached(
        self, source: bytes | bytearray | memoryview | str | PathLike[str], *, may_wait: bool = True
    ) -> HeldBytes:
        """Return a context manager that gives the bytes of an image, and counts them until its block ends.

        ``bytes`` are the caller's and are not counted. The context manager raises what :meth:`read_file` raises.

        Args:
            source: The bytes, or the path of a file.
            may_wait: Wait for room. A caller that holds a connection must not, because others may wait for it.

        Raises:
            ImageTooLargeError: A buffer has more bytes than the policy allows.
            ValidationError: It is neither bytes nor the path of a file.
            VaultClosedError: The vault was closed.
            UnitOfWorkError: Another event loop used it first.
        """
        self._usable_limiter()
        if isinstance(source, bytes):
            return HeldBytes(None, 0, partial(_itself, source))
        if isinstance(source, bytearray | memoryview):
            require_small_buffer(source, self._policy)
            read: Callable[[], Awaitable[bytes]] = hidden_call(self.run, copied, source)
        elif isinstance(source, str | PathLike):
            read = partial(self.read_file, as_image_path(source))
        else:
            raise ValidationError("ImageAttachment", "data", f"must be bytes or a path, not {type(source).__name__}")
        waits = may_wait and not (self._holds_turn is not None and self._holds_turn())
        return HeldBytes(self._attached if waits else None, self._policy.max_bytes, read)

    def read(self, read: Callable[[], Awaitable[bytes]]) -> HeldBytes:
        """Return a context manager that reads a stored original, and counts its bytes until its block ends.

        Args:
            read: Reads the original; it must hold nothing when it returns.

        Raises:
            VaultClosedError: The vault was closed.
            UnitOfWorkError: Another event loop used it first.
        """
        self._usable_limiter()
        return HeldBytes(self._read, self._policy.max_bytes, read)

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

    async def scaled(self, preview: bytes, max_size: int) -> bytes:
        """Return a picture itself if it has no longer side than this, and else a smaller one that a thread makes of it.

        Args:
            preview: A WebP image that :meth:`thumbnail` has made.
            max_size: Longest side, in pixels.
        """
        side = webp_longest_side(preview)
        return preview if side is None or side <= max_size else await self.thumbnail(preview, max_size)

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
        limiter = self._usable_limiter()
        job = _Job(to_thread.run_sync(_call(function, args), limiter=limiter), asyncio.get_running_loop(), limiter)
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

    def _usable_limiter(self) -> CapacityLimiter:
        """Return the bound on threads, after checking that it may be used here; the first use binds the event loop."""
        if self._closed:
            raise VaultClosedError("the vault is closed")
        loop = asyncio.get_running_loop()
        if self._limiter is None:
            self._limiter, self._loop = CapacityLimiter(self._policy.threads), loop
        elif self._loop is not loop:
            raise UnitOfWorkError("images of this vault belong to another event loop; open it on the loop that uses it")
        return self._limiter

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


async def _itself(data: bytes) -> bytes:
    return data
