"""The driver plus the same objects: what the work costs if its inputs and results are this library's entities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from benchmarks.contenders import statements
from benchmarks.contenders.bare import Bare
from benchmarks.entities import ENTITY_COLUMNS, from_rows, to_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async import Trade

__all__ = ["Objects"]

_COLUMNS: Final = ", ".join(ENTITY_COLUMNS)
_NEWEST: Final = f"SELECT {_COLUMNS} FROM trades ORDER BY time DESC, exec_id DESC LIMIT ?"  # noqa: S608 - constants
_INSERT: Final = f"INSERT INTO trades ({_COLUMNS}) VALUES ({', '.join('?' * len(ENTITY_COLUMNS))})"  # noqa: S608


class Objects(Bare):
    """Synchronous ``sqlcipher3`` that makes entities of lists of rows, and rows of entities that are saved in bulk."""

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return list(trades)

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        statements.bulk_save(self._connection, to_rows(trades), _INSERT)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return from_rows(self._connection.execute(_NEWEST, (count,)).fetchall())
