"""The driver alone, called where the event loop runs: the least that the work can cost, and it blocks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from benchmarks.connecting import open_raw
from benchmarks.contenders import statements
from benchmarks.contenders.base import OnVault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from sqlcipher3 import dbapi2 as sqlcipher

    from benchmarks.contenders.base import Position, Read
    from zorivest_async import Trade

__all__ = ["Bare"]


class Bare(OnVault):
    """Synchronous ``sqlcipher3``; its results are the driver's tuples."""

    def __init__(self, path: Path, key: bytes, connection: sqlcipher.Connection) -> None:
        self._path = path
        self._key = key
        self._connection = connection
        self._others: list[sqlcipher.Connection] = []

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:  # noqa: ARG003
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        return cls(path, key, open_raw(path, key))

    async def aclose(self) -> None:  # noqa: D102
        for connection in (self._connection, *self._others):
            connection.close()

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return statements.prepare(trades)

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        return statements.read(self._connection, exec_id)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Read]:  # noqa: D102
        self._connection.execute("BEGIN")
        try:
            yield self.read_fresh
        finally:
            self._connection.execute("ROLLBACK")

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        statements.save_commit(self._connection, trade)

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        statements.read_modify_write(self._connection, exec_id)

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        statements.bulk_save(self._connection, trades)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return statements.list_trades(self._connection, count)

    async def stream_trades(self, count: int) -> int:  # noqa: D102
        return statements.stream_trades(self._connection, count)

    async def page(self, size: int, after: Position) -> Sequence[object]:  # noqa: D102
        return statements.page(self._connection, size, after)

    async def position_after(self, count: int) -> Position:  # noqa: D102
        return statements.position_after(self._connection, count)

    async def list_images(self, owner_id: str) -> Sequence[object]:  # noqa: D102
        return statements.list_images(self._connection, owner_id)

    async def hold_open(self, count: int) -> None:  # noqa: D102
        self._others = [open_raw(self._path, self._key) for _ in range(count - 1)]
        for connection in (self._connection, *self._others):
            statements.probe(connection)
