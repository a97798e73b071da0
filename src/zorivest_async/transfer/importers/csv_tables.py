"""Search for the table of executions in a CSV file, which may contain several tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.profiles import OPTIONAL_FIELDS
from zorivest_async.transfer.importers.results import ImportEntries, Reason
from zorivest_async.transfer.importers.source import MAX_NAMES, listed

if TYPE_CHECKING:
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["Table"]


class Table:
    """Filter of a file's rows: it returns the rows of the profile's table, by column.

    Args:
        profile: The profile of the file.
        failed: Receives rows whose number of values differs from the header.

    Attributes:
        account: The account that the profile's pattern found outside the table.
        seen: Whether there was a header.
    """

    def __init__(self, profile: CsvProfile, failed: ImportEntries) -> None:
        self.account: str | None = None
        self.seen = False
        self._failed = failed
        self._profile = profile
        self._account = None if profile.account_pattern is None else re.compile(profile.account_pattern)
        self._header: list[str] | None = None
        self._inside = profile.layout == "table"
        self._carried: dict[str, str] = {}
        self._unknown: dict[str, None] = {}
        self._skipped: Counter[str] = Counter()
        self._columns = {
            name for column in profile.columns.values() for name in ((column,) if isinstance(column, str) else column)
        }
        self._columns |= {*profile.only, *profile.carried_columns}
        optional = (profile.columns.get(name) for name in OPTIONAL_FIELDS)
        self._optional = {column for column in optional if isinstance(column, str)}
        self._absent: dict[str, None] = {}

    @property
    def missing(self) -> str:
        """What is wrong with a file that has no header."""
        if self._profile.layout == "table":
            return "the file is empty; it has no header"
        return f"there is no section {self._profile.section!r} in this file"

    def take(self, cells: list[str], line: int) -> dict[str, str] | None:
        """Return a row of the table by column, or ``None`` for a line that is not a row of it.

        Raises:
            ImportSourceError: The header lacks a column of the profile, or has it several times.
        """
        data = self._cells_of_table(cells)
        if data is None:
            if self._account is not None and (found := self._account.search(",".join(cells))):
                self.account = found[1].strip()
            return None
        if self._header is None:
            self._take_header(data, line)
            return None
        if [cell.strip() for cell in data] == self._header:
            return None  # several files joined into one
        if len(data) != len(self._header):
            problem = f"it has {len(data)} values and the header {len(self._header)}"
            self._failed.add(line, None, Reason.UNREADABLE, problem)
            return None
        record = dict.fromkeys(self._absent, "") | dict(zip(self._header, data, strict=True))
        for column, wanted in self._profile.only.items():
            if record[column] not in wanted:
                self._skipped[column] += 1
                return None
        for column in self._profile.carried_columns:
            record[column] = self._carried[column] = record[column].strip() or self._carried.get(column, "")
        return record

    def _cells_of_table(self, cells: list[str]) -> list[str] | None:
        if self._profile.layout == "prefixed":
            return self._prefixed(cells)
        empty = not any(cell.strip() for cell in cells)
        if self._profile.layout == "titled":
            if empty:
                self._inside = False
            elif cells[0].strip() == self._profile.section:
                self._inside, self._header = True, None
                return None
        return cells if self._inside and not empty else None

    def _prefixed(self, cells: list[str]) -> list[str] | None:
        if len(cells) < 2 or cells[0] != self._profile.section or cells[1] not in ("Header", "Data"):  # noqa: PLR2004
            return None
        if cells[1] == "Header":  # each class of assets has its own header
            self._header = None
        return cells[2:]

    def _take_header(self, cells: list[str], line: int) -> None:
        header = [cell.strip() for cell in cells]
        if self._profile.layout == "prefixed":  # the table of currencies lacks some of the columns
            self._absent |= dict.fromkeys(sorted(self._optional - set(header)))
        if missing := sorted(self._columns - set(header) - set(self._absent)):
            raise ImportSourceError(f"the profile needs columns that are missing: {', '.join(missing)}", line)
        if twice := sorted(name for name in self._columns if header.count(name) > 1):
            raise ImportSourceError(f"duplicated columns: {', '.join(twice)}", line)
        self._header, self.seen = header, True
        for name in header:
            if name not in self._columns and len(self._unknown) <= MAX_NAMES:
                self._unknown[name] = None

    def warnings(self) -> list[str]:
        """Return warnings about the file."""
        found: list[str] = []
        if unknown := [name for name in self._unknown if name not in self._profile.ignored_columns]:
            found.append(f"columns that were not imported: {listed(name or '(without a name)' for name in unknown)}")
        if self._absent:
            found.append(f"columns that are missing in some tables, taken as empty there: {', '.join(self._absent)}")
        found += [f"{count} rows left out because of column {column}" for column, count in self._skipped.items()]
        return found
