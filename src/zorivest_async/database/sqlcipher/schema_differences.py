"""Differences between the schema of a vault and the library's schema."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zorivest_async.database.sqlcipher.ddl import Part, TableDefinition, fold, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zorivest_async.database.sqlcipher.ddl import Schema, SchemaObject

__all__ = ["AddedParts", "added_parts", "changes_of", "is_of_index", "library_tables"]

_INDEX_TABLES: Final = ("zorivest_search", "search")
"""Prefixes of the names of the search index: the current one, and the one before version 3."""


@dataclass(frozen=True, slots=True)
class AddedParts:
    """Columns and constraints that a table has besides the library's.

    Attributes:
        columns: Added columns, in order.
        constraints: Added table constraints, in order.
    """

    columns: list[Part]
    constraints: list[Part]

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.columns or self.constraints)

    @property
    def shown(self) -> str:
        """The names of the added parts for errors."""
        names = [f"the column {shown(part.column)}" for part in self.columns]
        return " and ".join([*names, *(["a constraint"] if self.constraints else [])])


def is_of_index(found: SchemaObject) -> bool:
    """Return whether an object of the library belongs to the search index, which is rebuilt from the tables."""
    return found.name.startswith(_INDEX_TABLES)


def changes_of(made: SchemaObject, schema: Schema) -> Iterator[str]:
    """Yield a sentence for each difference of an object from the library's; added parts are not a difference.

    Args:
        made: The library's object.
        schema: The schema of the vault.
    """
    found = schema.get(made.key)
    if found is None:
        yield f"{made.shown} is missing"
    elif found.type != made.type:
        yield f"{made.shown} is missing: {made.name} is a {found.type}"
    elif made.type == "table" and "VIRTUAL" not in made.sql.upper().split("(")[0]:
        yield from _changes_of_table(made, found)
    elif not found.is_same(made):
        yield f"{made.shown} is not as the library makes it"


def _changes_of_table(made: SchemaObject, found: SchemaObject) -> Iterator[str]:
    if found.is_same(made):
        return
    wanted, there = TableDefinition.of(made.sql), TableDefinition.of(found.sql)
    for name, part in wanted.columns.items():
        if name not in there.columns:
            yield f"the column {name!r} of {made.name} is missing"
        elif there.columns[name].tokens != part.tokens:
            yield f"the column {name!r} of {made.name} is not as the library makes it"
    for tokens in Counter(part.tokens for part in wanted.constraints) - Counter(
        part.tokens for part in there.constraints
    ):
        yield f"the constraint {_name_of(tokens)} of {made.name} is missing or changed"
    if there.options != wanted.options or not there.columns:
        yield f"{made.shown} is a table of another kind"


def _name_of(tokens: tuple[str, ...]) -> str:
    return repr(tokens[1][1:]) if tokens[0] == "CONSTRAINT" else tokens[0]


def added_parts(made: SchemaObject, found: SchemaObject) -> AddedParts:
    """Return the columns and constraints that a table has besides the library's."""
    wanted, there = TableDefinition.of(made.sql), TableDefinition.of(found.sql)
    columns = [part for name, part in there.columns.items() if name not in wanted.columns]
    surplus = Counter(part.tokens for part in there.constraints) - Counter(part.tokens for part in wanted.constraints)
    constraints = list[Part]()
    for part in reversed(there.constraints):
        if surplus[part.tokens]:
            surplus[part.tokens] -= 1
            constraints.insert(0, part)
    return AddedParts(columns, constraints)


def library_tables(schema: Schema) -> frozenset[str]:
    """Return the folded names of the tables in a schema."""
    return frozenset(fold(found.name) for found in schema.values() if found.type == "table")
