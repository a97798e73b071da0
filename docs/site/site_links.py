"""Links: from Markdown, as a code host shows it, to the pages of the site; from types to other projects' documents."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

from docutils import nodes

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT: Final = Path(__file__).parents[2]

PAGES: Final = {
    "CHANGELOG.md": "docs/changelog.md",
    "CODE_OF_CONDUCT.md": "docs/code-of-conduct.md",
    "CONTRIBUTING.md": "docs/contributing.md",
    "README.md": "docs/index.md",
    "SECURITY.md": "docs/security.md",
    "examples/journal_web": "docs/journal-web.md",
    "examples/journal_web/README.md": "docs/journal-web.md",
}
"""What lies outside ``docs``, and the page of the site that shows it."""

_LINK: Final = re.compile(r"(?<!!)\[(?P<text>[^]\n]+)\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")

_PYTHON: Final = "https://docs.python.org/3/library/"
_SQLALCHEMY: Final = "https://docs.sqlalchemy.org/en/21/orm/"
_STARLETTE: Final = "https://starlette.dev/"

OUTSIDE: Final = {
    name: f"{_PYTHON}{module}.html#{module}.{name}"
    for module, names in {
        "collections.abc": "AsyncGenerator AsyncIterator Callable Coroutine Iterable Mapping Sequence",
        "contextlib": "AbstractAsyncContextManager aclosing",
        "datetime": "date datetime time timedelta",
        "decimal": "Decimal",
        "fractions": "Fraction",
        "os": "PathLike",
        "pathlib": "Path",
    }.items()
    for name in names.split()
} | {
    "AsyncConnection": f"{_SQLALCHEMY}extensions/asyncio.html#sqlalchemy.ext.asyncio.AsyncConnection",
    "AsyncEngine": f"{_SQLALCHEMY}extensions/asyncio.html#sqlalchemy.ext.asyncio.AsyncEngine",
    "ASGIApp": f"{_STARLETTE}middleware/",
    "AsyncSession": f"{_SQLALCHEMY}extensions/asyncio.html#sqlalchemy.ext.asyncio.AsyncSession",
    "DeclarativeBase": f"{_SQLALCHEMY}mapping_api.html#sqlalchemy.orm.DeclarativeBase",
    "Depends": "https://fastapi.tiangolo.com/reference/dependencies/",
    "HTTPConnection": f"{_STARLETTE}requests/",
    "Request": f"{_STARLETTE}requests/",
    "Response": f"{_STARLETTE}responses/",
    "aiosqlite": "https://aiosqlite.omnilib.dev/en/stable/",
    "aiosqlite.Connection": "https://aiosqlite.omnilib.dev/en/stable/api.html#aiosqlite.Connection",
    "pd.DataFrame": "https://pandas.pydata.org/docs/reference/frame.html",
    "pl.DataFrame": "https://docs.pola.rs/api/python/stable/reference/dataframe/index.html",
    "sqlite3": f"{_PYTHON}sqlite3.html",
}
"""Where the documentation of another project's name is: written down, so that a build needs no network."""

UNLINKED: Final = {"ApiKeyCipher", "Executions", "ImageOffload", "TurnQueue", "sqlcipher.Connection"}
"""Names in signatures that no user needs."""


def link_pages(text: str, folder: str) -> str:
    """Return Markdown whose links to files outside ``docs`` lead to the pages of the site that show them.

    Args:
        text: The Markdown.
        folder: Where its file lies in the repository.
    """

    def replace(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link["target"]))
        if not (ROOT / target).exists():
            return link[0]  # for Sphinx to complain of
        if (ROOT / target).is_dir() and target not in PAGES:
            return link["text"]
        page = posixpath.relpath(PAGES.get(target, target), "docs")
        return f"[{link['text']}](/{page}{link['anchor'] or ''})"

    return _LINK.sub(replace, text)


def _link_page(app: Sphinx, name: str, content: list[str]) -> None:
    if app.env.doc2path(name).suffix == ".md":
        content[0] = link_pages(content[0], posixpath.dirname(f"docs/{name}"))


def _link_included(_app: Sphinx, path: Path, _parent: str, content: list[str]) -> None:
    content[0] = link_pages(content[0], (ROOT / "docs" / path).resolve().relative_to(ROOT).parent.as_posix())


def _find(
    app: Sphinx, environment: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve what Sphinx cannot: annotations, which name things as their modules do, and names of other projects."""
    if node.get("refdomain") != "py":
        return None
    target = node.get("reftarget", "")
    name = target.rpartition(".")[2]
    if name.startswith("_") or {name, target} & UNLINKED:
        return content  # with an underscore: a type variable
    domain: Any = environment.get_domain("py")
    found = {entry.node_id for full, entry in domain.objects.items() if _is_called(full, entry, name)}
    if len(found) == 1 and ("." not in target or _is_there(target)):
        return domain.resolve_xref(environment, node.get("refdoc", ""), app.builder, "obj", *found, node, content)
    address = OUTSIDE.get(target) or OUTSIDE.get(name)
    return address and nodes.reference("", "", content, internal=False, refuri=address)


def _is_called(full: str, entry: Any, name: str) -> bool:
    return full.rpartition(".")[2] == name and entry.objtype in {"class", "data", "exception", "function", "type"}


def _is_there(full: str) -> bool:
    try:
        resolve_name(full)
    except (AttributeError, ImportError, ValueError):
        return False
    return True


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", _link_page)
    app.connect("include-read", _link_included)
    app.connect("missing-reference", _find)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
