"""The search of a sealed journal gives the answers of FTS5, from hashes of words."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from factories import make_account, make_trade
from implementations import open_file, open_sealed
from zorivest_async import InvalidQueryError, SearchKind

if TYPE_CHECKING:
    from pathlib import Path

    from implementations import Journal

pytestmark = pytest.mark.asyncio

QUERIES: Final = 500
TEXTS: Final = 120

_TEXT: Final = (
    "breakout fade gap range open close caf\u00e9 CAF\u00c9 na\u00efve 619.61 example.com a_b SPY/QQQ -5.5 v2.0.1 "
    "Stra\u00dfe \u00df re-test stop-loss it's 50% \u03a9mega \u6771\u4eac \u043f\u0440\u0438\u0432\u0435\u0442 "
    "\u041f\u0420\u0418\u0412\u0415\u0422 "
    "\u00c5NGSTR\u00d6M angstrom I \u0130 \u0131 fi \ufb01 \u01c4 x y z consolidation overextended"
)
WORDS: Final = tuple(_TEXT.split())
"""Words whose letters, accents and punctuation are hard."""


def texts(letters: random.Random) -> list[str]:
    """Return random texts."""
    return [" ".join(letters.choices(WORDS, k=letters.randint(1, 12))) for _ in range(TEXTS)]


async def fill(journal: Journal, notes: list[str]) -> None:
    """Store a trade with each text."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save_many([make_trade(f"{n:04}", notes=text) for n, text in enumerate(notes)])
        await uow.commit()


async def found(journal: Journal, query: str) -> Any:
    """Return the trades that a query finds."""
    async with journal.unit_of_work(read_only=True) as uow:
        return {hit.id for hit in await uow.search.find(query, kinds=[SearchKind.TRADE], limit=None)}


def whole_words(letters: random.Random) -> str:
    """Return a query of words and phrases, none of them unfinished."""
    parts = [
        f'"{" ".join(letters.choices(WORDS, k=2))}"' if letters.random() < 0.3 else letters.choice(WORDS)
        for _ in range(letters.randint(1, 3))
    ]
    return " ".join(parts) + " "


def unfinished(letters: random.Random) -> str:
    """Return a query whose last word is the beginning of one, of at most 8 letters."""
    before = whole_words(letters) if letters.random() < 0.5 else ""
    plain = [word for word in WORDS if word.isalnum()]
    return before + letters.choice(plain)[: letters.randint(1, 8)]


@pytest.mark.parametrize(("search", "seed"), [("words", 1), ("prefixes", 2), ("prefixes", 3)])
async def test_the_answers_are_those_of_a_file(tmp_path: Path, search: str, seed: int) -> None:
    """The same rows for random queries; beginnings of words where the index has them."""
    letters = random.Random(seed)  # noqa: S311 - repeatable
    notes = texts(letters)
    ask = unfinished if seed == 3 else whole_words
    answers = 0
    async with open_file(tmp_path) as file, open_sealed(tmp_path, search) as sealed:
        for journal in (file, sealed):
            await fill(journal, notes)
        for _ in range(QUERIES):
            query = ask(letters)
            expected = await found(file, query)
            assert await found(sealed, query) == expected, query
            answers += bool(expected)
    assert answers > QUERIES // 4


@pytest.mark.parametrize(
    ("search", "query", "problem"),
    [
        ("words", "break", "whole words"),
        ("prefixes", "breakouts", "at most 8 letters"),
        ("off", "breakout ", "no search index"),
    ],
)
async def test_what_an_index_cannot_answer_is_refused(tmp_path: Path, search: str, query: str, problem: str) -> None:
    """It is said so, and no answer is given that would be incomplete."""
    async with open_sealed(tmp_path, search) as sealed:
        await fill(sealed, ["breakouts"])
        with pytest.raises(InvalidQueryError, match=problem):
            await found(sealed, query)
