"""Finding words in the texts of all tables."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from zorivest_async.database.channel import BorrowedChannel, Channel
from zorivest_async.database.failures import translated
from zorivest_async.database.repositories.base import window_values
from zorivest_async.database.repositories.search_query import SearchQuery
from zorivest_async.database.rows import STRANGE
from zorivest_async.database.search_schema import SEARCH_FIELDS, rebuild_statements
from zorivest_async.domain.enums import ImageOwnerType, SearchKind
from zorivest_async.domain.queries import SearchHit
from zorivest_async.errors import InvalidQueryError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SqlAlchemySearchRepository"]

_EXCERPT_WORDS: Final = 32
"""FTS5 chooses the stretch of a text that has most of what was looked for."""

_EXCERPT_CHARACTERS: Final = 4_000
"""Of which a text may have very many between two words."""

_HITS_IN_ONE_GO: Final = 10
"""A tenth of a millisecond of the event loop; where all excerpts are as long as can be, six. A hit in long texts may
take one for each of them."""

_LONG_BYTES: Final = 20_000
"""Of the texts of a row. FTS5's ``snippet()`` compares each place where a word is with every other, and nothing
interrupts it: some hundredths of a second here, and minutes where the texts are fifty times as long."""

_PIECE_CHARACTERS: Final = 300
"""Of a long text, in place of a snippet."""

_BEFORE: Final = 60
"""Characters of a piece that come before the word."""

_START, _END = "\x02", "\x03"
"""Tell whether a piece has the beginning and the end of its text."""


def _excerpt_of(column: int, field: str) -> str:
    text = f"lower(search.{field})"
    place = f"coalesce(nullif(instr({text}, ?), 0), instr({text}, ?)) - {_BEFORE}"
    return f"""\
CASE WHEN {_IS_LONG}
    THEN substr(char(2) || search.{field} || char(3), max({place}, 1), {_PIECE_CHARACTERS})
    ELSE substr(snippet(search, {column}, ?, ?, ?, {_EXCERPT_WORDS}), 1, {_EXCERPT_CHARACTERS})
END"""


_BYTES: Final = " + ".join(f"coalesce(length(CAST(search.{field} AS BLOB)), 0)" for field in SEARCH_FIELDS)
_IS_LONG: Final = f"{_BYTES} > {_LONG_BYTES}"
_EXCERPTS: Final = ",\n".join(_excerpt_of(*column) for column in enumerate(SEARCH_FIELDS))

# The limit bounds the rows that SQLite makes excerpts of and looks the owners up for, and not only those it returns.
_FIND: Final = f"""
SELECT kind, key,
    CASE kind
        WHEN 'report' THEN (SELECT trade_id FROM trade_reports WHERE id = key)
        WHEN 'image' THEN (SELECT owner_id FROM images WHERE id = key)
        WHEN 'watchlist_item' THEN (SELECT watchlist_id FROM watchlist_items WHERE id = key)
    END,
    CASE kind WHEN 'image' THEN (SELECT owner_type FROM images WHERE id = key) END,
    {_IS_LONG},
    {_EXCERPTS}
