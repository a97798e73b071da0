"""The Markdown documents: their blocks of code, headings and links."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

PAGES = sorted((ROOT / "docs").glob("*.md"))
"""The pages of the site that are written by hand."""

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]\n]+\]\((?!\w+:)([^)\s]+)\)")
_INCLUDED = re.compile(r"^```\{include\} (\S+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of a document: its language, its text, and the number of the line before it, from 1."""

    language: str
    text: str
    line: int


def blocks_of(document: str, *languages: str) -> list[Block]:
    """Return the blocks of a document that are in some languages, in order."""
    return [
        Block(found[1], found[2], document.count("\n", 0, found.start(2)))
        for found in _BLOCK.finditer(document)
        if found[1] in languages
    ]


def anchors_in(path: Path) -> set[str]:
    """Return the anchors that a code host gives the headings of a document, what it includes among them."""
    document = path.read_text(encoding="utf-8")
    anchors: set[str] = set()
    for name in _INCLUDED.findall(document):
        anchors |= anchors_in(path.parent / name)
    seen: Counter[str] = Counter()
    for heading in _HEADING.findall(_BLOCK.sub("", document)):
        anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def links_in(path: Path) -> list[str]:
    """Return where the links of a document lead that stay within the repository."""
    return _LINK.findall(_BLOCK.sub("", path.read_text(encoding="utf-8")))
