"""Report of an adoption: the counts of rows, and a note for every change."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["AdoptCount", "AdoptNote", "AdoptReport", "Findings", "What"]

MAX_KEY_LENGTH: Final = 1_000
"""Maximum length of a key in a report, which is kept in memory: an invalid row may have a key of any length."""

What: TypeAlias = Literal["converted", "added", "kept", "dropped", "refused"]
"""What was done to a value or a row; see :class:`AdoptNote`."""


@dataclass(frozen=True, slots=True)
class AdoptNote:
    """A kind of change to one column of some rows, with its reason.

    Attributes:
        table: The table.
        column: The column; ``None`` for whole rows.
        what: ``"converted"``: the value is stored in another form. ``"added"``: the file did not contain the value or
            the row. ``"kept"``: the value is stored unchanged, although it is unusual. ``"dropped"``: the value is not
            in the vault. ``"refused"``: the row is not in the vault.
        reason: The reason, without the value.
        rows: The number of rows.
        keys: The primary keys of the rows, each shortened to 1,000 characters; none for a note about a whole column.
            Not part of the repr.
    """

    table: str
    column: str | None
    what: What
    reason: str
    rows: int
    keys: tuple[object, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class AdoptCount:
    """Numbers of rows of one table.

    Attributes:
        read: Rows in the plaintext file.
        stored: Rows in the vault, including added ones.
        converted: Stored rows with a note that has their key.
        refused: Rows that are not in the vault.
    """

    read: int = 0
    stored: int = 0
    converted: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """Report of :meth:`zorivest_async.Vault.adopt`.

    Attributes:
        tables: Numbers of rows by table.
        notes: Every difference between the file and the vault.
    """

    tables: Mapping[str, AdoptCount]
    notes: tuple[AdoptNote, ...]

    @property
    def problems(self) -> tuple[AdoptNote, ...]:
        """The notes about values and rows of the file that are not in the vault."""
        return tuple(note for note in self.notes if note.what in ("dropped", "refused"))

    @property
    def refused(self) -> int:
        """The number of rows that are not in the vault."""
        return sum(count.refused for count in self.tables.values())


class Findings:
    """Collector of the counts and notes of a report.

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
        """Count a row of the vault; ``changed`` if there is a note about it."""
        self._counts[table][1] += 1
        self._counts[table][2] += changed

    def note(self, table: str, column: str | None, what: What, reason: str, key: object) -> None:
        """Add a note about one row."""
        note = (table, column, what, reason)
        self._rows[note] += 1
        self._keys[note].append(key[:MAX_KEY_LENGTH] if isinstance(key, str | bytes) else key)

    def note_column(self, table: str, column: str | None, what: What, reason: str, rows: int = 1) -> None:
        """Add a note about a column in several rows, or about a table."""
        self._rows[table, column, what, reason] += rows

    def refuse(self, table: str, column: str | None, reason: str, key: object) -> None:
        """Count a row that is left out, and note the reason."""
        self._counts[table][3] += 1
        self.note(table, column, "refused", reason, key)

    def report(self) -> AdoptReport:
        """Return the report."""
        return AdoptReport(
            {table: AdoptCount(*counts) for table, counts in self._counts.items()},
            tuple(AdoptNote(*note, rows, tuple(self._keys.get(note, ()))) for note, rows in self._rows.items()),
        )
