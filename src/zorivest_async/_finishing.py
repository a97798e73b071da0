"""Uncancellable work: a commit, a rollback or a close finishes even if its task is cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["finish", "start_unstoppable"]

_T = TypeVar("_T")


class _UnstoppableTask(asyncio.Task[_T]):
    """A task that ignores cancellation.

    ``asyncio.run`` cancels every task of its loop when it ends, and shutdown code does the same, so it is not enough to
    shield the task from its caller's cancellation. ``asyncio.run`` then waits for it like for any other task.
    """

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - asyncio's signature
        """Ignore the request."""
        return False


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work


def start_unstoppable(work: Awaitable[_T]) -> asyncio.Task[_T]:
    """Run ``work`` in a task that only the end of its event loop can stop.

    Args:
        work: A coroutine, or another awaitable that ignores cancellation itself.
    """
    return _UnstoppableTask(_awaited(work), loop=asyncio.get_running_loop())


async def finish(work: Awaitable[_T], when_cancelled: Callable[[], object] | None = None) -> _T:
    """Await ``work`` to its end, despite any number of cancellations of any task, and then raise the last one.

    A shielding cancel scope is not enough, as it does not stop ``task.cancel()``.

    Args:
        work: A coroutine, or a future that ignores cancellation, such as a task of :func:`start_unstoppable`.
        when_cancelled: Called at the first cancellation; it may make ``work`` end sooner.
    """
    future: asyncio.Future[_T] = work if isinstance(work, asyncio.Future) else start_unstoppable(work)
    try:
        await asyncio.wait({future})
    except asyncio.CancelledError as error:
        cancelled = error
        if when_cancelled is not None:
            when_cancelled()
        with CancelScope(shield=True):  # anyio would otherwise cancel again at every iteration of the loop
            while not future.done():
                try:
                    await asyncio.wait({future})
                except asyncio.CancelledError as again:
                    cancelled = again
        if not future.cancelled():
            future.exception()  # the caller gets its cancellation instead, so asyncio need not report this error
        raise cancelled from None
    return future.result()
