"""What a user types into a search box, as an FTS5 expression that cannot be a wrong one."""

from __future__ import annotations

import re
from typing import Final

from zorivest_async.errors import InvalidQueryError

__all__ = ["MAX_QUERY_LENGTH", "MAX_QUERY_WORDS", "match_expression"]

MAX_QUERY_LENGTH: Final = 1_000
"""Characters."""

MAX_QUERY_WORDS: Final = 32
"""Each costs a walk over all the places where it occurs."""

_WORD: Final = re.compile(r"(?:[^\W_]|[\ue000-\uf8ff])+")
"""About what FTS5 takes for a word; it leaves out more of what is no letter of Europe's."""


def match_expression(query: str) -> str | None:
    """Return the FTS5 expression for a query, ``None`` where there is nothing in it.

    Whatever stands in the query stands between quotes in the expression, where FTS5 looks for words alone
    (https://sqlite.org/fts5.html#fts5_strings). It leaves a string without any word out of account.

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
    is_being_typed = not query[-1].isspace() and query[-1] != '"'
    last = f'"{phrases.pop()}" *' if is_being_typed else ""
    once = {tuple(_WORD.findall(phrase.lower())) or phrase: phrase for phrase in phrases}
    return " ".join([f'"{phrase}"' for phrase in once.values()] + [last])


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
