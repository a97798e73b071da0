"""Search for the table of executions in a CSV file, which may contain several tables."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.profiles import OPTIONAL_FIELDS
from zorivest_async.transfer.importers.results import ImportEntries, Reason
from zorivest_async.transfer.importers.source import MAX_NAMES, listed
from zorivest_async.transfer.importers.units import SPLITS

if TYPE_CHECKING:
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["Table", "columns_of_fields"]

_UNITS: Final = frozenset({"currency", "asset_class", "multiplier"})
_MAX_EXTRA: Final = 20
"""Maximum number of delimiters after the last value of a row."""
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
        self._account, self._base_currency, self._commission, self._row_begin = (
            None if pattern is None else re.compile(pattern)
            for pattern in (
                profile.account_pattern,
                profile.base_currency_pattern,
                profile.commission_pattern,
                profile.row_pattern,
            )
        )
        self._corporate_actions: Counter[str] = Counter()
        self._header: list[str] | None = None
        self._written_header: list[str] = []
        self._inside = profile.layout == "table"
        self._carried: dict[str, str] = {}
        self._unknown: dict[str, None] = {}
        self._skipped: Counter[str] = Counter()
        self._no_rows = 0
        self._nearest: list[str] | None = None
        self._columns = set(profile.header) or columns_of_fields(profile)
        self._columns |= {*profile.only, *profile.excluded, *profile.carried_columns}
        if profile.zone_column is not None:
            self._columns.add(profile.zone_column)
        optional = (profile.columns.get(name) for name in OPTIONAL_FIELDS if name not in _UNITS)
        self._optional = {column for column in optional if isinstance(column, str)}
        self._filtered = {*profile.only, *profile.excluded}
        self._absent: dict[str, None] = {}
        self._empty: dict[str, str] = {}

    @property
    def nearest(self) -> list[str]:
        """The columns that the nearest line to a header lacks, if it has most of them."""
        needed = len(self._columns - self._profile.optional_columns)
        return [] if self._nearest is None or len(self._nearest) * 2 > needed else self._nearest

    @property
    def missing(self) -> str:
        """What is wrong with a file that has no header."""
        if self._profile.layout != "table":
            return f"there is no section {self._profile.section!r} in this file"
        if self._nearest is None:
            return "the file is empty; it has no header"
        return f"the profile needs columns that are missing: {listed(self._nearest)}"

    def take(self, cells: list[str], line: int) -> dict[str, str] | None:
        """Return a row of the table by column, or ``None`` for a line that is not a row of it.

        Raises:
            ImportSourceError: The header lacks a column of the profile, or has it several times.
        """
        if cells and cells[0].startswith("\ufeff"):  # where a file was appended to another
            cells[0] = cells[0][1:]
        data = self._cells_of_table(cells)
        if data is None:
            self._take_other(cells)
            return None
        if self._header is None:
            if self._profile.layout != "table" or self._is_header(data):
                self._take_header(data, line)
            else:
                self._take_other(cells)
            return None
        if not self._is_row(cells, data):
            return None
        record = self._record(data, line)
        if record is None or not self._is_wanted(record, line):
            return None
        for column in self._profile.carried_columns:
            record[column] = self._carried[column] = record[column].strip() or self._carried.get(column, "")
        return record

    def _is_header(self, cells: list[str]) -> bool:
        if cells and cells[0].strip() == "HEADER" and "HEADER" not in self._columns:
            return False  # of the layout "records"
        missing = sorted(self._columns - self._profile.optional_columns - {*map(self._name_of, _names(cells))})
        if missing and (self._nearest is None or len(missing) < len(self._nearest)):
            self._nearest = missing
        return not missing

    def _is_row(self, cells: list[str], data: list[str]) -> bool:
        """Whether a line below the header is a row; it may repeat the header, end the table, or be a total."""
        if [cell.strip() for cell in data] == self._written_header:
            return False  # several files joined into one
        if self._ends_table(data):
            self._inside, self._header = self._profile.layout == "table", None
            self._take_other(cells)
            return False
        if self._row_begin is not None and self._row_begin.match(",".join(data)) is None:
            self._no_rows += 1
            return False
        return True

    def _ends_table(self, cells: list[str]) -> bool:
        """Whether a line is the header or the title of another table."""
        first = cells[0].strip() if cells else ""
        if self._profile.layout == "table":
            return bool(first) and first == self._written_header[0]
        is_title = bool(first) and not any(cell.strip() for cell in cells[1:])
        return (
            self._profile.layout == "titled"
            and is_title
            and self._row_begin is not None
            and self._row_begin.match(first) is None
        )

    def _record(self, cells: list[str], line: int) -> dict[str, str] | None:
        header = self._header or []
        extra = cells[len(header) :]
        if len(extra) <= _MAX_EXTRA and not any(each.strip() for each in extra):  # delimiters at the end of the row
            cells = cells[: len(header)]
        ended = header[len(cells) :]
        if self._profile.short_rows or not (any(self._written_header[len(cells) :]) or self._columns & {*ended}):
            cells += [""] * len(ended)
        if len(cells) != len(header):
            problem = f"it has {len(cells)} values and the header {len(header)}"
            self._failed.add(line, None, Reason.UNREADABLE, problem)
            return None
        return self._empty | dict(zip(header, cells, strict=True))

    def _is_wanted(self, record: dict[str, str], line: int) -> bool:
        for column in self._filtered:
            value = record[column].strip() if self._profile.strip else record[column]
            only, excluded = self._profile.only.get(column), self._profile.excluded.get(column, frozenset())
            if only is not None and value in only:
                continue
            if only is not None and excluded and value not in excluded:
                problem = f"{column} is neither a value of executions nor one that the profile leaves out"
                self._failed.add(line, None, Reason.UNREADABLE, problem)
                return False
            if only is not None or value in excluded:
                self._skipped[column] += 1
                return False
        return True

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
        if self._profile.layout in ("prefixed", "records"):
            return self._prefixed(cells)
        empty = not any(cell.strip() for cell in cells)
        if self._profile.layout == "titled":
            if empty:
                self._inside, self._header = False, None
            elif cells[0].strip() == self._profile.section:
                self._inside, self._header = True, None
                return None
        return cells if self._inside and not empty else None

    def _prefixed(self, cells: list[str]) -> list[str] | None:
        if len(cells) < 2:  # noqa: PLR2004 - the two that say what a row is
            return None
        title, kind = (cells[1], cells[0]) if self._profile.layout == "records" else cells[:2]
        if title != self._profile.section or kind.capitalize() not in ("Header", "Data"):
            return None
        if kind.capitalize() == "Header":  # each class of assets has its own header
            self._header = None
        return cells[2:]

    def _take_header(self, cells: list[str], line: int) -> None:
        self._written_header = [cell.strip() for cell in cells]
        header = [self._name_of(column) for column in _names(cells)]
        absent = self._columns & self._profile.optional_columns - set(header)
        if self._profile.layout == "prefixed":  # the table of currencies lacks some of the columns
            self._absent |= dict.fromkeys(sorted(self._optional - set(header) - absent))
            absent |= self._optional - set(header)
        absent |= self._profile.optional_columns - set(header)
        self._empty = dict.fromkeys(absent, "")
        if missing := sorted(self._columns - set(header) - absent):
            raise ImportSourceError(f"the profile needs columns that are missing: {', '.join(missing)}", line)
        ambiguous = (name for name in self._columns if f"{name}#2" in header and f"{name}#2" not in self._columns)
        if twice := sorted(ambiguous):
            raise ImportSourceError(f"duplicated columns: {', '.join(twice)}", line)
        self._header, self.seen = header, True
        for place, name in enumerate(header):
            if name not in self._columns and len(self._unknown) <= MAX_NAMES:
                self._unknown[self._written_header[place]] = None

    def _name_of(self, column: str) -> str:
        """Return the profile's name of a column, and note the currency in the header of commissions."""
        commission = self._profile.columns.get("commission")
        if column == commission:
            self.commission_currency = None
        elif isinstance(commission, str) and self._commission and (found := self._commission.fullmatch(column)):
            self.commission_currency = found[1]
            return commission
        return column

    def _is_ignored(self, name: str) -> bool:
        ignored = self._profile.ignored_columns
        return name in ignored or any(fnmatchcase(name, pattern) for pattern in ignored)

    def warnings(self) -> list[str]:
        """Return warnings about the file."""
        found: list[str] = []
        if unknown := [name for name in self._unknown if not self._is_ignored(name)]:
            found.append(f"columns that were not imported: {listed(name or '(without a name)' for name in unknown)}")
        if self._no_rows:
            found.append(f"{self._no_rows} lines that are no rows of executions left out")
        if self._absent:
            found.append(f"columns that are missing in some tables, taken as empty there: {', '.join(self._absent)}")
        if self._corporate_actions:
            kinds = ", ".join(f"{count} {word}" for word, count in self._corporate_actions.items())
            found.append(f"corporate actions that were not imported: {kinds}; {SPLITS}")
        found += [f"{count} rows left out because of column {column}" for column, count in self._skipped.items()]
        return found


def columns_of_fields(profile: CsvProfile) -> set[str]:
    """Return the columns of a profile's fields."""
    return {name for column in profile.columns.values() for name in ((column,) if isinstance(column, str) else column)}


def _names(cells: list[str]) -> list[str]:
    """Return the names of columns, with those that a profile uses for columns without a name of their own."""
    names: list[str] = []
    counts: Counter[str] = Counter()
    last, since = "", 0
    for cell in cells:
        name = cell.strip()
        if name:
            last, since = name, 0
        else:
            since += 1
            name = f"{last}+{since}" if last else ""
        counts[name] += 1
        names.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return names
