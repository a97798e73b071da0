"""Excerpts of search hits: the part of a text with most of a query's words, and the positions of these.

The functions work on text, and are the same for every backend. Words are approximately those of FTS5's ``unicode61``.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["EXCERPT_CHARACTERS", "WORD", "Excerpt", "Phrases", "words_of"]

WORD: Final = re.compile(r"(?:[^\W_]+|[\ue000-\uf8ff][^\W_]*)(?:[\ue000-\uf8ff\u0300-\u0331]+[^\W_]*)*")
"""Approximate word of FTS5, which excludes more characters outside European alphabets."""

_ASCII_FOLD: Final = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
"""The same for ASCII text: what remains are words in lower case between blanks. It is several times faster, and every
character keeps its position."""

EXCERPT_WORDS: Final = 32
"""Maximum number of words in an excerpt."""

EXCERPT_CHARACTERS: Final = 4_000
"""Maximum number of characters in an excerpt: a text may have very many between two words."""


class Excerpt(NamedTuple):
    """A part of a text.

    Attributes:
        text: The part, with ``"…"`` where it was cut.
        matches: Start and end of each phrase in it, in order and without overlaps.
    """

    text: str
    matches: tuple[tuple[int, int], ...]


_Match: TypeAlias = tuple[int, int, int]
"""A match of a phrase in a list of words: the position of its first word, of its last word, and its number."""


class _Node:
    """A node of a trie of phrases, whose path from the root is the beginning of a phrase.

    Attributes:
        after: The child nodes by the next word.
        phrase: The number of the phrase that ends here.
        beginning: The beginning of the last word of the unfinished phrase.
    """

    __slots__ = ("after", "beginning", "phrase")

    def __init__(self) -> None:
        self.after = dict[str, _Node]()
        self.phrase: int | None = None
        self.beginning: str | None = None

    @property
    def is_leaf(self) -> bool:
        """Whether no phrase continues here."""
        return self.beginning is None and not self.after


class Phrases:
    """The phrases of a query, for searching many texts.

    Args:
        phrases: The phrases; only their words are compared.
        is_last_unfinished: Whether the last word of the last phrase may be the beginning of a word.
    """

    def __init__(self, phrases: Sequence[str], *, is_last_unfinished: bool) -> None:
        self._root = _Node()
        self._unfinished = len(phrases) - 1
        for number, phrase in enumerate(phrases):
            words = words_of(phrase)
            beginning = words.pop() if words and is_last_unfinished and number == self._unfinished else None
            node = self._root
            for word in words:
                node = node.after.setdefault(word, _Node())
            if beginning is not None:
                node.beginning = beginning
            elif words:
                node.phrase = number
        # Most queries have phrases of one word each, whose matches need no walk through the trie.
        numbers = {
            word: node.phrase for word, node in self._root.after.items() if node.phrase is not None and node.is_leaf
        }
        self._numbers = numbers if len(numbers) == len(self._root.after) else None

    def best_excerpt(self, text: str) -> Excerpt:
        """Return the part of up to 32 words with most of the phrases; without matches, the start of the text."""
        words = words_of(text)
        matches = self._find(words)
        first, after = _best_stretch(matches, len(words))
        places = _places_of(text, words, first, after)
        start = places[0][0] if first else 0
        end = places[-1][1] if after < len(words) else len(text)
        shown = f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"[:EXCERPT_CHARACTERS]
        return Excerpt(shown, _marked(matches, places, first, bool(start) - start, len(shown)))

    def whole_excerpt(self, text: str) -> Excerpt:
        """Return an excerpt that consists of the whole text."""
        words = words_of(text)
        return Excerpt(text, _marked(self._find(words), _places_of(text, words, 0, len(words)), 0, 0, len(text)))

    def _find(self, words: list[str]) -> list[_Match]:
        """Return the matches in order and without overlaps, each the longest that begins at its position."""
        begins, beginning, numbers = self._root.after, self._root.beginning, self._numbers
        if numbers is not None and beginning is None:
            return [(place, place, numbers[word]) for place, word in enumerate(words) if word in numbers]
        if numbers is not None and beginning is not None:
            unfinished = self._unfinished
            return [
                (place, place, numbers.get(word, unfinished))
                for place, word in enumerate(words)
                if word in numbers or word.startswith(beginning)
            ]
        if beginning is None:
            candidates = [place for place, word in enumerate(words) if word in begins]
        else:
            candidates = [place for place, word in enumerate(words) if word in begins or word.startswith(beginning)]
        found: list[_Match] = []
        free = 0
        for place in candidates:
            if place >= free and (match := self._longest(words, place)) is not None:
                found.append(match)
                free = match[1] + 1
        return found

    def _longest(self, words: list[str], place: int) -> _Match | None:
        node, match = self._root, None
        for last in range(place, len(words)):
            word = words[last]
            if node.beginning is not None and word.startswith(node.beginning):
                match = (place, last, self._unfinished)
            following = node.after.get(word)
            if following is None:
                break
            node = following
            if node.phrase is not None:
                match = (place, last, node.phrase)
        return match


def words_of(text: str) -> list[str]:
    """Return the words of a text, without case and accents."""
    if text.isascii():
        return text.translate(_ASCII_FOLD).split()
    return [word if word.isascii() else _without_accents(word) for word in WORD.findall(text.lower())]


def _places_of(text: str, words: list[str], first: int, after: int) -> list[tuple[int, int]]:
    """Return the start and end of some words of a text."""
    if not text.isascii():
        return [word.span() for word in islice(WORD.finditer(text), first, after)]
    folded = text.translate(_ASCII_FOLD)
    places: list[tuple[int, int]] = []
    end = len(folded) - len(folded.split(None, first)[-1]) if first else 0
    for word in words[first:after]:
        start = folded.index(word, end)  # the next word begins where it is first found
        end = start + len(word)
        places.append((start, end))
    return places


def _marked(
    matches: list[_Match], places: list[tuple[int, int]], first: int, moved: int, length: int
) -> tuple[tuple[int, int], ...]:
    """Return the start and end of each match in an excerpt.

    Args:
        matches: The matches in the text.
        places: Start and end of the excerpt's words in the text.
        first: The position of the excerpt's first word.
        moved: Offset of the excerpt's characters from their positions in the text.
        length: Length of the excerpt, which may end in the middle of a word.
    """
    after = first + len(places)
    spans = [
        (places[begin - first][0] + moved, places[last - first][1] + moved)
        for begin, last, _ in matches
        if begin >= first and last < after
    ]
    if spans and spans[-1][1] > length:
        return tuple([(start, min(end, length)) for start, end in spans if start < length])
    return tuple(spans)


def _best_stretch(matches: Sequence[_Match], words: int) -> tuple[int, int]:
    """Return the first word of the part with most phrases, then most matches, and the word after its last one."""
    if words <= EXCERPT_WORDS:
        return 0, words
    best, first, last = (0, 0), 0, -1
    held = dict[int, int]()
    end, count = 0, len(matches)
    for begin, (place, its_last, phrase) in enumerate(matches):
        while end < count and (end == begin or matches[end][1] < place + EXCERPT_WORDS):
            held[matches[end][2]] = held.get(matches[end][2], 0) + 1
            end += 1
        if (len(held), end - begin) > best:
            best, first, last = (len(held), end - begin), place, max(its_last, matches[end - 1][1])
        if end == count:
            break  # the parts that begin later only have less
        held[phrase] -= 1
        if not held[phrase]:
            del held[phrase]
    # The other words of the excerpt are half before the matches and half after them.
    length = max(EXCERPT_WORDS, last - first + 1)
    first = max(min(first - (length - (last - first + 1)) // 2, words - length), 0)
    return first, min(first + length, words)


def _without_accents(word: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter))
