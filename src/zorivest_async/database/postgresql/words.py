"""Words of the search index, which the client makes by the library's own rule and sends as a ``tsvector``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from zorivest_async.database.repositories.excerpts import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zorivest_async.database.postgresql.keys import JournalKeys
    from zorivest_async.database.repositories.search_query import SearchQuery

__all__ = ["SEARCHED", "Searched", "query_of", "searched_words"]


class Searched(NamedTuple):
    """The texts of a table that are searched.

    Attributes:
        kind: The kind of their hits.
        columns: The columns.
    """

    kind: str
    columns: tuple[str, ...]


SEARCHED: Final = {
    "trades": Searched("trade", ("notes",)),
    "accounts": Searched("account", ("notes",)),
    "trade_reports": Searched("report", ("lessons_learned",)),
    "trade_plans": Searched("plan", ("strategy_name", "strategy_description", "entry_conditions", "exit_conditions")),
    "images": Searched("image", ("caption",)),
    "watchlists": Searched("watchlist", ("description",)),
    "watchlist_items": Searched("watchlist_item", ("notes",)),
}
"""Searched texts by table."""

MAX_WORDS: Final = 8_000
"""Maximum number of words of a row in the index; later ones are not found."""

MAX_BYTES: Final = 800_000
"""Maximum size of a row's words, in bytes: PostgreSQL refuses a ``tsvector`` of 1 MiB."""

MAX_WORD_BYTES: Final = 2_046
"""Maximum size of a word (https://www.postgresql.org/docs/current/textsearch-limitations.html)."""

_BETWEEN_TEXTS: Final = 8
"""Positions between two texts of a row, which no phrase spans."""


def searched_words(texts: Sequence[str | None], keys: JournalKeys) -> str:
    """Return the words of a row's texts with their positions, in the form of a ``tsvector``.

    Args:
        texts: The texts.
        keys: The keys of the journal, which say in what form the index has words.
    """
    places: dict[str, list[int]] = {}
    place = size = count = 0
    for text in texts:
        for word in words_of(text) if text else ():
            place += 1
            length = len(word) if word.isascii() else len(word.encode())
            if length > MAX_WORD_BYTES:
                continue
            indexed = keys.indexed(word)
            size += sum(map(len, indexed)) + 8 * len(indexed) + length - len(word)
            count += 1
            if count > MAX_WORDS or size > MAX_BYTES:
                break
            for each in indexed:
                places.setdefault(each, []).append(place)
        place += _BETWEEN_TEXTS
    # A word has at most 255 positions there.
    return " ".join(f"'{word}':{','.join(map(str, each[:255]))}" for word, each in places.items())


def query_of(query: SearchQuery, keys: JournalKeys) -> str:
    """Return a query in the form of a ``tsquery``; ``""`` if it has no word."""
    phrases: dict[str, None] = {}
    last = len(query.phrases) - 1
    for number, phrase in enumerate(query.phrases):
        found = [word for word in words_of(phrase) if len(word.encode()) <= MAX_WORD_BYTES]
        unfinished = len(found) - 1 if query.is_being_typed and number == last else None
        words = [keys.asked(word, is_beginning=place == unfinished) for place, word in enumerate(found)]
        if words:
            phrases["(" + " <-> ".join(words) + ")"] = None
    return " & ".join(phrases)
