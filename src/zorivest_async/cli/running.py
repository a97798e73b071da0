"""Running the asynchronous part of a command, which Ctrl-C stops in good order."""

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
    """Wait for ``work`` on an event loop of its own; the first Ctrl-C cancels it, and others do not hurry it.

    :func:`asyncio.run` alone gives up at the second Ctrl-C, and would leave unfinished files behind.

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
                with suppress(RuntimeError):  # the loop is closed: there is nothing left to stop
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
