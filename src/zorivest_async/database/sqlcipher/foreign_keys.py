"""Explanation of foreign key errors: it finds the violated key after a statement failed.

SQLite only says "FOREIGN KEY constraint failed". Its schema lists the keys, including a user's own, and a query for
each key finds the violated one. This runs only after an error. Messages name tables, and never the values of rows.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.sql.elements import quoted_name

from zorivest_async.database.error_mapping import translated
from zorivest_async.database.statements import Statement
from zorivest_async.errors import ZorivestError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import FromClause, Select

    from zorivest_async.database.backend import Channel

__all__ = ["find_refusing_table", "what_is_missing", "what_refers"]

_NOUNS: Final = {"accounts": "account", "trades": "trade", "watchlists": "watchlist"}
"""Nouns of the rows of a table, for messages."""

_REFUSING_ACTIONS: Final = ("NO ACTION", "RESTRICT")
"""Actions of foreign keys that refuse a deletion; the effects of other actions may be refused in turn."""

# A key without a column of the parent refers to its primary key (https://sqlite.org/foreignkeys.html).
_KEYS: Final = """
SELECT child.name, reference.id, reference."table", reference.on_delete, reference."from",
    coalesce(
        reference."to", (SELECT name FROM pragma_table_info(reference."table") WHERE pk = reference.seq + 1)
    )
