"""Explanation of foreign key errors: the server's catalog lists the keys, and a query for each finds the violated one.

This runs only after an error, which was undone. Messages name tables, and never the values of rows.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import ColumnElement, String, bindparam, cast, exists, literal_column, select
from sqlalchemy import column as sql_column
from sqlalchemy import table as sql_table

from zorivest_async.database.error_mapping import translated
from zorivest_async.database.statements import Statement, each
from zorivest_async.errors import ZorivestError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Select, Table

    from zorivest_async.database.backend import Channel

__all__ = ["find_refusing_table", "what_is_missing", "what_refers"]

_NOUNS: Final = {"accounts": "account", "trades": "trade", "watchlists": "watchlist"}
"""Nouns of the rows of a table, for messages."""

_KEYS: Final = """
SELECT child.relname, parent.relname, reference.confdeltype::text,
    (SELECT array_agg(own.attname::text ORDER BY place.n)
        FROM unnest(reference.conkey) WITH ORDINALITY AS place(number, n)
        JOIN pg_attribute AS own ON own.attrelid = child.oid AND own.attnum = place.number),
    (SELECT array_agg(their.attname::text ORDER BY place.n)
        FROM unnest(reference.confkey) WITH ORDINALITY AS place(number, n)
        JOIN pg_attribute AS their ON their.attrelid = parent.oid AND their.attnum = place.number)
FROM pg_constraint AS reference
JOIN pg_class AS child ON child.oid = reference.conrelid
JOIN pg_class AS parent ON parent.oid = reference.confrelid
WHERE reference.contype = 'f' AND reference.conparentid = 0 AND parent.relname <> 'journals'
ORDER BY child.relname, reference.conname
"""

_REFUSING: Final = frozenset("ar")
"""Actions of foreign keys that refuse a deletion: no action, restrict."""


@dataclass(frozen=True, slots=True)
class _ForeignKey:
    """A foreign key, without the journal's number.

    Attributes:
        child: The referring table.
        parent: The table that it refers to.
        on_delete: Action for the child's rows when the parent's are deleted, a letter of the catalog.
        columns: Columns of the child, each with the parent's column that it refers to.
    """

    child: str
    parent: str
    on_delete: str
    columns: tuple[tuple[str, str], ...]


async def find_refusing_table(
    channel: Channel, table: Table, condition: ColumnElement[bool], parameters: Mapping[str, Any], *, besides: set[str]
) -> str | None:
    """Return the name of a table, except those in ``besides``, whose rows prevent the deletion of some rows."""
    for key in await _keys_to(channel, table):
        is_asked = key.on_delete in _REFUSING and key.child not in besides
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
    """Return a message that names a table that refers to rows of a table, or ``None`` if none is found."""
    with suppress(ZorivestError), translated(channel.backend):  # the refusal matters more than what went wrong here
        for key in await _keys_to(channel, table):
            is_asked = columns is None or any(to in columns for _, to in key.columns)
            if is_asked and await _refers(channel, key, table, condition, parameters):
                what = "it" if table is owner else f"a row of {table.name} that goes with it"
                return f"a row of {key.child} refers to {what}; delete or change that first"
    return None


async def what_is_missing(
    channel: Channel, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> str | None:
    """Return a message that names the missing row that rows refer to, or ``None`` if none is found."""
    places = {name: place for place, name in enumerate(columns)}
    with suppress(ZorivestError), translated(channel.backend):
        for key in await _keys(channel):
            if key.child != table.name or len(key.columns) != 1 or key.columns[0][0] not in places:
                continue
            ((own, to),) = key.columns
            wanted = {str(row[places[own]]) for row in rows if row[places[own]] is not None}
            parent = sql_table(key.parent, sql_column(to))
            found = select(cast(parent.c[to], String)).where(cast(parent.c[to], String).in_(each("wanted")))
            compiled = Statement(found)[channel.backend]
            stored = (await channel.send(compiled.text, compiled.values({"wanted": _as_json(wanted)}))).rows
            if len({row[0] for row in stored}) < len(wanted):
                noun = _NOUNS.get(key.parent)
                if noun is None:
                    return f"it refers to a row of {key.parent} that is not stored; save that first"
                return f"its {noun} is not stored; save the {noun} first"
    return None


def _as_json(values: Collection[str]) -> str:
    return json.dumps([*values])


async def _keys(channel: Channel) -> list[_ForeignKey]:
    keys: list[_ForeignKey] = []
    for child, parent, on_delete, own, their in (await channel.send(_KEYS, ())).rows:
        pairs = [pair for pair in zip(own, their, strict=True) if pair[1] != "journal_id"]
        keys.append(_ForeignKey(child, parent, on_delete, tuple(pairs)))
    return keys


async def _keys_to(channel: Channel, table: Table) -> list[_ForeignKey]:
    """Return the foreign keys that refer to a table; those that refuse a deletion come first."""
    keys = [key for key in await _keys(channel) if key.parent == table.name]
    return sorted(keys, key=lambda key: key.on_delete not in _REFUSING)


async def _refers(
    channel: Channel,
    key: _ForeignKey,
    table: Table,
    condition: ColumnElement[bool] | None,
    parameters: Mapping[str, Any],
) -> bool:
    """Return whether the child has a row that refers to one of the rows of ``table`` that meet the condition."""
    child = sql_table(key.child, *(sql_column(own) for own, _ in key.columns)).alias("child")
    refers = exists().where(*(table.c[to] == child.c[own] for own, to in key.columns))
    rows: Select[Any] = select(literal_column("1")).select_from(table).where(refers).limit(bindparam("one"))
    compiled = Statement(rows if condition is None else rows.where(condition))[channel.backend]
    return bool((await channel.send(compiled.text, compiled.values({**parameters, "one": 1}))).rows)
