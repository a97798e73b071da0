"""Schema check: compare the schema of a vault with the library's, to find the changes of other programs.

A vault is a database, and a person with its passphrase can put anything into it: a trigger that changes prices when
they are stored, a view that replaces a table, a column of another type. Without this check, the recipient of such a
vault cannot see the changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database.sqlcipher.ddl import Schema, fold, read_schema, shown, tokens_of
from zorivest_async.database.sqlcipher.schema_differences import added_parts, changes_of, is_of_index, library_tables
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.vault.file_format import create_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zorivest_async.database.sqlcipher.ddl import SchemaObject

__all__ = ["SchemaReport", "check_schema_of"]

_DECIDING: Final = frozenset({"AS", "CHECK", "GENERATED", "NOT", "PRIMARY", "REFERENCES", "UNIQUE", "CONFLICT"})
"""Keywords in the definition of an added column that affect the values stored in the row."""


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """Differences of the schema of a vault from the library's.

    Attributes:
        changes: Missing or changed objects of the library.
        additions: Added objects that affect the library's rows: triggers, constraints, unique indexes. Other columns,
            tables, views and indexes are not listed.
    """

    changes: tuple[str, ...]
    additions: tuple[str, ...]


def check_schema_of(raw: sqlcipher.Connection) -> SchemaReport:
    """Compare the schema of a vault of this release, or of an earlier one, with the library's."""
    (version,) = raw.execute("PRAGMA user_version").fetchone()
    if version < 1:
        return SchemaReport((f"the schema says that its version is {version}, which no release writes",), ())
    made, found = _schema_of(version), read_schema(raw)
    changes = [change for one in made.values() if not _is_of_fts5(one) for change in changes_of(one, found)]
    return SchemaReport(tuple(changes), tuple(_additions(made, found)))


def _schema_of(version: int) -> Schema:
    if version == SCHEMA_VERSION:
        return _present_schema()
    from zorivest_async.database.migrations.history import schema_at  # noqa: PLC0415 - importing Alembic is slow

    return schema_at(version)


@cache
def _present_schema() -> Schema:
    raw = sqlcipher.connect(":memory:", isolation_level=None)
    try:
        create_schema(raw)
        return read_schema(raw)
    finally:
        raw.close()


def _is_of_fts5(made: SchemaObject) -> bool:
    """Return whether a table is a shadow table of FTS5, whose definition depends on the version of SQLite."""
    return made.type == "table" and is_of_index(made) and made.sql.startswith("CREATE TABLE '")


def _additions(made: Schema, found: Schema) -> Iterator[str]:
    tables = library_tables(made)
    for key, one in found.items():
        if one.type == "entry":
            yield "an entry of the schema that is not a table, index, view or trigger"
        elif key in made:
            if one.type == "table" and made[key].type == "table":
                yield from _added_constraints(made[key], one)
        elif one.type == "trigger" and (fold(one.table) in tables or one.names & tables):
            yield f"{one.shown} on {shown(one.table)}"
        elif one.type == "index" and fold(one.table) in tables and "UNIQUE" in tokens_of(one.sql)[:2]:
            yield f"{one.shown} on {shown(one.table)}, which is unique"


def _added_constraints(made: SchemaObject, found: SchemaObject) -> Iterator[str]:
    added = added_parts(made, found)
    for part in added.columns:
        if _DECIDING & set(part.tokens):
            yield f"the column {shown(part.column)} of {made.name}, which has a constraint or an expression"
    if added.constraints:
        yield f"constraints of the table {made.name}: {len(added.constraints)}"
