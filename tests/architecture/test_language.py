"""The words of the library and of its documents: the terms of the field, in plain sentences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from documents import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTEAD: Final = {
    r"anew": "again",
    r"(some|any|every)(body|one)|no(body| one)|whoever|whomever": "the actor: another process, the caller, a task",
    r"moments?": "time, timestamp",
    r"cannot be right": "is invalid",
    r"(comes?|came|stands?) (twice|once more)": "is duplicated, is ambiguous",
    r"(at most|only|after) so many|so many at": "maximum number of",
    r"(is|are) the way out": "call ... first",
    r"there is no folder to": "the parent directory does not exist",
    r"narrow the search": "None means any",
    r"(is|are|was|were|be|been) told(?! apart)": "gets, receives, raises",
    r"as it stands": "unchanged",
    r"(in|takes?|taking) the place of": "instead of, replaces",
    r"in vain": "forever",
    r"but for": "except",
    r"(what|that) is none|what is no(?! longer)\b": "an invalid value, or the thing by its name",
    r"(is|are|was) as (it|they) (was|were)": "is unchanged",
    r"one's own|own making|of somebody's": "your own, of the same task",
    r"something (else )?(has|of) this name|something is there already": "the path already exists",
    r"thrown away": "discarded, deleted",
    r"how far (it is|the \w+ (is|are))": "progress",
    r"asked whether to go on": "stops on request",
}
"""Words and phrases of this project's old dialect, and what the field says instead."""

ALLOWED: Final[dict[str, int]] = {}
"""How often a file may have them on purpose; a comment beside its name says why."""

TEXTS: Final = sorted(
    [
        *(ROOT / "src").rglob("*.py"),
        *PAGES,
        *(ROOT / "docs/reference").glob("*.rst"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ]
)

OF_THE_DIALECT: Final = re.compile(rf"(?<![\w-])({'|'.join(INSTEAD)})(?![\w-])", re.IGNORECASE)


def found_in(path: Path) -> Iterator[str]:
    """Yield the dialect's words in a file; a line break within a phrase, and what begins a comment, count as blanks."""
    text = re.sub(r"\s*\n\s*(# |: )?", " ", path.read_text(encoding="utf-8"))
    return (found[0] for found in OF_THE_DIALECT.finditer(text))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_text_speaks_the_language_of_the_field(path: Path) -> None:
    """What is found names what to say instead, in INSTEAD."""
    name = path.relative_to(ROOT).as_posix()
    found = list(found_in(path))
    assert len(found) == ALLOWED.get(name, 0), found


def test_exceptions_are_few() -> None:
    """Each of them is on purpose."""
    assert sum(ALLOWED.values()) < 15


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is made anew.", ["anew"]),
        ("nobody\n    # else", ["nobody"]),
        ("at most\n    so many", ["at most so many"]),
        ("two that cannot be told apart, and the present one", []),
    ],
)
def test_words_are_found(text: str, found: list[str], tmp_path: Path) -> None:
    """Across the ends of lines, too, and not in words that they are a part of."""
    path = tmp_path / "text"
    path.write_text(text, encoding="utf-8")
    assert list(found_in(path)) == found
