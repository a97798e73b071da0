"""What a user types into a search box, as words and phrases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zorivest_async.database.repositories.excerpts import WORD
from zorivest_async.errors import InvalidQueryError

__all__ = ["MAX_QUERY_LENGTH", "MAX_QUERY_WORDS", "SearchQuery"]

MAX_QUERY_LENGTH: Final = 1_000
"""Characters."""

MAX_QUERY_WORDS: Final = 32
"""Maximum number of words; each costs a scan of all its occurrences."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """Parsed query.

    Attributes:
        phrases: Phrases that must occur, without quotes.
        is_being_typed: Whether the last phrase may be a prefix.
    """

    phrases: tuple[str, ...]
    is_being_typed: bool

    @classmethod
    def read(cls, query: str) -> SearchQuery | None:
        """Parse a query; return ``None`` if it is empty.

        Raises:
            InvalidQueryError: It is too long, or not text.
        """
        _require_text(query)
        phrases: list[str] = []
        # Parts with an odd index are between quotes; the last quote may be missing.
        for place, part in enumerate(query.split('"')):
            phrases += [part.strip()] if place % 2 else part.split()
        if not any(phrases):
            return None
        return cls(tuple(phrases), not query[-1].isspace() and query[-1] != '"')

    @property
    def longest_word(self) -> str:
        """The word that says most about where to look, in lower case."""
        return max(WORD.findall(" ".join(self.phrases).lower()), key=len, default="")


def _require_text(query: str) -> None:
    if not isinstance(query, str):
        raise InvalidQueryError("Search", problem=f"the query must be a string, not {type(query).__name__}")
    if len(query) > MAX_QUERY_LENGTH:
        raise InvalidQueryError(
            "Search", problem=f"the query has {len(query):,} characters; at most {MAX_QUERY_LENGTH:,} are allowed"
        )
    if "\0" in query or any("\ud800" <= character <= "\udfff" for character in query):
        raise InvalidQueryError("Search", problem="the query must not contain NUL characters or lone surrogates")
    words = len(WORD.findall(query))
    if words > MAX_QUERY_WORDS:
        raise InvalidQueryError("Search", problem=f"the query has {words} words; at most {MAX_QUERY_WORDS} are allowed")
