"""Work that is finished whatever happens to the task that asked for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from anyio import CancelScope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["finish"]

_T = TypeVar("_T")


async def finish(work: Awaitable[_T], when_cancelled: Callable[[], object] | None = None) -> _T:
    """Await ``work`` to its end in a task of its own, through any number of cancellations, and then raise the last one.

    A shielding cancel scope alone would not do: it does not stop ``task.cancel()``.

    Args:
        work: A coroutine, or a future.
        when_cancelled: Called at the first cancellation; it may bring the end about.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError as error:
        cancelled = error
        if when_cancelled is not None:
            when_cancelled()
        with CancelScope(shield=True):  # anyio would otherwise cancel again at every turn of the loop
            while not task.done():
                try:
                    await asyncio.wait({task})
                except asyncio.CancelledError as again:
                    cancelled = again
        if not task.cancelled():
            task.exception()  # the caller is told of its cancellation instead; asyncio need not report this as well
        raise cancelled from None
    return task.result()
