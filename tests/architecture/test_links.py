"""Documents lead where they say on a code host, which has their files alone; none is left out of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import zorivest_async
from documents import PAGES, ROOT, anchors_in, blocks_of, links_in

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = sorted([*ROOT.glob("*.md"), *PAGES, *(ROOT / "examples").rglob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(document: Path) -> None:
    """Each relative link names something in the repository, and each anchor a heading of it."""
    broken = []
    for link in links_in(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not (target.exists() and target.is_relative_to(ROOT)) or (anchor and anchor not in anchors_in(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_sites_table_of_contents() -> None:
    """And once only: a new page takes one line in docs/index.md."""
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    lines = [line for block in blocks_of(index, "{toctree}") for line in block.text.splitlines()]
    named = sorted(line for line in lines if line and not line.startswith(":"))
    pages = {page.stem for page in PAGES} - {"index"}
    assert named == sorted(pages | {"reference/index"})


def test_every_public_name_has_a_place_in_the_reference() -> None:
    """A directive of a page names it; tests/integrations/test_site.py looks at what becomes of that."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/reference").glob("*.rst"))
    described = {name.rpartition(".")[2] for name in re.findall(r"^\.\. [\w:]+:: ([\w.]+)$", pages, re.MULTILINE)}
    assert sorted(set(zorivest_async.__all__) - described) == []
