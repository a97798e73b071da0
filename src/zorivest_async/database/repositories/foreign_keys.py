"""Explanation of foreign key errors: a query for each key of the schema finds the one that a statement violated.

Databases say little about it, or say it in words that contain values. The schema lists the keys, a user's own among
them; how they are read is the backend's. This runs only after an error, which was undone. Messages name tables, and
never the values of rows.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    MetaData,
    Table,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql.elements import quoted_name

from zorivest_async.database.error_mapping import translated
from zorivest_async.database.statements import Statement, each
from zorivest_async.errors import ZorivestError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Select

    from zorivest_async.database.backend import Channel, ForeignKey

__all__ = ["find_refusing_table", "what_is_missing", "what_refers"]

_NOUNS: Final = {"accounts": "account", "trades": "trade", "watchlists": "watchlist"}
"""Nouns of the rows of a table, for messages."""

_ONE: Final[ColumnElement[Any]] = literal_column("1")


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
        if key.refuses and key.child not in besides and await _refers(channel, key, table, condition, parameters):
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
        for key in await channel.backend.foreign_keys(channel):
            if not _is_same(key.child, table.name) or any(own.lower() not in places for own, _ in key.columns):
                continue
            references = {tuple(row[places[own.lower()]] for own, _ in key.columns) for row in rows}
            if await _lacks(channel, key, references):
                noun = _NOUNS.get(key.parent.lower())
                if noun is None:
                    return f"it refers to a row of {key.parent} that is not stored; save that first"
                return f"its {noun} is not stored; save the {noun} first"
    return None


async def _lacks(channel: Channel, key: ForeignKey, references: Iterable[tuple[Any, ...]]) -> bool:
    """Return whether the parent has not all rows of references; one with a NULL refers to no row."""
    complete = [each for each in references if all(isinstance(part, str | int | float) for part in each)]
    parent = _table(key.parent, [to for _, to in key.columns]).alias("parent")
    if len(key.columns) == 1:
        column = parent.c[key.columns[0][1]]
        found = select(func.count()).select_from(parent).where(column.in_(each("wanted", is_number=key.is_number)))
        compiled = Statement(found)[channel.backend]
        wanted = json.dumps([reference for (reference,) in complete])
        rows = (await channel.send(compiled.text, compiled.values({"wanted": wanted}))).rows
        return bool(rows[0][0] < len(complete))
    own = and_(*(parent.c[to] == bindparam(f"own_{place}") for place, (_, to) in enumerate(key.columns)))
    for reference in complete:
        values = {f"own_{place}": part for place, part in enumerate(reference)}
        if not await _has_rows(channel, select(_ONE).select_from(parent).where(own), values):
            return True
    return False


async def _keys_to(channel: Channel, table: Table) -> list[ForeignKey]:
    """Return the foreign keys that refer to a table; those that refuse a deletion come first."""
    keys = [key for key in await channel.backend.foreign_keys(channel) if _is_same(key.parent, table.name)]
    return sorted(keys, key=lambda key: not key.refuses)


async def _refers(
    channel: Channel,
    key: ForeignKey,
    table: Table,
    condition: ColumnElement[bool] | None,
    parameters: Mapping[str, Any],
) -> bool:
    """Return whether the child has a row that refers to one of the rows of ``table`` that meet the condition."""
    child = _table(key.child, [own for own, _ in key.columns]).alias("child")
    refers = exists().where(*(_column(table, to) == child.c[own] for own, to in key.columns))
    rows = select(_ONE).select_from(table).where(refers)
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
