"""Awaitable context manager: an object that both ``await`` and ``async with`` open, under asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

__all__ = ["Opening", "require_asyncio"]


class _Closable(Protocol):
    async def aclose(self) -> None: ...


_ClosableT = TypeVar("_ClosableT", bound=_Closable)


def require_asyncio() -> None:
    """Check that asyncio's event loop is running, before anything is opened or created.

    Raises:
        ConfigurationError: Another event loop (Trio's) or none is running.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "an asyncio event loop is needed, and none is running here: call this from a coroutine under "
            "asyncio.run(); under Trio, run asyncio in a thread (trio.to_thread.run_sync(asyncio.run, ...)) or use "
            "trio-asyncio"
        ) from None


class Opening(Coroutine[Any, Any, _ClosableT]):
    """Awaitable context manager: await it to open the object, or enter it to also close the object on leaving.

    You may await or enter it several times; each time opens a new object. It is a coroutine, too, for
    ``asyncio.create_task()`` and ``asyncio.run()``.

    Args:
        open_it: Opens the object.

    Raises:
        ConfigurationError: It is awaited where asyncio's event loop is not running.
    """

    def __init__(self, open_it: Callable[[], Coroutine[Any, Any, _ClosableT]]) -> None:
        self._open_it = open_it
        self._opened: _ClosableT
        self._coroutine: Coroutine[Any, Any, _ClosableT] | None = None

    def __await__(self) -> Generator[Any, None, _ClosableT]:
        require_asyncio()
        return self._open_it().__await__()

    def send(self, value: Any, /) -> Any:
        """Resume the opening."""
        return self._started().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where the opening is suspended."""
        return self._started().throw(*error)

    def close(self) -> None:
        """Abandon the opening."""
        if self._coroutine is not None:
            self._coroutine.close()

    def _started(self) -> Coroutine[Any, Any, _ClosableT]:
        if self._coroutine is None:
            require_asyncio()
            self._coroutine = self._open_it()
        return self._coroutine

    async def __aenter__(self) -> _ClosableT:
        self._opened = await self
        return self._opened

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.aclose()
