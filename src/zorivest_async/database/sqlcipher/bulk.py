"""Bulk insertion of rows, many of them in one statement.

A statement costs more than a row: SQLite begins and ends it, and a trigger adds a savepoint to it. And the driver takes
a microsecond and more to bind a ``None``. So columns without a value are constants of the statement.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, bindparam, func, literal_column, select

from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.database.statements import Statement

if TYPE_CHECKING:
    from sqlalchemy import Select, Table

    from zorivest_async.database.backend import Channel

__all__ = ["ROWS_OF_STATEMENT", "SqliteBulkInsert"]

ROWS_OF_STATEMENT: Final = 25
"""Number of rows in a statement; more of them gain little."""

_ROW_NUMBER = literal_column("rowid", Integer)


class SqliteBulkInsert:
    """Bulk insertion into one table, in slices; the rows before the refused one stay inserted.

    Args:
        channel: The transaction.
        table: The table, which assigns row numbers in ascending order.
    """

    def __init__(self, channel: Channel, table: Table) -> None:
        self._channel = channel
        self._table = table
        self._last: int | None = None
        self._inserted = 0
        """Number of rows of the slices before the last one."""

    async def begin(self) -> None:
        """Note the last row number."""
        self._last = await self._number(select(func.coalesce(func.max(_ROW_NUMBER), 0)).select_from(self._table))

    async def send(self, sql: str, rows: list[tuple[Any, ...]], /) -> int:
        """Send the insertion of one row for each row of a slice, and return the number of changed rows."""
        grouped = len(rows) - len(rows) % ROWS_OF_STATEMENT
        changed = await self._send_grouped(sql, rows[:grouped]) if grouped else 0
        if grouped < len(rows):
            changed += await self._channel.send_rows(sql, rows[grouped:])
        self._inserted += changed
        return changed

    async def _send_grouped(self, sql: str, rows: list[tuple[Any, ...]]) -> int:
        width = len(rows[0])
        candidates = [place for place, value in enumerate(rows[0]) if value is None]
        constants = frozenset(place for place in candidates if [*map(itemgetter(place), rows)].count(None) == len(rows))
        values = itemgetter(*(place for place in range(width) if place not in constants))
        flat = chain.from_iterable(map(values, rows))
        size = (width - len(constants)) * ROWS_OF_STATEMENT
        groups = [*zip(*[flat] * size, strict=True)]
        try:
            return await self._channel.send_rows(_of_many_rows(sql, width, constants), groups)
        except self._channel.backend.errors as error:
            if self._last is None or result_code(getattr(error, "orig", error)) != sqlite3.SQLITE_CONSTRAINT:
                raise
        # The statements before the refused one stay; this sends its rows one by one, to find the refused row.
        return await self._channel.send_rows(sql, rows[await self.refused_row() :])

    async def refused_row(self) -> int:
        """Return the index of the refused row in the last slice: the number of its rows that were inserted."""
        after = bindparam("last", self._last, type_=Integer) < _ROW_NUMBER
        return await self._number(select(func.count()).select_from(self._table).where(after)) - self._inserted

    async def _number(self, query: Select[int]) -> int:
        compiled = Statement(query)[self._channel.backend]
        return int((await self._channel.send(compiled.text, compiled.values({}))).rows[0][0])


@lru_cache(maxsize=64)
def _of_many_rows(sql: str, width: int, constants: frozenset[int]) -> str:
    """Return the insertion of many rows for the insertion of one; ``constants`` are the places of its ``NULL``."""
    one = ", ".join("NULL" if place in constants else "?" for place in range(width))
    head, tail = sql.split(f"VALUES ({', '.join('?' * width)})")
    return f"{head}VALUES {', '.join([f'({one})'] * ROWS_OF_STATEMENT)}{tail}"
