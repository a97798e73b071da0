"""Report of an import, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, overload

from zorivest_async.transfer.importers.blocks import Blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zorivest_async.domain.entities import Import

__all__ = ["ImportEntries", "ImportEntry", "ImportReport", "Reason"]


class Reason(StrEnum):
    """Reason of a row's place in the report."""

    NEW = "new"
    CORRECTED = "the broker corrected it"
    CANCELLED = "the broker cancelled it"
    CHANGED = "the stored values were replaced"
    FILLED = "values that were not stored were added"
    STORED = "stored already"
    REPEATED = "it is a duplicate of an earlier row of this import"
    SUPERSEDED = "the broker corrected it later"
    KEPT = "stored already with other values, which were kept"
    CONFLICT = "this identifier is taken by an execution with other values"
    CANCELLED_UNKNOWN = "it cancels an execution that this import does not contain"
    CANCELLED_IN_USE = "the broker cancelled it, but it is in use: by images, a report, a plan or a table of your own"
    UNKNOWN_ACCOUNT = "its account is not stored"
    UNREADABLE = "a field cannot be read"
    UNMATCHED = "no trade matches it"
    AMBIGUOUS = "more than one trade matches it"
    NOT_AN_IMAGE = "the image cannot be stored"


@dataclass(frozen=True, slots=True)
class ImportEntry:
    """Entry of a report: one imported row.

    Attributes:
        row: Line of a CSV file, number of the execution in an XML file (both from 1), or name of a screenshot.
        key: ``exec_id`` of the trade; ``None`` if it is not known. It is not part of the repr.
        reason: Reason of the row's place in the report.
        detail: More about the reason, without the values of the row.
    """

    row: int | str
    key: str | None = field(repr=False)
    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.row}: {self.reason}{f' ({self.detail})' if self.detail else ''}"


class ImportEntries(Sequence[ImportEntry]):
    """Entries of a report, in the order of the import."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows = Blocks()

    def add(self, row: int | str, key: str | None, reason: Reason, detail: str = "") -> None:
        """Add an entry."""
        self._rows.append((row, key, reason.value, detail))

    @overload
    def __getitem__(self, index: int) -> ImportEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[ImportEntry]: ...
    def __getitem__(self, index: int | slice) -> ImportEntry | list[ImportEntry]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        ((row, key, reason, detail),) = self._rows.slice(places, places + 1)
        return ImportEntry(row, key, Reason(reason), detail)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[ImportEntry]:
        return (ImportEntry(row, key, Reason(reason), detail) for row, key, reason, detail in self._rows.from_row(0))

    def __repr__(self) -> str:
        return f"<{len(self)} entries>"


@dataclass(slots=True, repr=False)
class ImportReport:
    """Report of an import, or of a ``dry_run``; every row is in exactly one of the four lists.

    Attributes:
        inserted: New rows.
        duplicate: Rows that were already stored, and changed nothing.
        updated: Rows that changed a stored execution: corrections, cancellations, replaced and added values.
        failed: Rows that were not stored, with the reason.
        warnings: Other findings, such as columns that were not imported.
        accounts_created: ``account_id`` of the created accounts.
        dry_run: Whether nothing was written.
        import_id: Row number of the remembered import, which ``uow.imports.undo`` takes; ``None`` for a dry run, for a
            journal, and if the same file was imported before and nothing has changed.
        repeats: The last import of the same file before this one, by its SHA-256; ``None`` if there is none.
    """

    inserted: ImportEntries = field(default_factory=ImportEntries)
    duplicate: ImportEntries = field(default_factory=ImportEntries)
    updated: ImportEntries = field(default_factory=ImportEntries)
    failed: ImportEntries = field(default_factory=ImportEntries)
    warnings: list[str] = field(default_factory=list[str])
    accounts_created: list[str] = field(default_factory=list[str])
    dry_run: bool = False
    import_id: int | None = None
    repeats: Import | None = None

    def __repr__(self) -> str:
        return (
            f"<ImportReport inserted={len(self.inserted)} duplicate={len(self.duplicate)} updated={len(self.updated)} "
            f"failed={len(self.failed)} warnings={len(self.warnings)}"
            f"{'' if self.repeats is None else f' repeats={self.repeats.id}'}{' dry_run' if self.dry_run else ''}>"
        )
