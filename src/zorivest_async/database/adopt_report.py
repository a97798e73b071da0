"""What adopting a plaintext journal found, and what it did about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["AdoptCount", "AdoptNote", "AdoptReport", "Findings", "What"]

What: TypeAlias = Literal["converted", "added", "kept", "dropped", "refused"]
"""What was done to a value or a row; see :class:`AdoptNote`."""


@dataclass(frozen=True, slots=True)
class AdoptNote:
    """One thing that was done to one column of some rows, for one reason.

    Attributes:
        table: The table.
        column: The column; ``None`` where it is about whole rows.
        what: ``"converted"``: the value is stored in another form. ``"added"``: the vault has something that the file
            had not. ``"kept"``: stored as it was, though something is odd about it. ``"dropped"``: the value is not in
            the vault. ``"refused"``: the row is not in the vault.
        reason: Why, without the value.
        rows: How many rows it concerns.
        keys: Their primary keys; none where a reading concerns every row of a table. Not part of the repr.
    """

    table: str
    column: str | None
    what: What
    reason: str
    rows: int
    keys: tuple[object, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AdoptCount:
    """Rows of one table.

    Attributes:
        read: In the plaintext file.
        stored: In the vault, those that were added included.
        converted: Stored rows of which a note tells something, by their key.
        refused: Not in the vault.
    """

    read: int = 0
    stored: int = 0
    converted: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """What :meth:`zorivest_async.Vault.adopt` did.

    Attributes:
        tables: Counts for each table of a vault.
        notes: Everything that is not in the vault exactly as it was in the file.
    """

    tables: Mapping[str, AdoptCount]
    notes: tuple[AdoptNote, ...]

    @property
    def problems(self) -> tuple[AdoptNote, ...]:
        """The notes that tell of something in the file that is not in the vault."""
        return tuple(note for note in self.notes if note.what in ("dropped", "refused"))

    @property
    def refused(self) -> int:
        """How many rows are not in the vault."""
        return sum(count.refused for count in self.tables.values())


class Findings:
    """Collects what a report is made of.

    Args:
        tables: The tables of a vault.
    """

    def __init__(self, tables: Iterable[str]) -> None:
        self._counts = {table: [0, 0, 0, 0] for table in tables}
        self._keys: defaultdict[tuple[str, str | None, What, str], list[object]] = defaultdict(list)
        self._rows: defaultdict[tuple[str, str | None, What, str], int] = defaultdict(int)

    def count_read(self, table: str) -> None:
        """Count a row of the file."""
        self._counts[table][0] += 1

    def count_stored(self, table: str, *, changed: bool) -> None:
        """Count a row of the vault, and whether something about it was noted."""
        self._counts[table][1] += 1
        self._counts[table][2] += changed

    def note(self, table: str, column: str | None, what: What, reason: str, key: object) -> None:
        """Note what was done to a row."""
        note = (table, column, what, reason)
        self._rows[note] += 1
        self._keys[note].append(key)

    def note_column(self, table: str, column: str | None, what: What, reason: str, rows: int = 1) -> None:
        """Note what was done to a column in all its rows, or to a table."""
        self._rows[table, column, what, reason] += rows

    def refuse(self, table: str, column: str | None, reason: str, key: object) -> None:
        """Note that a row is not taken."""
        self._counts[table][3] += 1
        self.note(table, column, "refused", reason, key)

    def report(self) -> AdoptReport:
        """Return the report."""
        return AdoptReport(
            {table: AdoptCount(*counts) for table, counts in self._counts.items()},
            tuple(AdoptNote(*note, rows, tuple(self._keys.get(note, ()))) for note, rows in self._rows.items()),
        )
