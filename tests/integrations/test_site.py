"""The documentation site: it builds without a warning, its links lead somewhere, and no public name is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import zorivest_async

pytestmark = pytest.mark.integrations

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """What a page of HTML links to, what can be linked to in it, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.anchors = {""}
        self.loaded: list[str] = []
        self.heading = ""
        self._in_heading = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        self._in_heading = self._in_heading or (tag == "h1" and not self.heading)
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload", "preconnect"}:
            self.loaded.append(values["href"])
        elif tag in {"script", "img", "iframe", "object"}:
            self.loaded += [values[name] for name in ("src", "data") if values.get(name)]

    def handle_data(self, data: str) -> None:
        """Add to the first heading."""
        if self._in_heading:
            self.heading += data

    def handle_endtag(self, tag: str) -> None:
        """End the first heading; the link that a theme puts into it is not of the text."""
        if tag == "h1":
            self.heading = self.heading.rstrip("¶#")
            self._in_heading = False


def source_heading(source: Path) -> str:
    """Return the first heading of a page's source, or of what it includes, without the marks of code."""
    text = source.read_text(encoding="utf-8")
    if included := re.search(r"^```\{include\} (\S+)$", text, re.MULTILINE):
        return source_heading(source.parent / included[1])
    pattern = r"^# (.+)$" if source.suffix == ".md" else r"\A(?:\.\. .*\n+)*(.+)\n=+$"
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, source
    return re.sub(r"``?|\[([^]]*)\]\([^)]*\)", r"\1", found[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``tox -e docs`` builds it; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-n",
            "-q",
            "-d",
            folder / "trees",
            ROOT / "docs",
            folder / "html",
        ],
        cwd=folder,
        env={**os.environ, "NO_PROXY": "", "HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """The pages of the site, by their files."""
    return {path: Page(path) for path in site.rglob("*.html")}


def test_each_page_has_the_heading_of_its_source(site: Path, pages: dict[Path, Page]) -> None:
    """Sphinx writes pages of its own (search, genindex) over the author's of the same name, without a warning."""
    docs = ROOT / "docs"
    sources = [path for kind in ("*.md", "*.rst") for path in docs.rglob(kind) if "site" not in path.parts]
    expected = {source.relative_to(docs).with_suffix(".html").as_posix(): source_heading(source) for source in sources}
    assert len(expected) > 20
    assert {name: pages[site / name].heading for name in expected} == expected


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    """What the package exports has an entry in the inventory, under the name that users import."""
    _, _, _, _, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    entries = [line.split(" ", 2) for line in zlib.decompress(packed).decode().splitlines()]
    names = {name for name, kind, _ in entries if kind.startswith("py:")}
    assert [name for name in zorivest_async.__all__ if f"zorivest_async.{name}" not in names] == []


def test_links_lead_to_pages_and_anchors(site: Path, pages: dict[Path, Page]) -> None:
    """Whatever stays within the site is there."""
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"\w+:", link):
                continue
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            there = target.exists() and (target.suffix != ".html" or anchor in pages[target].anchors)
            if not there:
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_pages_load_nothing_from_elsewhere(pages: dict[Path, Page]) -> None:
    """No font, script or image comes from a network: the site can be read from a disk."""
    assert {url for page in pages.values() for url in page.loaded if re.match(r"(\w+:)?//", url)} == set()


def test_documents_of_the_repository_are_pages(pages: dict[Path, Page], site: Path) -> None:
    """Those outside ``docs`` are included, and links to them lead to the pages, not to files."""
    for name, words in {
        "security": "Reporting a vulnerability",
        "changelog": "Unreleased",
        "code-of-conduct": "What we ask of each other",
        "contributing": "Set up",
        "journal-web": "equity",
    }.items():
        assert words in (site / f"{name}.html").read_text(encoding="utf-8")
    links = {link for page in pages.values() for link in page.links}
    assert [link for link in links if link.endswith((".md", ".rst")) or link.startswith("../../")] == []
