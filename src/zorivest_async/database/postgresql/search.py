"""Full-text search over words that the client has made, in a table beside the texts."""

# ruff: noqa: S608 - the statements only contain names of this module and of the models

from __future__ import annotations

import asyncio
import json
import string
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from sqlalchemy import Table, select, text

from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.models import Base
from zorivest_async.database.postgresql.confidentiality import CONFIDENTIALITY, Confidentiality
from zorivest_async.database.postgresql.dialect import keys_of
from zorivest_async.database.postgresql.plans import Keeping, hash_literal
from zorivest_async.database.postgresql.schema import HASH
from zorivest_async.database.postgresql.text import ServerText
from zorivest_async.database.postgresql.words import SEARCHED, query_of, searched_words
from zorivest_async.database.repositories.excerpts import words_of
from zorivest_async.database.repositories.search_hits import (
    BEFORE,
    END,
    LONG_BYTES,
    PIECE_CHARACTERS,
    SEARCH_FIELDS,
    START,
    SearchedRow,
    hits_of,
)
from zorivest_async.database.statements import Statement
from zorivest_async.security.tracebacks import hidden_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sqlalchemy import Connection, Select

    from zorivest_async.database.backend import Channel
    from zorivest_async.database.postgresql.keys import JournalKeys
    from zorivest_async.database.postgresql.text import Sender
    from zorivest_async.database.repositories.search_query import SearchQuery
    from zorivest_async.domain.enums import SearchKind
    from zorivest_async.domain.queries import SearchHit

__all__ = ["WordSearch", "index_objects"]

_FOLDING: Final = {ord(letter): letter.lower() for letter in string.ascii_uppercase}

_ARRAY_OF: Final = {Confidentiality.HASHED: "", Confidentiality.HASHED_EACH: "::bytea[]"}
"""What makes a column's hashes of a parameter, by the kind of the column."""

_OWNERS: Final = {"report": "trade_id", "image": "owner_id", "watchlist_item": "watchlist_id"}
"""Columns of what a hit belongs to."""


def _rows_of(table: Table) -> str:
    """Return the query for the texts of the hits in one table."""
    kind, columns = SEARCHED[table.name]
    owner = f"found.{_OWNERS[kind]}::text" if kind in _OWNERS else "NULL"
    owner_type = "found.owner_type" if kind == "image" else "NULL"
    texts = ", ".join(f"found.{field}" if field in columns else "NULL::bytea" for field in SEARCH_FIELDS)
    key = next(iter(table.primary_key.columns)).name
    key_of_hit = "hit.key::bigint" if key == "id" else "hit.key"
    return (
        f"SELECT hit.place, hit.kind, hit.key, {owner}, {owner_type}, {texts} FROM hit "
        f"JOIN {table.name} AS found ON found.{key} = {key_of_hit} WHERE hit.kind = '{kind}'"
    )


_TABLES: Final = {SEARCHED[table.name].kind: table for table in Base.metadata.sorted_tables if table.name in SEARCHED}
_NUMBERED: Final = ", ".join(f"'{kind}'" for kind, table in _TABLES.items() if "id" in table.primary_key.columns)

# The rank divided by the number of different words: what has more of the word in less of a text comes first.
_FIND: Final = f"""
WITH hit AS MATERIALIZED (
    SELECT kind, key, row_number() OVER (
        ORDER BY ts_rank(words, $1::text::tsquery, 16) DESC, kind COLLATE "C",
            CASE WHEN kind IN ({_NUMBERED}) THEN lpad(key, 20, '0') ELSE key END COLLATE "C"
    ) AS place
    FROM search_words
    WHERE words @@ $1::text::tsquery AND kind = ANY($2::text[])
    ORDER BY place
    LIMIT $3::bigint OFFSET $4::bigint
)
{" UNION ALL ".join(map(_rows_of, _TABLES.values()))}
ORDER BY 1
"""


_INDEX: Final = text(
    "INSERT INTO search_words (kind, key, words) VALUES (:kind, :key, CAST(CAST(:words AS text) AS tsvector)) "
    "ON CONFLICT (journal_id, kind, key) DO UPDATE SET words = excluded.words"
)

_INDEX_ROWS: Final = (
    "INSERT INTO search_words (kind, key, words) SELECT $1::text, key, words::tsvector "
    "FROM unnest($2::text[], $3::text[]) AS given(key, words)"
)

