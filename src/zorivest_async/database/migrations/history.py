"""Schema of each version, as its revisions make it: the library's objects in a vault of that version.

Importing this module imports Alembic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from zorivest_async.database.migrations import revisions
from zorivest_async.database.sqlcipher.ddl import Schema, SchemaObject, read_schema
from zorivest_async.database.sqlcipher.image_owners import trigger_statements as image_trigger_statements
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.database.sqlcipher.search_schema import trigger_statements
from zorivest_async.database.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlcipher3 import dbapi2 as sqlcipher

__all__ = ["make_triggers_again", "schema_at"]

_EARLIER_INDEX: Final = 2
"""The version whose search index no revision makes any more; it was the next version's, under other names."""


def schema_at(version: int, operation: Operation | None = None) -> Schema:
    """Return the library's schema of a version.

    Args:
        version: From 1 to the version of the last revision.
        operation: Stops the work on request.
    """
    operation = operation or Operation()
    if version == _EARLIER_INDEX:
        index = [
            SchemaObject.of(found.sql.replace("zorivest_search", "search"))
            for found in schema_at(version + 1, operation).values()
            if found.name.startswith("zorivest_search")
        ]
        return {**schema_at(version - 1, operation), **{found.key: found for found in index}}
    with revisions.fresh_database_at(version, operation) as connection:
        raw = revisions.raw_of(connection)
        if version > _EARLIER_INDEX:
            make_triggers_again(raw, version)
        return read_schema(raw)


def make_triggers_again(raw: sqlcipher.Connection, version: int = SCHEMA_VERSION) -> None:
    """Create the missing triggers of a version of the schema: a rebuilt table loses its triggers."""
    for statement in (*trigger_statements(version), *image_trigger_statements()):
        raw.execute(statement)
