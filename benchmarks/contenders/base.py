"""What a contender does: the same work as every other, in its own way."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias

from benchmarks.connecting import open_raw
from benchmarks.vaults import remove_new

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from zorivest_async import Trade

__all__ = ["Contender", "File", "FullContender", "Observer", "OnVault", "Position", "Read"]

Position: TypeAlias = Any
"""Where a page ended, in a contender's own form; ``None`` for the first page."""

Read: TypeAlias = "Callable[[str], Awaitable[object]]"


class File(Enum):
    """Which file a contender works on."""

    SHARED = auto()
    """The vault itself."""

    COPY = auto()
    """A copy of the vault: two SQLite libraries in one process drop each other's POSIX locks of a common file."""

    PLAIN = auto()
    """The same tables and rows in a file without encryption."""


class Observer(Protocol):
    """A synchronous connection: that of any DB-API driver here, or apsw's."""

    def execute(self, sql: str, parameters: Any, /) -> Any:
        """Run a statement and return a cursor."""
        ...


class Contender(Protocol):
    """A way to keep trades in a file.

    Its inputs and results are what its users have in their hands: rows, models or entities.

    Attributes:
        file: Which file it is opened with.
    """

    file: ClassVar[File]

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:
        """Open a vault's file with its raw key, for at most so many connections; the default is the contender's own."""
        ...

    @staticmethod
    def observe(path: Path, key: bytes) -> Observer:
        """Open another connection to its file, of the same SQLite library."""
        ...

    async def aclose(self) -> None:
        """Close it, and wait until that is done."""
        ...

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:
        """Return trades as :meth:`save_commit` and :meth:`bulk_save` take them; this is not timed."""
        ...

    async def read_fresh(self, exec_id: str) -> object:
        """Read a trade by its key, in a unit of work of its own."""
        ...

    async def save_commit(self, trade: Any) -> None:
        """Insert a trade and commit, in a unit of work of its own."""
        ...

    async def read_modify_write(self, exec_id: str) -> None:
        """Read a trade, change its commission and commit, in a unit of work of its own."""
        ...

    async def bulk_save(self, trades: list[Any]) -> None:
        """Insert trades and commit."""
        ...

    async def list_trades(self, count: int) -> Sequence[object]:
        """Return the newest trades."""
        ...

    async def remove_new(self, path: Path) -> None:
        """Remove what was saved from its file, and empty the WAL, so that the next run finds what this one found."""
        ...


class OnVault:
    """Base of the contenders that work on the vault itself, with the same SQLite library."""

    file: ClassVar = File.SHARED

    @staticmethod
    def observe(path: Path, key: bytes) -> Observer:
        """Open another connection to its file, of the same SQLite library."""
        return open_raw(path, key)

    async def remove_new(self, path: Path) -> None:
        """Remove what was saved, with a connection of its own."""
        await asyncio.to_thread(remove_new, path)


class FullContender(Contender, Protocol):
    """A contender of the workloads that have more than keyed reads, writes and lists."""

    def reading(self) -> AbstractAsyncContextManager[Read]:
        """Open a unit of work to read many trades in."""
        ...

    async def stream_trades(self, count: int) -> int:
        """Go through the newest trades without keeping them, and return how many there were."""
        ...

    async def page(self, size: int, after: Position) -> Sequence[object]:
        """Return the trades, newest first, that follow a position."""
        ...

    async def position_after(self, count: int) -> Position:
        """Return the position of the newest trade but ``count - 1``; this is not timed."""
        ...

    async def list_images(self, owner_id: str) -> Sequence[object]:
        """Return what there is to show of a trade's images, thumbnails included, without the originals."""
        ...

    async def hold_open(self, count: int) -> None:
        """Open so many connections, read on each, and hold all of them at once; :meth:`aclose` closes them."""
        ...