_HASHED: Final = {
    table.name: [name for name, kind in CONFIDENTIALITY[table.name].items() if kind in _ARRAY_OF]
    for table in Base.metadata.sorted_tables
    if any(kind in _ARRAY_OF for kind in CONFIDENTIALITY[table.name].values())
}
"""Columns with hashes by table; all of these tables have row numbers."""

_LISTS: Final = {
    f"{table}.{name}"
    for table, names in _HASHED.items()
    for name in names
    if CONFIDENTIALITY[table][name] is Confidentiality.HASHED_EACH
}

_SET_HASHES: Final = {
    (table, name): text(
        f"UPDATE {table} SET {name}{HASH} = CAST(CAST(:hash AS text) AS bytea[]) WHERE id = :id"
        if f"{table}.{name}" in _LISTS
        else f"UPDATE {table} SET {name}{HASH} = CAST(:hash AS bytea) WHERE id = :id"
    )
    for table, names in _HASHED.items()
    for name in names
}


class _Finding:
    """Plan of the search, whose values are the query, the kinds of hits, the limit and the offset."""

    async def prepare(self, values: Sequence[Any], sender: Sender) -> tuple[str, Sequence[Any]]:
        query, *others = values
        return _FIND, (query_of(query, sender.keys), *others)

    async def read(
        self,
        rows: list[tuple[Any, ...]],
        values: Sequence[Any],  # noqa: ARG002
        keys: JournalKeys,
    ) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for place, kind, key, owner, owner_type, *stored in rows:
            table = _TABLES[kind].name
            texts = [
                None if each is None else keys.open(each, f"{table}.{field}", key).decode()
                for field, each in zip(SEARCH_FIELDS, stored, strict=True)
            ]
            found.append((place, kind, key, owner, owner_type, *texts))
        return found


class _Indexing(Keeping):
    """Plan of an insertion into the index, whose values are the kind, and the keys and texts of rows."""

    async def prepare(self, values: Sequence[Any], sender: Sender) -> tuple[str, Sequence[Any]]:
        kind, rows = values
        words = await to_thread.run_sync(hidden_call(_words_of_rows, rows, sender.keys))
        return _INDEX_ROWS, (kind, [key for key, _ in words], [each for _, each in words])


class _Hashing(Keeping):
    """Plan of an update of hashes, whose values are the row numbers and values of rows."""

    def __init__(self, table: str) -> None:
        self._labels = [f"{table}.{name}" for name in _HASHED[table]]
        kinds = [CONFIDENTIALITY[table][name] for name in _HASHED[table]]
        changes = ", ".join(
            f"{name}{HASH} = given.c{place}{_ARRAY_OF[kind]}"
            for place, (name, kind) in enumerate(zip(_HASHED[table], kinds, strict=True), 2)
        )
        self._is_list = [kind is Confidentiality.HASHED_EACH for kind in kinds]
        arrays = ", ".join(
            f"${place}::{'text' if is_list else 'bytea'}[]" for place, is_list in enumerate(self._is_list, 2)
        )
        names = ", ".join(f"c{place}" for place in range(2, len(kinds) + 2))
        self._text = (
            f"UPDATE {table} SET {changes} FROM unnest($1::bigint[], {arrays}) AS given(id, {names}) "
            f"WHERE {table}.id = given.id"
        )

    async def prepare(self, values: Sequence[Any], sender: Sender) -> tuple[str, Sequence[Any]]:
        numbers, *columns = zip(*values, strict=True)
        hashes = [
            [hash_for(label, value, sender.keys) for value in column]
            for label, column in zip(self._labels, columns, strict=True)
        ]
        return self._text, (numbers, *hashes)


_FINDING: Final = ServerText(_FIND, _Finding())
_INDEXING: Final = ServerText(_INDEX_ROWS, _Indexing())


