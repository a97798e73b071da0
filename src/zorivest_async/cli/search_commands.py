"""The command ``zorivest search``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import All, Limit  # noqa: TC001 - likewise
from zorivest_async.cli.output import Rows
from zorivest_async.domain.enums import SearchKind  # noqa: TC001 - typer reads the annotations

__all__ = ["app"]

app = area()


@journal_command(app, "search", "search breakout failed", "search earnings --kind report --kind plan", has_times=False)
def search(
    journal: Journal,
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="The words, all of which are in a hit.")],
    kinds: Annotated[list[SearchKind] | None, typer.Option("--kind", help="Only this kind; may be repeated.")] = None,
    limit: Limit = 100,
    all_rows: All = False,
) -> Rows:
    """Find words in reviews, plans, captions and notes."""
    hits = journal.read(
        lambda uow: uow.search.find(" ".join(words), kinds=kinds or None, limit=None if all_rows else limit)
    )
    rows: list[dict[str, Any]] = [row_of(hit) for hit in hits]
    if journal.prints_text:
        marks = ("\u00ab", "\u00bb") if (sys.stdout.encoding or "").lower().startswith("utf") else ("[", "]")
        rows = [row | {"excerpt": _marked(row["excerpt"], row["matches"], marks)} for row in rows]
    return Rows(rows, ("kind", "id", "field", "excerpt"))


def _marked(excerpt: str, matches: list[list[int]], marks: tuple[str, str]) -> str:
    for start, end in reversed(matches):
        excerpt = f"{excerpt[:start]}{marks[0]}{excerpt[start:end]}{marks[1]}{excerpt[end:]}"
    return excerpt
