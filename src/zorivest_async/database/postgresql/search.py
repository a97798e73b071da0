"""Full-text search over words that the client has made, in a table beside the texts."""

# ruff: noqa: S608 - the statements only contain names of this module and of the models

from __future__ import annotations

import asyncio
import string
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from sqlalchemy import Table, select, text

from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.models import Base
from zorivest_async.database.postgresql.words import SEARCHED, query_of, searched_words
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
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from zorivest_async.database.backend import Channel
    from zorivest_async.database.repositories.search_query import SearchQuery
    from zorivest_async.domain.enums import SearchKind
    from zorivest_async.domain.queries import SearchHit

__all__ = ["WordSearch", "index_objects"]

_FOLDING: Final = {ord(letter): letter.lower() for letter in string.ascii_uppercase}

_OWNERS: Final = {"report": "trade_id", "image": "owner_id", "watchlist_item": "watchlist_id"}
"""Columns of what a hit belongs to."""


def _text_of(column: str) -> str:
    return f"convert_from(substr(found.{column}, 2), 'UTF8')"


def _rows_of(table: Table) -> str:
    """Return the query for the texts of the hits in one table."""
    kind, columns = SEARCHED[table.name]
    owner = f"found.{_OWNERS[kind]}::text" if kind in _OWNERS else "NULL"
    owner_type = "found.owner_type" if kind == "image" else "NULL"
    texts = ", ".join(_text_of(field) if field in columns else "NULL" for field in SEARCH_FIELDS)
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


class WordSearch:
    """The search index of a server; see :class:`~zorivest_async.database.backend.SearchIndex` for its methods."""

    async def find(  # noqa: D102
        self, channel: Channel, query: SearchQuery, kinds: Sequence[SearchKind], limit: int | None, offset: int
    ) -> list[SearchHit]:
        words = query_of(query)
        if not words:
            return []
        rows = (await channel.send(_FIND, (words, [str(kind) for kind in kinds], limit, offset))).rows
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
                await _rebuild_table(channel, table, kind)


def index_objects(connection: Connection, changed: Sequence[object]) -> None:
    """Index the texts of objects of the ORM, after they were flushed; runs in a greenlet."""
    for model in changed:
        fields = SEARCHED.get(getattr(model, "__tablename__", ""))
        if fields is not None:
            table = _TABLES[fields.kind]
            key = getattr(model, next(iter(table.primary_key.columns)).name)
            words = searched_words([getattr(model, name) for name in fields.columns])
            connection.execute(_INDEX, {"kind": fields.kind, "key": str(key), "words": words})


async def _rebuild_table(channel: Channel, table: Table, kind: str) -> None:
    key = next(iter(table.primary_key.columns))
    texts = [table.c[name] for name in SEARCHED[table.name].columns]
    compiled = Statement(select(key, *texts).order_by(key))[channel.backend]
    rows = (await channel.send(compiled.text, compiled.values({}))).rows
    for start in range(0, len(rows), SLICE_ROWS):
        words = await to_thread.run_sync(hidden_call(_words_of_rows, rows[start : start + SLICE_ROWS]))
        if words:
            sql = "INSERT INTO search_words (kind, key, words) SELECT $1::text, key, words::tsvector FROM unnest"
            keys = [each for each, _ in words]
            await channel.send(
                f"{sql}($2::text[], $3::text[]) AS given(key, words)", (kind, keys, [w for _, w in words])
            )
        await asyncio.sleep(0)  # let the event loop run other tasks


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


def _words_of_rows(rows: Sequence[Sequence[Any]]) -> list[tuple[str, str]]:
    found = [(str(row[0]), searched_words(row[1:])) for row in rows]
    return [(key, words) for key, words in found if words]


def _owner(kind: str, owner: str | None) -> str | int | None:
    return int(owner) if kind == "watchlist_item" and owner is not None else owner
