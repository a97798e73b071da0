"""Search for the table of executions in a CSV file, which may contain several tables."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.profiles import OPTIONAL_FIELDS
from zorivest_async.transfer.importers.results import ImportEntries, Reason
from zorivest_async.transfer.importers.source import MAX_NAMES, listed
from zorivest_async.transfer.importers.units import SPLITS

if TYPE_CHECKING:
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["Table"]

_UNITS: Final = frozenset({"currency", "asset_class", "multiplier"})
_CORPORATE_ACTIONS: Final = ("split", "spin", "merge", "dividend", "right", "tender", "delist", "matur", "symbol")
"""Words in the description of corporate actions, which are counted by them."""


class Table:
    """Filter of a file's rows: it returns the rows of the profile's table, by column.

    Args:
        profile: The profile of the file.
        failed: Receives rows whose number of values differs from the header.

    Attributes:
        account: The account that the profile's pattern found outside the table.
        base_currency: The currency that the profile's pattern found there.
        commission_currency: The currency that the header states of the commissions.
        seen: Whether there was a header.
    """

    def __init__(self, profile: CsvProfile, failed: ImportEntries) -> None:
        self.account: str | None = None
        self.base_currency: str | None = None
        self.commission_currency: str | None = None
        self.seen = False
        self._failed = failed
        self._profile = profile
        self._account, self._base_currency, self._commission = (
            None if pattern is None else re.compile(pattern)
            for pattern in (profile.account_pattern, profile.base_currency_pattern, profile.commission_pattern)
        )
        self._corporate_actions: Counter[str] = Counter()
        self._header: list[str] | None = None
        self._written_header: list[str] = []
        self._inside = profile.layout == "table"
        self._carried: dict[str, str] = {}
        self._unknown: dict[str, None] = {}
        self._skipped: Counter[str] = Counter()
        self._columns = {
            name for column in profile.columns.values() for name in ((column,) if isinstance(column, str) else column)
        }
        self._columns |= {*profile.only, *profile.carried_columns}
        optional = (profile.columns.get(name) for name in OPTIONAL_FIELDS if name not in _UNITS)
        self._optional = {column for column in optional if isinstance(column, str)}
        self._absent: dict[str, None] = {}
        self._empty: dict[str, str] = {}

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
            self._take_other(cells)
            return None
        if self._header is None:
            self._take_header(data, line)
            return None
        if [cell.strip() for cell in data] == self._written_header:
            return None  # several files joined into one
        if len(data) != len(self._header):
            problem = f"it has {len(data)} values and the header {len(self._header)}"
            self._failed.add(line, None, Reason.UNREADABLE, problem)
            return None
        record = self._empty | dict(zip(self._header, data, strict=True))
        for column, wanted in self._profile.only.items():
            if record[column] not in wanted:
                self._skipped[column] += 1
                return None
        for column in self._profile.carried_columns:
            record[column] = self._carried[column] = record[column].strip() or self._carried.get(column, "")
        return record

    def states(self, field: str) -> bool:
        """Whether the current table has the column of a field, and every row should have a value there."""
        column = self._profile.columns.get(field)
        return isinstance(column, str) and column not in self._empty and column not in self._profile.optional_columns

    def _take_other(self, cells: list[str]) -> None:
        """Look for facts in a line outside the table."""
        line = ",".join(cells)
        if self._account is not None and (found := self._account.search(line)):
            self.account = found[1].strip()
        if self._base_currency is not None and (found := self._base_currency.search(line)):
            self.base_currency = found[1].strip()
        title = self._profile.corporate_actions_section
        if title and cells[:2] == [title, "Data"] and cells[2:3] != ["Total"]:
            text = line.lower()
            self._corporate_actions[next((word for word in _CORPORATE_ACTIONS if word in text), "other")] += 1

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
        self._written_header = [cell.strip() for cell in cells]
        header = [self._name_of(column) for column in self._written_header]
        absent = self._columns & self._profile.optional_columns - set(header)
        if self._profile.layout == "prefixed":  # the table of currencies lacks some of the columns
            self._absent |= dict.fromkeys(sorted(self._optional - set(header) - absent))
            absent |= self._optional - set(header)
        self._empty = dict.fromkeys(absent, "")
        if missing := sorted(self._columns - set(header) - absent):
            raise ImportSourceError(f"the profile needs columns that are missing: {', '.join(missing)}", line)
        if twice := sorted(name for name in self._columns if header.count(name) > 1):
            raise ImportSourceError(f"duplicated columns: {', '.join(twice)}", line)
        self._header, self.seen = header, True
        for name in header:
            if name not in self._columns and len(self._unknown) <= MAX_NAMES:
                self._unknown[name] = None

    def _name_of(self, column: str) -> str:
        """Return the profile's name of a column, and note the currency in the header of commissions."""
        commission = self._profile.columns.get("commission")
        if column == commission:
            self.commission_currency = None
        elif isinstance(commission, str) and self._commission and (found := self._commission.fullmatch(column)):
            self.commission_currency = found[1]
            return commission
        return column

    def warnings(self) -> list[str]:
        """Return warnings about the file."""
        found: list[str] = []
        if unknown := [name for name in self._unknown if name not in self._profile.ignored_columns]:
            found.append(f"columns that were not imported: {listed(name or '(without a name)' for name in unknown)}")
        if self._absent:
            found.append(f"columns that are missing in some tables, taken as empty there: {', '.join(self._absent)}")
        if self._corporate_actions:
            kinds = ", ".join(f"{count} {word}" for word, count in self._corporate_actions.items())
            found.append(f"corporate actions that were not imported: {kinds}; {SPLITS}")
        found += [f"{count} rows left out because of column {column}" for column, count in self._skipped.items()]
        return found