class WordSearch:
    """The search index of a server; see :class:`~zorivest_async.database.backend.SearchIndex` for its methods."""

    async def find(  # noqa: D102
        self, channel: Channel, query: SearchQuery, kinds: Sequence[SearchKind], limit: int | None, offset: int
    ) -> list[SearchHit]:
        if not any(map(words_of, query.phrases)):
            return []
        rows = (await channel.send(_FINDING, (query, [str(kind) for kind in kinds], limit, offset))).rows
        numbered = {kind for kind, table in _TABLES.items() if "id" in table.primary_key.columns}
        word = query.longest_word
        found: list[SearchedRow] = []
        for _, kind, key, owner, owner_type, *whole in rows:
            is_long = sum(octets(text) for text in whole if text) > LONG_BYTES
            texts = [text and piece_of(text, word) for text in whole] if is_long else whole
            number = int(key) if kind in numbered else key
            found.append(SearchedRow(kind, number, _owner(kind, owner), owner_type, is_long, texts))
        return await hits_of(query, found)

    async def rebuild(self, channel: Channel) -> None:  # noqa: D102
        async with channel.savepoint():
            await channel.send("DELETE FROM search_words", ())
            for kind, table in _TABLES.items():
                await _index_table(channel, table, kind)
            for name in _HASHED:
                await _hash_table(channel, Base.metadata.tables[name])


def index_objects(connection: Connection, changed: Sequence[object]) -> None:
    """Index the texts of objects of the ORM, after they were flushed, and store their hashes; runs in a greenlet."""
    keys = keys_of(connection.dialect)
    for model in changed:
        name = getattr(model, "__tablename__", "")
        fields = SEARCHED.get(name)
        if fields is not None:
            table = _TABLES[fields.kind]
            key = getattr(model, next(iter(table.primary_key.columns)).name)
            words = searched_words([getattr(model, field) for field in fields.columns], keys)
            connection.execute(_INDEX, {"kind": fields.kind, "key": str(key), "words": words})
        for column in _HASHED.get(name, ()):
            value = hash_for(f"{name}.{column}", getattr(model, column), keys)
            connection.execute(_SET_HASHES[name, column], {"hash": value, "id": getattr(model, "id")})  # noqa: B009 - each has one


async def _index_table(channel: Channel, table: Table, kind: str) -> None:
    texts = [table.c[name] for name in SEARCHED[table.name].columns]
    async for rows in _slices(channel, select(next(iter(table.primary_key.columns)), *texts)):
        await channel.send(_INDEXING, (kind, rows))


async def _hash_table(channel: Channel, table: Table) -> None:
    hashing = ServerText("", _Hashing(table.name))
    async for rows in _slices(channel, select(table.c.id, *(table.c[name] for name in _HASHED[table.name]))):
        await channel.send(hashing, rows)


async def _slices(channel: Channel, query: Select[Any]) -> AsyncGenerator[list[tuple[Any, ...]]]:
    """Yield the rows of a query in slices, with a turn of the event loop between them."""
    compiled = Statement(query)[channel.backend]
    rows = (await channel.send(compiled.text, compiled.values({}))).rows
    for start in range(0, len(rows), SLICE_ROWS):
        yield rows[start : start + SLICE_ROWS]
        await asyncio.sleep(0)  # let the event loop run other tasks


def hash_for(label: str, value: Any, keys: JournalKeys) -> Any:
    """Return the hash of a value, or the array of hashes of a list, which may be the text of one, as text."""
    if value is None:
        return None
    if label not in _LISTS:
        return keys.hashes(label, value)[0]
    elements = json.loads(value) if isinstance(value, str) else value
    return hash_literal([keys.hashes(label, each)[0] for each in elements])


def octets(text: str) -> int:
    """Return the size of a text in UTF-8, in bytes."""
    return len(text) if text.isascii() else len(text.encode())


def piece_of(text: str, word: str) -> str:
    """Return the piece of a long text that begins shortly before a word; of another text, its start."""
    folded = text.translate(_FOLDING)  # as SQLite's lower(), which keeps the length
    place = folded.find(f" {word}")
    if place < 0:
        place = folded.find(word)
    start = max(place + 1 - BEFORE, 1) - 1
    return f"{START}{text}{END}"[start : start + PIECE_CHARACTERS]


def _words_of_rows(rows: Sequence[Sequence[Any]], keys: JournalKeys) -> list[tuple[str, str]]:
    found = [(str(row[0]), searched_words(row[1:], keys)) for row in rows]
    return [(key, words) for key, words in found if words]


def _owner(kind: str, owner: str | None) -> str | int | None:
    return int(owner) if kind == "watchlist_item" and owner is not None else owner
