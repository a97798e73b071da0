"""Comparison of schemas, without what differs where a table was altered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.database.sqlcipher.ddl import SchemaObject, TableDefinition, read_schema, tokens_of

if TYPE_CHECKING:
    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.sqlcipher.ddl import Key

__all__ = ["comparable", "parts_of"]


def comparable(raw: sqlcipher.Connection) -> dict[Key, object]:
    """Return what a database consists of, without what differs where a table was altered: blanks, quotes, an order.

    SQLite writes a new column behind the last one, and a table that was renamed in quotes. Columns are in order.
    """
    return {key: parts_of(found) for key, found in read_schema(raw).items()}


def parts_of(found: SchemaObject) -> object:
    """Return the parts of one object."""
    definition = TableDefinition.of(found.sql)
    if found.type != "table" or not definition.constraints:
        return tokens_of(found.sql)
    columns = [part.tokens for part in definition.columns.values()]
    return columns, sorted(part.tokens for part in definition.constraints), definition.options
