"""Event loop of a command, which Ctrl-C stops after the clean-up."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["run_to_end"]

_ResultT = TypeVar("_ResultT")


def run_to_end(work: Awaitable[_ResultT]) -> _ResultT:
    """Wait for ``work`` on its own event loop; the first Ctrl-C cancels it, and later ones have no effect.

    :func:`asyncio.run` alone would stop at the second Ctrl-C, and leave unfinished files behind.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and ``work`` has cleaned up.
    """

    async def wait() -> _ResultT:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        interrupted = False

        def interrupt(*_signal: object) -> None:
            nonlocal interrupted
            if not interrupted and task is not None:
                interrupted = True
                with suppress(RuntimeError):  # the loop is closed, so the work has already ended
                    loop.call_soon_threadsafe(task.cancel)

        signal.signal(signal.SIGINT, interrupt)
        return await work

    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(wait())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)
