"""PostgreSQL's SQL for the statement elements that differ between databases, and for the library's own writes."""

# ruff: noqa: S608 - the statements only contain names of this module and of the models

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Insert, LargeBinary, Table, TypeDecorator, Update
from sqlalchemy.ext.compiler import compiles

from zorivest_async.database.postgresql.dialect import ServerDialect
from zorivest_async.database.postgresql.images import CHUNK_BYTES
from zorivest_async.database.postgresql.text import ServerText, unnested
from zorivest_async.database.postgresql.words import SEARCHED, Searched, searched_words
from zorivest_async.database.statements import Elements, contains_folded, opened, opened_image, sealed, whole_number
from zorivest_async.database.tables import IMAGES
from zorivest_async.database.types import Confidential

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.expression import ClauseElement

__all__ = ["DIALECT", "text_of"]

DIALECT: Final = ServerDialect()  # type: ignore[no-untyped-call]
"""The dialect that compiles the library's statements."""

CLEAR: Final = "'\\x00'::bytea"
"""First byte of a confidential value that is stored in clear."""


def _is_journal(compiler: SQLCompiler) -> bool:
    return isinstance(compiler.dialect, ServerDialect)


def _argument(element: Any, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    (argument,) = element.clauses
    return str(compiler.process(argument, **options))


@compiles(Elements, "postgresql")
def _elements(element: Elements, compiler: SQLCompiler, **options: Any) -> str:
    (array,) = element.clauses
    text = compiler.process(array, **options)
    if isinstance(array.type, Confidential) and hasattr(array, "table"):
        text = _text_in(text)
    return f"jsonb_array_elements_text(({text})::jsonb)"


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


@compiles(sealed, "postgresql")
def _sealed(element: sealed, compiler: SQLCompiler, **options: Any) -> str:
    value = _argument(element, compiler, options)
    if not _is_journal(compiler):
        return value
    return f"{CLEAR} || {value if _is_bytes(element) else f'convert_to({value}, ' + repr('UTF8') + ')'}"


@compiles(opened, "postgresql")
def _opened(element: opened, compiler: SQLCompiler, **options: Any) -> str:
    stored = _argument(element, compiler, options)
    if not _is_journal(compiler):
        return stored
    return f"substr({stored}, 2)" if _is_bytes(element) else _text_in(stored)


@compiles(opened_image, "postgresql")
def _opened_image(element: opened_image, compiler: SQLCompiler, **options: Any) -> str:
    stored = _argument(element, compiler, options)
    if not _is_journal(compiler):
        return stored
    images = stored.rpartition(".")[0] or "images"
    return (
        "(SELECT coalesce(string_agg(substr(chunk.data, 2), ''::bytea ORDER BY chunk.n), ''::bytea) "
        f"FROM image_chunks AS chunk WHERE chunk.journal_id = {images}.journal_id AND chunk.image_id = {images}.id)"
    )


def _is_bytes(element: Any) -> bool:
    kind = element.type
    return isinstance(kind.impl_instance if isinstance(kind, TypeDecorator) else kind, LargeBinary)


def _text_in(stored: str) -> str:
    """Return the SQL of the text in a confidential column."""
    return f"convert_from(substr({stored}, 2), 'UTF8')"


_INSERTION: Final = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^)]*)\) "
    r"(?:VALUES \((?P<row>.*?)\)|SELECT (?P<selected>.*?)(?P<guard> \nWHERE .*?))"
    r"(?P<conflict> ON CONFLICT .*?)?(?P<returning> RETURNING .*)?\Z",
    re.DOTALL,
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
    if isinstance(core, Insert) and (found := _INSERTION.match(text)) is not None:
        return _insertion(core.table, found)
    if isinstance(core, Update) and isinstance(core.table, Table) and core.table.name in SEARCHED:
        return _update(core.table, text, [*compiled.positiontup])
    return text


def _insertion(table: Any, found: re.Match[str]) -> str:
    name = table.name
    columns, values = found["columns"].split(", "), _split(found["row"] or found["selected"])
    pairs = dict(zip(columns, (_ALIAS.sub("", value) for value in values), strict=True))
    key = table.primary_key.columns[0]
    is_new = found["conflict"] is None and found["row"] is not None
    if key.name == "id":
        pairs["id"] = f"coalesce({pairs['id']}, zorivest_next_id('{name}'))"
    original = pairs.pop("data") if table is IMAGES else None
    row = ", ".join(pairs.values())
    source = f"VALUES ({row})" if found["row"] is not None else f"SELECT {row}{found['guard']}"
    conflict = " ON CONFLICT DO NOTHING" if is_new else found["conflict"] or ""
    text = f"INSERT INTO {name} ({', '.join(pairs)}) {source}{conflict}"
    returning = found["returning"] or ""
    fields = SEARCHED.get(name)
    many = None if original is not None or found["row"] is None else _rows_of(table, text, fields, pairs)
    if fields is None and original is None:
        return ServerText(text + returning, refuses_duplicates=is_new, resolve_rows=many)
    count = len(set(_PARAMETER.findall(found.group())))
    parts = [f"stored AS ({text} RETURNING {key.name} AS key)"]
    if original is not None:
        parts.append(_chunks(original))
    plain = f"WITH {', '.join(parts)} SELECT key FROM stored" if len(parts) > 1 else text + returning
    resolve = None
    if fields is not None:
        parts.append(_words(fields.kind, count + 1))
        places = [_place(pairs.get(field)) for field in fields.columns]
        both = f"WITH {', '.join(parts)} SELECT key FROM stored"
        resolve = partial(_with_words, places, both, plain)
    return ServerText(plain, refuses_duplicates=is_new, resolve=resolve, resolve_rows=many)


