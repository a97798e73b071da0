"""Rows with their sealed values as they are stored, in slices, for what goes over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zorivest_async.database.types import Confidential

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["sealed_columns", "sealed_rows"]


def sealed_columns(table: Table) -> list[str]:
    """Return the names of the sealed columns of a table."""
    return [column.name for column in table.columns if isinstance(column.type, Confidential)]


async def sealed_rows(
    connection: AsyncConnection, table: Table, size: int
) -> AsyncGenerator[tuple[Any, tuple[bytes | None, ...]]]:
    """Yield the key of each row with its sealed values, in the order of the keys.

    Args:
        connection: A connection in a transaction of the journal.
        table: The table.
        size: Number of rows that are fetched at a time.
    """
    key = next(iter(table.primary_key.columns)).name
    columns = ", ".join([key, *sealed_columns(table)])
    kind = "bigint" if key == "id" else "text"
    after: Any = None
    while True:
        condition = "" if after is None else f"WHERE {key} > $2::{kind}"
        sql = f"SELECT {columns} FROM {table.name} {condition} ORDER BY {key} LIMIT $1::bigint"  # noqa: S608 - names of the models
        parameters = (size,) if after is None else (size, after)
        rows = (await connection.exec_driver_sql(sql, parameters)).all()
        for row in rows:
            yield row[0], tuple(row[1:])
        if len(rows) < size:
            return
        after = rows[-1][0]
