"""Excerpts of texts, whatever the engine found them with."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zorivest_async.database.repositories.excerpts import EXCERPT_CHARACTERS, WORD, Excerpt, Phrases

FILLER = " ".join(f"w{number}" for number in range(100))


def marked(excerpt: Excerpt) -> str:
    """Return an excerpt with its matches in brackets."""
    shown, end = "", 0
    for start, stop in excerpt.matches:
        assert end <= start < stop <= len(excerpt.text)
        shown += f"{excerpt.text[end:start]}[{excerpt.text[start:stop]}]"
        end = stop
    return shown + excerpt.text[end:]


@pytest.mark.parametrize(
    ("phrases", "text", "expected"),
    [
        (["stop"], "(A stop: no STOP; stops!)", "(A [stop]: no [STOP]; stops!)"),
        (["stop loss"], "stop, stop-loss stop", "stop, [stop-loss] stop"),
        (["a", "a b", "a b c"], "a b c a b a", "[a b c] [a b] [a]"),
        (["naive"], "na\u00efve nai\u0308ve NA\u00cfVE naively", "[na\u00efve] [nai\u0308ve] [NA\u00cfVE] naively"),
        (["absent"], "nothing of it", "nothing of it"),
        (["..."], "no word at all: ...", "no word at all: ..."),
        (["a"], "", ""),
    ],
)
def test_phrases_are_marked(phrases: list[str], text: str, expected: str) -> None:
    """As whole words, the longest that begins at a place, whatever their case and accents."""
    assert marked(Phrases(phrases, is_last_unfinished=False).best_excerpt(text)) == expected


@pytest.mark.parametrize(
    ("phrases", "expected"),
    [
        (["br"], "[bread] and [breakout] [bra] [br]"),
        (["bread and br"], "[bread and breakout] bra br"),
        (["bread", "bra"], "[bread] and breakout [bra] br"),
    ],
)
def test_the_last_word_may_be_a_beginning(phrases: list[str], expected: str) -> None:
    """Of the last phrase alone."""
    text = "bread and breakout bra br"
    assert marked(Phrases(phrases, is_last_unfinished=True).best_excerpt(text)) == expected


def test_the_stretch_has_most_phrases_then_most_matches() -> None:
    """Two different phrases are worth more than three times the same; text that is left out shows as a dot."""
    text = f"x x x {FILLER} x y {FILLER}"
    assert "[x] [y]" in marked(Phrases(["x", "y"], is_last_unfinished=False).best_excerpt(text))
    assert marked(Phrases(["x"], is_last_unfinished=False).best_excerpt(text)).startswith("[x] [x] [x] w0")
    excerpt = Phrases(["w50"], is_last_unfinished=False).best_excerpt(FILLER)
    assert (excerpt.text[:4], excerpt.text[-4:]) == ("…w35", "w66…")
    assert len(WORD.findall(excerpt.text)) == 32
    last = Phrases(["w99"], is_last_unfinished=False).best_excerpt(f"{FILLER}.")
    assert (last.text[:4], marked(last)[-6:]) == ("…w68", "[w99].")
    assert Phrases(["absent"], is_last_unfinished=False).best_excerpt(FILLER).text.endswith("w31…")


def test_an_excerpt_has_at_most_4_000_characters() -> None:
    """A match that is cut is marked as far as it is there; what is behind is not."""
    for blanks in range(EXCERPT_CHARACTERS - 14, EXCERPT_CHARACTERS + 2):
        excerpt = Phrases(["needle"], is_last_unfinished=False).best_excerpt(f"needle{' ' * blanks}needle")
        assert len(excerpt.text) <= EXCERPT_CHARACTERS
        assert re.fullmatch(r"\[needle\] +(\[n?e?e?d?l?e?\])?", marked(excerpt))


@given(
    st.lists(st.sampled_from(["a", "b", "c", "\u00e9", "d"]), max_size=90),
    st.lists(st.sampled_from(["a", "b", "a b", "e", "b a"]), min_size=1, max_size=3, unique=True),
)
def test_no_other_stretch_has_more(words: list[str], phrases: list[str]) -> None:
    """Each stretch of 32 words, looked at by plain Python, has at most as many of the phrases."""
    excerpt = Phrases(phrases, is_last_unfinished=False).best_excerpt(" ".join(words))
    plain = ["e" if word == "\u00e9" else word for word in words]

    def number_in(stretch: list[str]) -> int:
        return sum(f" {phrase} " in f" {' '.join(stretch)} " for phrase in phrases)

    shown = ["e" if word == "\u00e9" else word for word in WORD.findall(excerpt.text)]
    assert len(shown) == min(len(words), 32)
    singles = [phrase for phrase in phrases if " " not in phrase]
    if singles == phrases:  # phrases of two words hide the single ones in them
        assert number_in(shown) == max(number_in(plain[start : start + 32]) for start in range(max(len(plain), 1)))
    assert {excerpt.text[start:stop].replace("\u00e9", "e") for start, stop in excerpt.matches} <= {*phrases}
