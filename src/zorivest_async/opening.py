"""What a classmethod returns that both ``await`` and ``async with`` can open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import TracebackType

__all__ = ["Opening"]


class _Closable(Protocol):
    async def aclose(self) -> None: ...


_ClosableT = TypeVar("_ClosableT", bound=_Closable)


class Opening(Generic[_ClosableT]):
    """Something about to be opened: await it to have it, or enter it to have it closed on leaving.

    Args:
        open_it: Opens it, each time it is awaited or entered.
    """

    def __init__(self, open_it: Callable[[], Coroutine[Any, Any, _ClosableT]]) -> None:
        self._open_it = open_it
        self._opened: _ClosableT

    def __await__(self) -> Generator[Any, None, _ClosableT]:
        return self._open_it().__await__()

    async def __aenter__(self) -> _ClosableT:
        self._opened = await self
        return self._opened

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.aclose()
