"""Full-text search with FTS5 (https://sqlite.org/fts5.html)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.repositories.excerpts import WORD
from zorivest_async.database.repositories.search_hits import (
    BEFORE,
    LONG_BYTES,
    PIECE_CHARACTERS,
    SEARCH_FIELDS,
    SearchedRow,
    hits_of,
)
from zorivest_async.database.sqlcipher.search_schema import rebuild_statements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.backend import Channel
    from zorivest_async.database.repositories.search_query import SearchQuery
    from zorivest_async.domain.enums import SearchKind
    from zorivest_async.domain.queries import SearchHit

__all__ = ["Fts5Search"]


def _text_of(field: str) -> str:
    text = f"lower(zorivest_search.{field})"
    place = f"coalesce(nullif(instr({text}, ?), 0), instr({text}, ?)) - {BEFORE}"
    return f"""\
CASE WHEN {_IS_LONG}
    THEN substr(char(2) || zorivest_search.{field} || char(3), max({place}, 1), {PIECE_CHARACTERS})
    ELSE zorivest_search.{field}
END"""


_BYTES: Final = " + ".join(f"coalesce(length(CAST(zorivest_search.{field} AS BLOB)), 0)" for field in SEARCH_FIELDS)
_IS_LONG: Final = f"{_BYTES} > {LONG_BYTES}"
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
        return await hits_of(query, [_searched(*row) for row in rows])

    async def rebuild(self, channel: Channel) -> None:  # noqa: D102
        connection = await channel.connection()
        async with channel.savepoint():
            for statement in rebuild_statements(connection.dialect.server_version_info):
                await channel.send(statement, ())


def _searched(kind: str, key: Any, owner: Any, owner_type: str | None, is_long: int, *texts: str | None) -> SearchedRow:
    return SearchedRow(kind, key, owner, owner_type, bool(is_long), texts)


def _expression_of(query: SearchQuery) -> str:
    """Return a query as an FTS5 expression, without duplicated phrases.

    Every phrase is quoted, because FTS5 only reads words inside quotes (https://sqlite.org/fts5.html#fts5_strings). It
    ignores a string without words.
    """
    whole = [*query.phrases]
    unfinished = f'"{whole.pop()}" *' if query.is_being_typed else ""
    once = {tuple(WORD.findall(phrase.lower())) or phrase: phrase for phrase in whole}
    return " ".join([f'"{phrase}"' for phrase in once.values()] + [unfinished])
