"""Search hits of rows, with their excerpts; the same for every backend."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anyio import to_thread

from zorivest_async.database.mapping import STRANGE
from zorivest_async.database.repositories.excerpts import Phrases
from zorivest_async.domain.enums import ImageOwnerType, SearchKind
from zorivest_async.domain.queries import SearchHit
from zorivest_async.errors import ValidationError
from zorivest_async.security.tracebacks import hidden_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.repositories.excerpts import Excerpt
    from zorivest_async.database.repositories.search_query import SearchQuery

__all__ = [
    "BEFORE",
    "END",
    "LONG_BYTES",
    "PIECE_CHARACTERS",
    "SEARCH_FIELDS",
    "START",
    "SearchedRow",
    "hits_of",
]

SEARCH_FIELDS: Final = (
    "lessons_learned",
    "strategy_name",
    "strategy_description",
    "entry_conditions",
    "exit_conditions",
    "caption",
    "notes",
    "description",
)
"""The columns of searched texts, in order."""

_CHARACTERS_IN_ONE_GO: Final = 5_000
"""Number of characters to search for excerpts before yielding to the event loop: about a millisecond."""

_HIT_CHARACTERS: Final = 200
"""Additional cost of creating a hit, in characters."""

LONG_BYTES: Final = 20_000
"""Size of a row's texts above which only a piece of each is searched. The search for the best excerpt in the longest
text that a vault stores would hold the event loop for 100 to 200 ms; with this limit it takes about 3 ms."""

PIECE_CHARACTERS: Final = 300
"""Length of the piece of a longer text, which replaces the best excerpt."""

BEFORE: Final = 60
"""Number of characters of a piece before the word."""

START, END = "\x02", "\x03"
"""Marks at the start and the end of a text: a piece with a mark was not cut there."""


class SearchedRow(NamedTuple):
    """A row that a query has found.

    Attributes:
        kind: The kind of the row.
        key: Its identifier.
        owner: What it belongs to.
        owner_type: The kind of that, for an image.
        is_long: Whether its texts are only pieces, with marks.
        texts: Its texts, in the order of :data:`SEARCH_FIELDS`.
    """

    kind: str
    key: Any
    owner: Any
    owner_type: str | None
    is_long: bool
    texts: Sequence[str | None]


async def hits_of(query: SearchQuery, rows: Sequence[SearchedRow]) -> list[SearchHit]:
    """Return the hits of rows, in their order, without holding the event loop."""
    phrases = Phrases(query.phrases, is_last_unfinished=query.is_being_typed)
    hits: list[SearchHit] = []
    looked_through = 0
    for row in rows:
        if looked_through > _CHARACTERS_IN_ONE_GO:
            await asyncio.sleep(0)  # yield to the event loop
            looked_through = 0
        characters = sum(len(text) for text in row.texts if text)
        if characters > _CHARACTERS_IN_ONE_GO:  # a text of one repeated letter takes a hundred times as long
            hits.append(await to_thread.run_sync(hidden_call(_hit, row, phrases)))
        else:
            hits.append(_hit(row, phrases))
            looked_through += characters + _HIT_CHARACTERS
    return hits


def _read_piece(piece: str, phrases: Phrases) -> Excerpt:
    """Return a piece of a long text as an excerpt."""
    before, after = "" if piece.startswith(START) else "…", "" if piece.endswith(END) else "…"
    return phrases.whole_excerpt(before + piece.removeprefix(START).removesuffix(END) + after)


def _hit(row: SearchedRow, phrases: Phrases) -> SearchHit:
    kind, key, owner, owner_type, is_long, texts = row
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
