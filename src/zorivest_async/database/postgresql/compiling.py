"""PostgreSQL's SQL for the statement elements that differ between databases, and for the library's own writes."""

# ruff: noqa: S608 - the statements only contain names of this module and of the models

from __future__ import annotations

import json
import re
from operator import and_, eq
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BinaryExpression, BindParameter, BooleanClauseList, Insert, Select, Table, Update
from sqlalchemy.ext.compiler import compiles

from zorivest_async.database.postgresql.confidentiality import CONFIDENTIALITY, Confidentiality
from zorivest_async.database.postgresql.dialect import ServerDialect
from zorivest_async.database.postgresql.insertions import INSERTION, chunks, split
from zorivest_async.database.postgresql.plans import (
    Equal,
    Hashed,
    InsertionOfRows,
    Reading,
    RowKey,
    SealedValue,
    Writing,
)
from zorivest_async.database.postgresql.schema import HASH
from zorivest_async.database.postgresql.text import ServerText, unnested
from zorivest_async.database.postgresql.words import SEARCHED, Searched
from zorivest_async.database.statements import (
    Elements,
    Sought,
    contains_folded,
    has_element,
    has_value,
    opened_image,
    whole_number,
)
from zorivest_async.database.tables import IMAGES
from zorivest_async.database.types import Confidential, ImageData
from zorivest_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.expression import ClauseElement

__all__ = ["DIALECT", "text_of"]

DIALECT: Final = ServerDialect()  # type: ignore[no-untyped-call]
"""The dialect that compiles the library's statements."""


