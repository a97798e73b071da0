"""What ``zorivest-vault adopt`` tells about a journal that became a vault, or did not: in numbers and reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from zorivest_async.cli.exits import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async import AdoptNote, AdoptReport

__all__ = ["count_table", "note_table"]

_SHOWN: Final = {"refused": "left out"}
"""Where a person reads another word than a program."""


def count_table(report: AdoptReport) -> Table:
    """Return the rows of each table: how many there were, and what became of them."""
    table = Table("table")
    for heading in ("read", "stored", "converted", "left out"):
        table.add_column(heading, justify="right")
    for name, count in sorted(report.tables.items()):
        table.add_row(name, *(f"{number:,}" for number in (count.read, count.stored, count.converted, count.refused)))
    return table


def note_table(notes: Iterable[AdoptNote]) -> Table:
    """Return what was done, to which columns of how many rows, and why; the keys of those rows are left out."""
    table = Table()
    for heading in ("table", "column", "what", "why"):
        table.add_column(heading, overflow="fold")
    table.add_column("rows", justify="right")
    for note in sorted(notes, key=lambda note: (note.table, note.column or "")):
        # Names of tables and columns are the file's own: what looks like markup is none.
        texts = (note.table, note.column or "", _SHOWN.get(note.what, note.what), note.reason, f"{note.rows:,}")
        table.add_row(*(Text(printable(text)) for text in texts))
    return table