FROM search JOIN search_rows ON search_rows.id = search.rowid
WHERE search MATCH ? AND kind IN (SELECT value FROM json_each(?))
ORDER BY bm25(search), kind, key
LIMIT ? OFFSET ?
"""  # noqa: S608 - of constants


class SqlAlchemySearchRepository:
    """Finds words in the texts of all tables, as they are in its transaction.

    Not safe to share between tasks: it speaks on one connection, in one transaction.

    Args:
        source: An ``AsyncSession`` or ``AsyncConnection`` whose database has the schema. A
            :class:`~zorivest_async.SqlAlchemyUnitOfWork` makes its own.
    """

    def __init__(self, source: AsyncSession | AsyncConnection | Channel) -> None:
        self._channel = BorrowedChannel(source) if isinstance(source, AsyncSession | AsyncConnection) else source

    async def find(
        self, query: str, *, kinds: Iterable[SearchKind] | None = None, limit: int | None = 100, offset: int = 0
    ) -> list[SearchHit]:
        """Return what has all the words of a query in its texts, best first (BM25).

        The texts are the lessons of reports; name, description and conditions of plans; captions of images; notes of
        accounts and watchlists' items; descriptions of watchlists. A word is a run of letters and digits, whatever
        their case and accents. Words between quotes must follow one another. The last word may be the beginning of one,
        unless a space or a quote follows it. Nothing else in a query has a meaning.

        Args:
            query: At most 1,000 characters and 32 words; one without any word finds nothing.
            kinds: What to look for; by default everything.
            limit: How many at most; ``None`` for all of them.
            offset: How many to leave out before.

        Raises:
            InvalidQueryError: The query is too long or has NUL characters or lone surrogates, a kind does not exist, or
                the limit or the offset makes no sense.
            ValidationError: An image that was found has an owner of a kind that no release stores.
        """
        wanted, words = _kinds(kinds), SearchQuery.read(query)
        rows_wanted = window_values("Search", limit, offset)
        if words is None:
            return []
        marks = _Marks.fresh()
        word = words.longest_word
        excerpts = (f" {word}", word, *marks) * len(SEARCH_FIELDS)
        with translated("Search"):
            values = (*excerpts, words.expression, wanted, rows_wanted["limit"], rows_wanted["offset"])
            rows = (await self._channel.send(_FIND, values)).rows
        hits: list[SearchHit] = []
        in_one_go = 1 if any(is_long for _, _, _, _, is_long, *_ in rows) else _HITS_IN_ONE_GO
        for start in range(0, len(rows), in_one_go):
            if start:
                await asyncio.sleep(0)  # let the event loop do something else
            hits += (_hit(row, words, marks) for row in rows[start : start + in_one_go])
        return hits

    async def rebuild(self) -> None:
        """Make the index anew from the tables, all of it or nothing: for a vault whose verification finds it wrong.

        Raises:
            ReadOnlyError: The unit of work is read-only.
        """
        with translated("Search"):
            connection = await self._channel.connection()
            async with self._channel.savepoint():
                for statement in rebuild_statements(connection.dialect.server_version_info):
                    await self._channel.send(statement, ())


class _Marks(NamedTuple):
    """What FTS5 puts into excerpts: nobody can have written it into a text beforehand."""

    start: str
    end: str
    cut: str

    @classmethod
    def fresh(cls) -> _Marks:
        secret = secrets.token_hex(8)
        return cls(f"\x01{secret}[", f"\x01{secret}]", f"\x01{secret}-")

    def read(self, marked: str) -> tuple[str, tuple[tuple[int, int], ...]]:
        """Return a marked excerpt without the marks, and where they stood."""
        if len(marked) == _EXCERPT_CHARACTERS and (torn := marked.rfind("\x01", 1 - len(self.start))) >= 0:
            marked = marked[:torn]
        text, *found = marked.replace(self.cut, "…").split(self.start)
        matches: list[tuple[int, int]] = []
        for piece in found:
            match, _, between = piece.partition(self.end)
            if match:  # unless it was cut off
                matches.append((len(text), len(text) + len(match)))
            text += match + between
        return text, tuple(matches)


def _read_piece(piece: str, query: SearchQuery) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return a piece of a long text as an excerpt, and where in it the words are."""
    before, after = "" if piece.startswith(_START) else "…", "" if piece.endswith(_END) else "…"
    excerpt = before + piece.removeprefix(_START).removesuffix(_END) + after
    return excerpt, query.places_in(excerpt)


def _hit(row: tuple[Any, ...], query: SearchQuery, marks: _Marks) -> SearchHit:
    kind, key, owner, owner_type, is_long, *pieces = row
    excerpts = [
        (field, *(_read_piece(piece, query) if is_long else marks.read(piece)))
        for field, piece in zip(SEARCH_FIELDS, pieces, strict=True)
        if piece is not None
    ]
    field, excerpt, matches = max(excerpts, key=lambda candidate: len(candidate[2]))
    return SearchHit(
        SearchKind(kind),
        key,
        field,
        excerpt,
        matches,
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


def _kinds(kinds: Iterable[SearchKind] | None) -> str:
    try:
        return json.dumps([SearchKind(kind) for kind in (SearchKind if kinds is None else kinds)])
    except (TypeError, ValueError):
        raise InvalidQueryError(
            "Search", problem="kinds must be members of SearchKind, such as [SearchKind.PLAN]"
        ) from None
