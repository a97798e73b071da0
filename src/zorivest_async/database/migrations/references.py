"""Broken references, before and after an upgrade: to missing rows, columns and tables."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.ddl import fold, quoted, read_schema
from zorivest_async.database.sqlcipher.failures import result_code

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["broken_references"]


def broken_references(raw: sqlcipher.Connection) -> Counter[tuple[str, str]]:
    """Count broken references, by the referring table and the table that it refers to."""
    objects = [found for found in read_schema(raw).values() if found.type in ("table", "view")]
    names = {fold(found.name) for found in objects}
    return Counter(
        (found.name, fold(parent))
        for found in objects
        if found.type == "table"
        for parent in _broken_references_of(raw, found.name, names)
    )


def _broken_references_of(raw: sqlcipher.Connection, table: str, names: set[str]) -> Iterator[str]:
    for (parent,) in raw.execute('SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)', (table,)).fetchall():
        if fold(parent) not in names:
            yield parent
    try:
        for _, _, parent, _ in raw.execute(f"PRAGMA foreign_key_check({quoted(table)})"):
            yield parent
    except sqlcipher.OperationalError as error:
        # The parent has no such columns, or they are not unique: writing to the table fails then.
        if result_code(error) != sqlite3.SQLITE_ERROR:
            raise
        yield " ".join(str(error).split())