def _rows_of(table: Any, text: str, fields: Searched | None, pairs: dict[str, str]) -> Any:
    many = unnested(text)
    if many is None:
        return None
    key = table.primary_key.columns[0].name
    if fields is None:
        return partial(_as_columns, many)
    if key == "id":  # whose words need the numbers that the rows are given
        return None
    places = [_place(pairs.get(field)) for field in fields.columns]
    is_upsert = "DO UPDATE" in text
    return partial(_many_with_words, many, key, fields.kind, _place(pairs[key]), places, is_upsert)


def _as_columns(many: str, rows: list[tuple[Any, ...]]) -> tuple[str, Sequence[Any]]:
    return many, [*map(list, zip(*rows, strict=True))]


def _many_with_words(  # noqa: PLR0917 - a statement's parts, for partial()
    many: str,
    key: str,
    kind: str,
    key_place: int | None,
    places: Sequence[int | None],
    is_upsert: bool,
    rows: list[tuple[Any, ...]],
) -> tuple[str, Sequence[Any]]:
    """Return the insertion of many rows with the words of those that have any, and its values."""
    values: list[Any] = [*map(list, zip(*rows, strict=True))]
    of_row = {
        row[key_place or 0]: searched_words([None if place is None else row[place] for place in places]) for row in rows
    }
    keys = [each for each, words in of_row.items() if words]
    count = len(values)
    parts = [f"stored AS ({many} RETURNING {key} AS key)"]
    if keys:
        parts.append(
            f"words AS (INSERT INTO search_words (kind, key, words) SELECT '{kind}', key, words::tsvector FROM stored "
            f"JOIN unnest(${count + 1}::text[], ${count + 2}::text[]) AS found(key, words) USING (key) "
            "ON CONFLICT (journal_id, kind, key) DO UPDATE SET words = excluded.words)"
        )
        values += [keys, [of_row[each] for each in keys]]
    if is_upsert and len(keys) < len(of_row):
        parts.append(
            f"cleared AS (DELETE FROM search_words WHERE kind = '{kind}' AND key = ANY(${len(values) + 1}::text[]))"
        )
        values.append([each for each, words in of_row.items() if not words])
    return f"WITH {', '.join(parts)} SELECT key FROM stored", values


def _update(table: Any, text: str, parameters: Sequence[str]) -> str:
    fields = SEARCHED[table.name]
    changed = dict(re.findall(r"(\w+)=(.*?)(?:, (?=\w+=)| ?\nWHERE|\Z)", text.partition(" SET ")[2], re.DOTALL))
    if not any(column in changed for column in fields.columns):
        return text
    key = table.primary_key.columns[0].name
    places = [_place(changed.get(column)) for column in fields.columns]
    words = _words(fields.kind, len(parameters) + 1)
    both = f"WITH stored AS ({text} RETURNING {table.name}.{key} AS key), {words} SELECT key FROM stored"
    return ServerText(both, resolve=partial(_with_words, places, both, None))


def _words(kind: str, parameter: int) -> str:
    return (
        f"words AS (INSERT INTO search_words (kind, key, words) SELECT '{kind}', key::text, "
        f"${parameter}::text::tsvector FROM stored "
        "ON CONFLICT (journal_id, kind, key) DO UPDATE SET words = excluded.words)"
    )


def _chunks(original: str) -> str:
    size = f"octet_length({original})"
    return (
        f"chunks AS (INSERT INTO image_chunks (image_id, n, data) SELECT stored.key, part.n, {CLEAR} || "
        f"substr({original}, part.n * {CHUNK_BYTES} + 1, {CHUNK_BYTES}) "
        f"FROM stored, generate_series(0, greatest(({size} - 1) / {CHUNK_BYTES}, 0)) AS part(n))"
    )


def _place(value: str | None) -> int | None:
    """Return the place of a value among the statement's values; ``None`` if the statement does not have it."""
    found = None if value is None else _PARAMETER.search(value)
    return None if found is None else int(found[1]) - 1


def _with_words(
    places: Sequence[int | None], both: str, plain: str | None, values: Sequence[Any]
) -> tuple[str, Sequence[Any]]:
    """Return the statement with the words of its texts; ``plain`` if there are none, which spares the index a row."""
    words = searched_words([None if place is None else values[place] for place in places])
    return (plain, values) if plain is not None and not words else (both, (*values, words))


def _split(row: str) -> list[str]:
    """Return the values of a row, whose commas inside parentheses separate none."""
    values, depth, start = list[str](), 0, 0
    for place, character in enumerate(row):
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            values.append(row[start:place].strip())
            start = place + 1
    return [*values, row[start:].strip()]
