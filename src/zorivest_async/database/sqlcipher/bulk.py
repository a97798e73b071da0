"""Bulk insertion of rows, which finds the refused row of a slice from the row numbers that SQLite has assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Integer, bindparam, func, literal_column, select

from zorivest_async.database.statements import Statement

if TYPE_CHECKING:
    from sqlalchemy import Select, Table

    from zorivest_async.database.backend import Channel

__all__ = ["SqliteBulkInsert"]

_ROW_NUMBER = literal_column("rowid", Integer)


class SqliteBulkInsert:
    """Bulk insertion into one table, in slices; ``executemany()`` keeps the rows before the refused one.

    Args:
        channel: The transaction.
        table: The table, which assigns row numbers in ascending order.
    """

    def __init__(self, channel: Channel, table: Table) -> None:
        self._channel = channel
        self._table = table
        self._last = 0

    async def begin(self) -> None:
        """Note the last row number."""
        self._last = await self._number(select(func.coalesce(func.max(_ROW_NUMBER), 0)).select_from(self._table))

    async def refused_row(self, inserted: int, /) -> int:
        """Return the index of the refused row in the last slice: the number of its rows that were inserted.

        Args:
            inserted: Number of rows of the slices before it.
        """
        after = bindparam("last", self._last, type_=Integer) < _ROW_NUMBER
        return await self._number(select(func.count()).select_from(self._table).where(after)) - inserted

    async def _number(self, query: Select[int]) -> int:
        compiled = Statement(query)[self._channel.backend]
        return int((await self._channel.send(compiled.text, compiled.values({}))).rows[0][0])