FROM sqlite_master AS child JOIN pragma_foreign_key_list(child.name) AS reference
WHERE child.type = 'table' AND child.sql NOT LIKE 'CREATE VIRTUAL%'
ORDER BY child.name, reference.id, reference.seq
"""


@dataclass(frozen=True, slots=True)
class _ForeignKey:
    """A foreign key.

    Attributes:
        child: The referring table.
        parent: The table that it refers to.
        on_delete: Action for the child's rows when the parent's are deleted.
        columns: Columns of the child, each with the parent's column that it refers to.
    """

    child: str
    parent: str
    on_delete: str
    columns: tuple[tuple[str, str], ...]

    @property
    def child_table(self) -> FromClause:
        """The child with the columns of the key."""
        return _table(self.child, [own for own, _ in self.columns]).alias("child")

    @property
    def parent_table(self) -> FromClause:
        """The parent with the columns that the key refers to."""
        return _table(self.parent, [to for _, to in self.columns]).alias("parent")


async def find_refusing_table(
    channel: Channel, table: Table, condition: ColumnElement[bool], parameters: Mapping[str, Any], *, besides: set[str]
) -> str | None:
    """Return the name of a table whose rows prevent the deletion of some rows, or ``None``.

    Args:
        channel: The transaction.
        table: The table of the rows.
        condition: Condition of the rows.
        parameters: Parameters of the condition, by name.
        besides: Tables to ignore.

    Raises:
        sqlalchemy.exc.DBAPIError: The schema could not be read.
    """
    for key in await _keys_to(channel, table):
        is_asked = key.on_delete in _REFUSING_ACTIONS and key.child not in besides
        if is_asked and await _refers(channel, key, table, condition, parameters):
            return key.child
    return None


async def what_refers(
    channel: Channel,
    table: Table,
    condition: ColumnElement[bool] | None,
    parameters: Mapping[str, Any],
    *,
    owner: Table,
    columns: Collection[str] | None = None,
) -> str | None:
    """Return a message that names a table that refers to rows of a table, or ``None`` if none is found.

    Args:
        channel: The transaction, in the state before the statement.
        table: The table of the rows.
        condition: Condition of the rows; ``None`` for all.
        parameters: Parameters of the condition, by name.
        owner: The table of the row to be deleted or changed; rows of other tables are deleted with it.
        columns: Only foreign keys that refer to one of these columns; ``None`` for all.
    """
    with suppress(ZorivestError), translated(channel.backend):  # the refusal matters more than what went wrong here
        for key in await _keys_to(channel, table):
            is_asked = columns is None or any(_is_same(to, each) for _, to in key.columns for each in columns)
            if is_asked and await _refers(channel, key, table, condition, parameters):
                what = "it" if table is owner else f"a row of {table.name} that goes with it"
                return f"a row of {key.child} refers to {what}; delete or change that first"
    return None


async def what_is_missing(
    channel: Channel, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> str | None:
    """Return a message that names the missing row that rows refer to, or ``None`` if none is found.

    Args:
        channel: The transaction.
        table: The table to be written.
        columns: Names of the columns; a row may have more values than these.
        rows: Values of the rows, as the driver takes them.
    """
    places = {name.lower(): place for place, name in enumerate(columns)}
    with suppress(ZorivestError), translated(channel.backend):
        for key in await _keys(channel):
            if _is_same(key.child, table.name) and all(own.lower() in places for own, _ in key.columns):
                references = {tuple(row[places[own.lower()]] for own, _ in key.columns) for row in rows}
                if await _has_rows(channel, _without_parent(key), {"references": _as_json(references)}):
                    noun = _NOUNS.get(key.parent.lower())
                    if noun is None:
                        return f"it refers to a row of {key.parent} that is not stored; save that first"
                    return f"its {noun} is not stored; save the {noun} first"
    return None


def _without_parent(key: _ForeignKey) -> Select[Any]:
    """Return the query for the references, in a JSON array of arrays, that the parent does not have."""
    reference = func.json_each(bindparam("references", type_=Text)).table_valued("value", name="reference")
    parent = key.parent_table
    parts = [func.json_extract(reference.c.value, f"$[{place}]") for place in range(len(key.columns))]
    stored = exists().where(*(parent.c[to] == part for (_, to), part in zip(key.columns, parts, strict=True)))
    return select(literal(1)).select_from(reference).where(~stored)


def _as_json(references: Iterable[tuple[Any, ...]]) -> str:
    """Return references as one parameter, without those with a NULL, which refer to no row, or with bytes."""
    return json.dumps([each for each in references if all(isinstance(part, str | int | float) for part in each)])


async def _keys(channel: Channel) -> list[_ForeignKey]:
    keys: list[_ForeignKey] = []
    for (child, _), parts in groupby((await channel.send(_KEYS, ())).rows, lambda row: row[:2]):
        references = list(parts)
        _, _, parent, on_delete, *_ = references[0]
        if all(to is not None for *_, to in references):  # a missing parent cannot be queried
            keys.append(_ForeignKey(child, parent, on_delete, tuple((own, to) for *_, own, to in references)))
    return keys


async def _keys_to(channel: Channel, table: Table) -> list[_ForeignKey]:
    """Return the foreign keys that refer to a table; those that refuse a deletion come first."""
    keys = [key for key in await _keys(channel) if _is_same(key.parent, table.name)]
    return sorted(keys, key=lambda key: key.on_delete not in _REFUSING_ACTIONS)


async def _refers(
    channel: Channel,
    key: _ForeignKey,
    table: Table,
    condition: ColumnElement[bool] | None,
    parameters: Mapping[str, Any],
) -> bool:
    """Return whether the child has a row that refers to one of the rows of ``table`` that meet the condition."""
    child = key.child_table
    joined = table.join(child, and_(*(_column(table, to) == child.c[own] for own, to in key.columns)))
    rows = select(literal(1)).select_from(joined)
    return await _has_rows(channel, rows if condition is None else rows.where(condition), parameters)


async def _has_rows(channel: Channel, query: Select[Any], parameters: Mapping[str, Any]) -> bool:
    compiled = Statement(query.limit(1))[channel.backend]
    return bool((await channel.send(compiled.text, compiled.values(parameters))).rows)


def _table(name: str, columns: Iterable[str]) -> Table:
    own: list[Column[Any]] = [Column(quoted_name(each, quote=True)) for each in columns]
    return Table(quoted_name(name, quote=True), MetaData(), *own)


def _column(table: Table, name: str) -> ColumnElement[Any]:
    """Return a column of a declared table, which may be a user's own, or written in another case."""
    return literal_column(".".join(map(_quoted, (table.name, name))))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _is_same(name: str, other: str) -> bool:
    return name.lower() == other.lower()