def _argument(element: Any, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    (argument,) = element.clauses
    return str(compiler.process(argument, **options))


@compiles(Elements, "postgresql")
def _elements(element: Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"jsonb_array_elements_text(({_argument(element, compiler, options)})::jsonb)"


@compiles(contains_folded, "postgresql")
def _contains_folded(element: contains_folded, compiler: SQLCompiler, **options: Any) -> str:
    # strpos() has no wildcards; with this collation lower() only changes ASCII letters.
    text, part = (compiler.process(clause, **options) for clause in element.clauses)
    return f'strpos(lower({text} COLLATE "C"), lower(({part})::text COLLATE "C")) > 0'


@compiles(whole_number, "postgresql")
def _whole_number(element: whole_number, compiler: SQLCompiler, **options: Any) -> str:
    value = _argument(element, compiler, options)
    # A text that is no number is the number of no row.
    return f"(CASE WHEN {value} ~ '^-?[0-9]{{1,18}}$' THEN ({value})::bigint END)"


@compiles(has_value, "postgresql")
def _has_value(element: has_value, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column}{HASH} = ANY({_as_hashes(value)})"


@compiles(has_element, "postgresql")
def _has_element(element: has_element, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column}{HASH} && {_as_hashes(value)}"


def _as_hashes(parameter: str) -> str:
    """Return the parameter of a value to look for as that of its hashes: while keys are replaced, it has two."""
    return f"{parameter.partition('::')[0]}::BYTEA[]"


@compiles(opened_image, "postgresql")
def _opened_image(element: opened_image, compiler: SQLCompiler, **options: Any) -> str:
    stored = _argument(element, compiler, options)
    images = stored.rpartition(".")[0] or "images"
    return (
        "(SELECT array_agg(chunk.data ORDER BY chunk.n) "
        f"FROM image_chunks AS chunk WHERE chunk.journal_id = {images}.journal_id AND chunk.image_id = {images}.id)"
    )


_PARAMETER: Final = re.compile(r"\$(\d+)::")
_ALIAS: Final = re.compile(r" AS \w+\Z")


def text_of(core: ClauseElement, compiled: Any) -> str:
    """Return the text of a compiled statement, with what PostgreSQL needs beside it.

    An insertion does nothing if its row is there already, and is then refused here: an error of the server would abort
    the transaction. A statement that changes texts also changes their words in the search index, and one that inserts
    an image inserts its chunks, both in the same message.
    """
    text = str(compiled)
    if isinstance(core, Insert) and (found := INSERTION.match(text)) is not None:
        return _insertion(core.table, found)
    if isinstance(core, Update) and isinstance(core.table, Table):
        return _update(core, text, [*compiled.positiontup])
    if isinstance(core, Select):
        return _query(core, text, compiled)
    return text


def _insertion(table: Any, found: re.Match[str]) -> str:
    name = table.name
    columns, values = found["columns"].split(", "), split(found["row"] or found["selected"])
    pairs = dict(zip(columns, (_ALIAS.sub("", value) for value in values), strict=True))
    key = table.primary_key.columns[0]
    is_new = found["conflict"] is None and found["row"] is not None
    places = {column: _place(value) for column, value in pairs.items()}
    if key.name == "id":
        pairs["id"] = f"coalesce({pairs['id']}, zorivest_next_id('{name}'))"
    original = pairs.pop("data") if table is IMAGES else None
    count = len(set(_PARAMETER.findall(found.group())))
    hashed = _hashed(table, places)
    for number, each in enumerate(hashed, count + 1):
        pairs[f"{each.label.partition('.')[2]}{HASH}"] = _hash_parameter(number, each)
    row = ", ".join(pairs.values())
    source = f"VALUES ({row})" if found["row"] is not None else f"SELECT {row}{found['guard']}"
    conflict = " ON CONFLICT DO NOTHING" if is_new else found["conflict"] or ""
    if " DO UPDATE " in conflict:
        conflict += "".join(f", {each}{HASH} = excluded.{each}{HASH}" for each in _changed_hashes(conflict, hashed))
    text = f"INSERT INTO {name} ({', '.join(pairs)}) {source}{conflict}"
    fields = SEARCHED.get(name)
    parts = [f"stored AS ({text} RETURNING {key.name} AS key)"]
    if original is not None:
        parts.append(chunks(original, "stored.key", "stored"))
    plain = f"WITH {', '.join(parts)} SELECT key FROM stored" if len(parts) > 1 else text + (found["returning"] or "")
    both = None
    if fields is not None:
        parts.append(_words(fields.kind, count + len(hashed) + 1))
        both = f"WITH {', '.join(parts)} SELECT key FROM stored"
    plan = Writing(
        plain,
        both,
        always=False,
        key=places[key.name],
        numbered=name if key.name == "id" else None,
        sealed=_sealed(table, places),
        hashed=hashed,
        searched=_searched(fields, places),
        original=places["data"] if original is not None else None,
    )
    many = None if original is not None or found["row"] is None else unnested(text)
    rows = InsertionOfRows(plan, many, fields and fields.kind, key.name, " DO UPDATE " in text) if many else None
    return ServerText(
        plain, plan, refuses_duplicates=is_new, many=None if rows is None else ServerText(many or "", rows)
    )


def _update(core: Update, text: str, parameters: Sequence[str]) -> str:
    table: Any = core.table
    fields = SEARCHED.get(table.name)
    changed = dict(re.findall(r"(\w+)=(.*?)(?:, (?=\w+=)| ?\nWHERE|\Z)", text.partition(" SET ")[2], re.DOTALL))
    places = {column: _place(value) for column, value in changed.items()}
    sealed, hashed = _sealed(table, places), _hashed(table, places)
    is_searched = fields is not None and any(column in changed for column in fields.columns)
    if not (sealed or is_searched):
        return text
    key = table.primary_key.columns[0]
    key_place = _given_keys(core.whereclause, parameters).get(hash(key))
    if sealed and key_place is None:
        raise ConfigurationError(f"an update of {table.name} must name the row whose values it seals")
    for number, each in enumerate(hashed, len(parameters) + 1):
        column = f"{each.label.partition('.')[2]}{HASH}"
        text = re.sub(r"(?=\s+WHERE )", lambda _: f", {column}={_hash_parameter(number, each)}", text, count=1)  # noqa: B023 - called at once
    both = None
    if fields is not None and is_searched:
        words = _words(fields.kind, len(parameters) + len(hashed) + 1)
        both = f"WITH stored AS ({text} RETURNING {table.name}.{key.name} AS key), {words} SELECT key FROM stored"
    plan = Writing(
        text,
        both,
        always=True,
        key=key_place,
        numbered=None,
        sealed=sealed,
        hashed=hashed,
        searched=_searched(fields, places),
    )
    return ServerText(text, plan)


def _query(core: Select[Any], text: str, compiled: Any) -> str:
    parameters = [*compiled.positiontup]
    equal = tuple(
        Equal(place, compiled.binds[name].type.label)
        for place, name in enumerate(parameters)
        if isinstance(compiled.binds[name].type, Sought)
    )
    opened, original = opened_of(core, compiled)
    order = text.rpartition("ORDER BY ")[2] if "ORDER BY " in text else ""
    sorts = any(re.search(rf"\b{re.escape(value.label)}\b", order) for value, _ in opened)
    if not (equal or opened or original or sorts):
        return text
    return ServerText(text, Reading(text, equal, opened, original, sorts))


def opened_of(
    core: Select[Any], compiled: Any
) -> tuple[tuple[tuple[SealedValue, RowKey], ...], tuple[int, RowKey] | None]:
    """Return the confidential values of a query's rows, and the place of an image's chunks, each with its row's key."""
    columns = [*core.selected_columns]
    keys = {hash(column): place for place, column in enumerate(columns)}
    given = _given_keys(core.whereclause, [*(compiled.positiontup or ())])
    opened: list[tuple[SealedValue, RowKey]] = []
    original: tuple[int, RowKey] | None = None
    for place, column in enumerate(columns):
        if not isinstance(column.type, Confidential | ImageData) or getattr(column, "table", None) is None:
            continue
        key = column.table.primary_key.columns[0]
        if hash(key) in keys:
            of_row = RowKey(keys[hash(key)], is_given=False)
        elif hash(key) in given:
            of_row = RowKey(given[hash(key)], is_given=True)
        else:
            raise ConfigurationError(f"a query for {column} must have the key of its row, which its value is bound to")
        if isinstance(column.type, ImageData):
            original = place, of_row
        else:
            table = getattr(column.table, "element", column.table)  # an alias has another name
            opened.append((SealedValue(place, f"{table.name}.{column.name}", column.type.is_bytes), of_row))
    return tuple(opened), original


def _given_keys(condition: Any, parameters: Sequence[str]) -> dict[int, int]:
    """Return the places of the values that columns must be equal to, by the hash of the column."""
    found: dict[int, int] = {}
    parts = [condition]
    while parts:
        part = parts.pop()
        if isinstance(part, BooleanClauseList) and part.operator is and_:
            parts.extend(part.clauses)
        elif isinstance(part, BinaryExpression) and part.operator is eq and isinstance(part.right, BindParameter):
            found |= {hash(part.left): place for place, name in enumerate(parameters) if name == part.right.key}
    return found


def _sealed(table: Any, places: Mapping[str, int | None]) -> tuple[SealedValue, ...]:
    return tuple(
        SealedValue(place, f"{table.name}.{name}", table.c[name].type.is_bytes)
        for name, place in places.items()
        if place is not None and isinstance(table.c[name].type, Confidential)
    )


def _hashed(table: Any, places: Mapping[str, int | None]) -> tuple[Hashed, ...]:
    kinds = CONFIDENTIALITY.get(table.name, {})
    return tuple(
        Hashed(place, f"{table.name}.{name}", json.loads if kinds[name] is Confidentiality.HASHED_EACH else None)
        for name, place in places.items()
        if place is not None and kinds.get(name) in (Confidentiality.HASHED, Confidentiality.HASHED_EACH)
    )


def _hash_parameter(number: int, each: Hashed) -> str:
    return f"${number}::BYTEA" if each.elements is None else f"(${number}::TEXT)::BYTEA[]"


def _changed_hashes(conflict: str, hashed: Sequence[Hashed]) -> list[str]:
    names = [each.label.partition(".")[2] for each in hashed]
    return [name for name in names if f"{name} = excluded.{name}" in conflict]


def _searched(fields: Searched | None, places: Mapping[str, int | None]) -> tuple[int | None, ...]:
    return () if fields is None else tuple(places.get(column) for column in fields.columns)


def _words(kind: str, parameter: int) -> str:
    return (
        f"words AS (INSERT INTO search_words (kind, key, words) SELECT '{kind}', key::text, "
        f"${parameter}::text::tsvector FROM stored "
        "ON CONFLICT (journal_id, kind, key) DO UPDATE SET words = excluded.words)"
    )


def _place(value: str | None) -> int | None:
    """Return the place of a value among the statement's values; ``None`` if the statement does not have it."""
    found = None if value is None else _PARAMETER.search(value)
    return None if found is None else int(found[1]) - 1
