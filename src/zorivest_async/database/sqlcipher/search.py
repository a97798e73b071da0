"""Full-text search with FTS5 (https://sqlite.org/fts5.html)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from zorivest_async.database.mapping import STRANGE
from zorivest_async.database.repositories.excerpts import WORD, Phrases
from zorivest_async.database.sqlcipher.search_schema import SEARCH_FIELDS, rebuild_statements
from zorivest_async.domain.enums import ImageOwnerType, SearchKind
from zorivest_async.domain.queries import SearchHit
from zorivest_async.errors import ValidationError
from zorivest_async.security.tracebacks import hidden_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.backend import Channel
    from zorivest_async.database.repositories.excerpts import Excerpt
    from zorivest_async.database.repositories.search_query import SearchQuery

__all__ = ["Fts5Search"]

_CHARACTERS_IN_ONE_GO: Final = 5_000
"""Number of characters to search for excerpts before yielding to the event loop: about a millisecond."""

_HIT_CHARACTERS: Final = 200
"""Additional cost of creating a hit, in characters."""

_LONG_BYTES: Final = 20_000
"""Size of a row's texts above which only a piece of each is searched. The search for the best excerpt in the longest
text that a vault stores would hold the event loop for 100 to 200 ms; with this limit it takes about 3 ms."""

_PIECE_CHARACTERS: Final = 300
"""Length of the piece of a longer text, which replaces the best excerpt."""

_BEFORE: Final = 60
"""Number of characters of a piece before the word."""

_START, _END = "\x02", "\x03"
"""Marks at the start and the end of a text: a piece with a mark was not cut there."""


def _text_of(field: str) -> str:
    text = f"lower(zorivest_search.{field})"
    place = f"coalesce(nullif(instr({text}, ?), 0), instr({text}, ?)) - {_BEFORE}"
    return f"""\
CASE WHEN {_IS_LONG}
    THEN substr(char(2) || zorivest_search.{field} || char(3), max({place}, 1), {_PIECE_CHARACTERS})
    ELSE zorivest_search.{field}
END"""


_BYTES: Final = " + ".join(f"coalesce(length(CAST(zorivest_search.{field} AS BLOB)), 0)" for field in SEARCH_FIELDS)
_IS_LONG: Final = f"{_BYTES} > {_LONG_BYTES}"
_TEXTS: Final = ",\n".join(map(_text_of, SEARCH_FIELDS))

# Python makes the excerpts, because FTS5's snippet() compares each match with every other, and cannot be interrupted:
# in a text of one megabyte it takes minutes.
# SQLite applies the limit before it reads texts and looks up owners, so it also limits that work.
_FIND: Final = f"""
SELECT kind, key,
    CASE kind
        WHEN 'report' THEN (SELECT trade_id FROM trade_reports WHERE id = key)
        WHEN 'image' THEN (SELECT owner_id FROM images WHERE id = key)
        WHEN 'watchlist_item' THEN (SELECT watchlist_id FROM watchlist_items WHERE id = key)
    END,
    CASE kind WHEN 'image' THEN (SELECT owner_type FROM images WHERE id = key) END,
    {_IS_LONG},
    {_TEXTS}
FROM zorivest_search JOIN zorivest_search_rows AS found ON found.id = zorivest_search.rowid
WHERE zorivest_search MATCH ? AND kind IN (SELECT value FROM json_each(?))
ORDER BY bm25(zorivest_search), kind, key
LIMIT ? OFFSET ?
"""  # noqa: S608 - of constants


class Fts5Search:
    """The search index of FTS5; see :class:`~zorivest_async.database.backend.SearchIndex` for its methods."""

    async def find(  # noqa: D102
        self, channel: Channel, query: SearchQuery, kinds: Sequence[SearchKind], limit: int | None, offset: int
    ) -> list[SearchHit]:
        word = query.longest_word
        places = (f" {word}", word) * len(SEARCH_FIELDS)
        values = (*places, _expression_of(query), json.dumps(kinds), limit, offset)
        rows = (await channel.send(_FIND, values)).rows
        phrases = Phrases(query.phrases, is_last_unfinished=query.is_being_typed)
        hits: list[SearchHit] = []
        looked_through = 0
        for row in rows:
            if looked_through > _CHARACTERS_IN_ONE_GO:
                await asyncio.sleep(0)  # yield to the event loop
                looked_through = 0
            characters = sum(len(text) for text in row[-len(SEARCH_FIELDS) :] if text)
            if characters > _CHARACTERS_IN_ONE_GO:  # a text of one repeated letter takes a hundred times as long
                hits.append(await to_thread.run_sync(hidden_call(_hit, row, phrases)))
            else:
                hits.append(_hit(row, phrases))
                looked_through += characters + _HIT_CHARACTERS
        return hits

    async def rebuild(self, channel: Channel) -> None:  # noqa: D102
        connection = await channel.connection()
        async with channel.savepoint():
            for statement in rebuild_statements(connection.dialect.server_version_info):
                await channel.send(statement, ())


def _expression_of(query: SearchQuery) -> str:
    """Return a query as an FTS5 expression, without duplicated phrases.

    Every phrase is quoted, because FTS5 only reads words inside quotes (https://sqlite.org/fts5.html#fts5_strings). It
    ignores a string without words.
    """
    whole = [*query.phrases]
    unfinished = f'"{whole.pop()}" *' if query.is_being_typed else ""
    once = {tuple(WORD.findall(phrase.lower())) or phrase: phrase for phrase in whole}
    return " ".join([f'"{phrase}"' for phrase in once.values()] + [unfinished])


def _read_piece(piece: str, phrases: Phrases) -> Excerpt:
    """Return a piece of a long text as an excerpt."""
    before, after = "" if piece.startswith(_START) else "…", "" if piece.endswith(_END) else "…"
    return phrases.whole_excerpt(before + piece.removeprefix(_START).removesuffix(_END) + after)


def _hit(row: tuple[Any, ...], phrases: Phrases) -> SearchHit:
    kind, key, owner, owner_type, is_long, *texts = row
    excerpts = [
        (field, _read_piece(text, phrases) if is_long else phrases.best_excerpt(text))
        for field, text in zip(SEARCH_FIELDS, texts, strict=True)
        if text is not None
    ]
    field, excerpt = max(excerpts, key=lambda candidate: len(candidate[1].matches))
    return SearchHit(
        SearchKind(kind),
        key,
        field,
        excerpt.text,
        excerpt.matches,
        trade_id=owner if kind == SearchKind.REPORT else None,
        owner_type=_owner_type(owner_type),
        owner_id=owner if kind == SearchKind.IMAGE else None,
        watchlist_id=owner if kind == SearchKind.WATCHLIST_ITEM else None,
    )


def _owner_type(stored: str | None) -> ImageOwnerType | None:
    try:
        return None if stored is None else ImageOwnerType(stored)
    except ValueError:
        raise ValidationError("SearchHit", "owner_type", STRANGE) from None
