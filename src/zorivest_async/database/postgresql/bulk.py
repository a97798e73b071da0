"""Bulk insertion into a table: one message a slice, an array a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from zorivest_async.database.postgresql.text import ServerText

if TYPE_CHECKING:
    from sqlalchemy import Table

    from zorivest_async.database.backend import Channel

__all__ = ["ServerBulkInsert"]


class ServerBulkInsert:
    """Bulk insertion into one table, in slices.

    No row is refused with an error of the server, which would abort the transaction: an insertion that refuses stored
    rows does nothing with them, and returns the keys of the others.

    Args:
        channel: The transaction.
        table: The table, whose key is the first column.
    """

    def __init__(self, channel: Channel, table: Table) -> None:
        self._channel = channel
        self._place = [column.name for column in table.columns].index(table.primary_key.columns[0].name)
        self._refuses = False
        self._refused = 0

    async def begin(self) -> None:
        """Refuse stored rows from now on."""
        self._refuses = True

    async def send(self, sql: str, rows: list[tuple[Any, ...]], /) -> int:
        """Send the insertion of one row for each row of a slice, and return the number of changed rows.

        An update of a row that is twice in the slice is sent once, from the last of them, and counted twice.
        """
        place = self._place
        once = {row[place]: row for row in rows}
        if "DO UPDATE" in sql:
            return await self._channel.send_rows(sql, [*once.values()]) + len(rows) - len(once)
        if not self._refuses or not isinstance(sql, ServerText) or sql.many is None:
            return await self._channel.send_rows(sql, rows)
        inserted = {row[0] for row in (await self._channel.send(sql.many, rows)).rows}
        if len(inserted) < len(rows):
            # The first row of a key is inserted, unless it was stored before.
            seen = set[Any]()
            for number, row in enumerate(rows):
                if row[place] in seen or row[place] not in inserted:
                    self._refused = number
                    break
                seen.add(row[place])
            raise asyncpg.UniqueViolationError("a row is stored already")
        return len(rows)

    async def refused_row(self) -> int:
        """Return the index of the refused row in the last slice, counted from 0."""
        return self._refused
