"""Tables that ``zorivest adopt`` prints: the numbers of rows, and the reasons for changes and refusals."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table
from rich.text import Text

from zorivest_async.cli.exits import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zorivest_async import AdoptNote, AdoptReport

__all__ = ["count_table", "note_table", "report_values"]

_SHOWN: Final = {"refused": "left out"}
"""Words for people instead of the words of :class:`~zorivest_async.AdoptNote`."""


def count_table(report: AdoptReport) -> Table:
    """Return the numbers of rows of each table that were read, stored, converted and left out."""
    table = Table("table")
    for heading in ("read", "stored", "converted", "left out"):
        table.add_column(heading, justify="right")
    for name, count in sorted(report.tables.items()):
        table.add_row(name, *(f"{number:,}" for number in (count.read, count.stored, count.converted, count.refused)))
    return table


def note_table(notes: Iterable[AdoptNote]) -> Table:
    """Return what was done to how many rows, by table and column, and why; without the keys of the rows."""
    table = Table()
    for heading in ("table", "column", "what", "why"):
        table.add_column(heading, overflow="fold")
    table.add_column("rows", justify="right")
    for note in sorted(notes, key=lambda note: (note.table, note.column or "")):
        # The file's own names may contain what looks like markup; a Text prints it unchanged.
        texts = (note.table, note.column or "", _SHOWN.get(note.what, note.what), note.reason, f"{note.rows:,}")
        table.add_row(*(Text(printable(text)) for text in texts))
    return table


def report_values(report: AdoptReport) -> dict[str, Any]:
    """Return the report for a program: the numbers of rows, and the notes without the keys of the rows."""
    return {
        "tables": {name: asdict(count) for name, count in sorted(report.tables.items())},
        "notes": [
            {"table": note.table, "column": note.column, "what": note.what, "reason": note.reason, "rows": note.rows}
            for note in report.notes
        ],
    }
