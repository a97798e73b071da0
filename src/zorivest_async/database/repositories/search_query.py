"""What a user types into a search box, as an FTS5 expression that cannot be a wrong one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from zorivest_async.errors import InvalidQueryError

__all__ = ["MAX_QUERY_LENGTH", "MAX_QUERY_WORDS", "SearchQuery"]

MAX_QUERY_LENGTH: Final = 1_000
"""Characters."""

MAX_QUERY_WORDS: Final = 32
"""Each costs a walk over all the places where it occurs."""

_WORD: Final = re.compile(r"(?:[^\W_]|[\ue000-\uf8ff])(?:[^\W_]|[\ue000-\uf8ff\u0300-\u0331])*")
"""About what FTS5 takes for a word; it leaves out more of what is no letter of Europe's."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A query, taken apart.

    Whatever stands in the query stands between quotes in its expression, where FTS5 looks for words alone
    (https://sqlite.org/fts5.html#fts5_strings). It leaves a string without any word out of account.

    Attributes:
        phrases: What must be found, no quote in it.
        is_being_typed: Whether the last one may be the beginning of something.
    """

    phrases: tuple[str, ...]
    is_being_typed: bool

    @classmethod
    def read(cls, query: str) -> SearchQuery | None:
        """Take a query apart; there is ``None`` where there is nothing in it.

        Raises:
            InvalidQueryError: It is too long, or no text.
        """
        _require_text(query)
        phrases: list[str] = []
        # What stands at odd places stands between quotes; the last quote may be missing.
        for place, part in enumerate(query.split('"')):
            phrases += [part.strip()] if place % 2 else part.split()
        if not any(phrases):
            return None
        return cls(tuple(phrases), not query[-1].isspace() and query[-1] != '"')

    @property
    def expression(self) -> str:
        """What FTS5 understands; a phrase that comes twice is in it once."""
        whole = [*self.phrases]
        unfinished = f'"{whole.pop()}" *' if self.is_being_typed else ""
        once = {tuple(_WORD.findall(phrase.lower())) or phrase: phrase for phrase in whole}
        return " ".join([f'"{phrase}"' for phrase in once.values()] + [unfinished])

    @property
    def longest_word(self) -> str:
        """The word that says most about where to look, in lower case."""
        return max(_WORD.findall(" ".join(self.phrases).lower()), key=len, default="")

    def places_in(self, text: str) -> tuple[tuple[int, int], ...]:
        """Return where the phrases are in a text, about as FTS5 sees it, in order and apart."""
        words = [(word.start(), word.end(), _folded(word[0])) for word in _WORD.finditer(text)]
        spoken = [word for _, _, word in words]
        wanted = [[_folded(word) for word in _WORD.findall(phrase)] for phrase in self.phrases]
        unfinished = wanted.pop() if self.is_being_typed else []
        found: list[tuple[int, int]] = []
        place = 0
        while place < len(words):
            lengths = [len(phrase) for phrase in wanted if phrase and spoken[place : place + len(phrase)] == phrase]
            if unfinished and _begins(spoken[place : place + len(unfinished)], unfinished):
                lengths.append(len(unfinished))
            length = max(lengths, default=0)
            if length:
                found.append((words[place][0], words[place + length - 1][1]))
            place += length or 1
        return tuple(found)


def _begins(words: list[str], unfinished: list[str]) -> bool:
    *whole, last = unfinished
    return words[:-1] == whole and words[-1].startswith(last)


def _folded(word: str) -> str:
    """Return a word without case and accents."""
    if word.isascii():
        return word.lower()
    return "".join(letter for letter in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(letter))


def _require_text(query: str) -> None:
    if not isinstance(query, str):
        raise InvalidQueryError("Search", problem=f"the query must be a string, not {type(query).__name__}")
    if len(query) > MAX_QUERY_LENGTH:
        raise InvalidQueryError(
            "Search", problem=f"the query has {len(query):,} characters; at most {MAX_QUERY_LENGTH:,} are allowed"
        )
    if "\0" in query or any("\ud800" <= character <= "\udfff" for character in query):
        raise InvalidQueryError("Search", problem="the query must not contain NUL characters or lone surrogates")
    words = len(_WORD.findall(query))
    if words > MAX_QUERY_WORDS:
        raise InvalidQueryError("Search", problem=f"the query has {words} words; at most {MAX_QUERY_WORDS} are allowed")
