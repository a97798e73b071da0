"""CSV reader with limits of memory, which distinguishes an invalid row from an invalid file."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from zorivest_async.errors import ImportSourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CsvRow", "CsvRows"]

MAX_LINE_CHARACTERS: Final = 1_048_576
"""Maximum length of a line: eight times the longest value that :mod:`csv` accepts."""

MAX_ROW_CHARACTERS: Final = 8 * MAX_LINE_CHARACTERS
"""Maximum length of a row, whose quoted values may contain line breaks."""

_QUOTES: Final = "a quotation mark is neither around a value nor doubled in it"
_KEPT_CHARACTERS: Final = 1_000
_QUOTED: Final = re.compile(r'"[^"]*(?:""[^"]*)*"(?!")')


class CsvRow(NamedTuple):
    """Row of a CSV file.

    Attributes:
        line: Number of its last line, from 1.
        cells: Its values; for an invalid row, an approximation.
        problem: Why the row is invalid, or ``None``.
    """

    line: int
    cells: list[str]
    problem: str | None = None


class CsvRows:
    """Iterator of the rows of a file.

    Args:
        file: The file, opened without translation of line ends.
        delimiter: Delimiter of values.
        loose_quotes: Whether quotation marks may be inside of values.

    Raises:
        ImportSourceError: From iterating: a quoted value does not end, so that the begin of the next row is unknown; or
            a line or a row is too long.
    """

    def __init__(self, file: TextIO, delimiter: str, *, loose_quotes: bool = False) -> None:
        self._file = file
        self._delimiter = delimiter
        self._loose_quotes = loose_quotes
        self._line = ""
        self._characters = 0
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[CsvRow]:
        while True:
            before, self._characters = self._reader.line_num, 0
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                line = self._reader.line_num
                if line - before > 1:
                    raise _not_csv(line) from None
                cells, problem = self._cells_of_last_line(), _problem_of(error)
                loose = self._loose_cells() if self._loose_quotes and problem == _QUOTES else None
                yield CsvRow(line, cells, problem) if loose is None else CsvRow(line, loose)
            else:
                yield CsvRow(self._reader.line_num, cells)

    def _lines(self) -> Iterator[str]:
        while line := self._file.readline(MAX_LINE_CHARACTERS + 1):
            self._characters += len(line)
            if len(line) > MAX_LINE_CHARACTERS or self._characters > MAX_ROW_CHARACTERS:
                problem = f"a line has more than {MAX_LINE_CHARACTERS:,} characters, or a row eight times as many"
                raise ImportSourceError(problem, self._reader.line_num + 1)
            self._line = line
            yield line

    def _loose_cells(self) -> list[str] | None:
        """Return the values of the last line, in which quotation marks may be anywhere; ``None`` if one is too long."""
        try:
            return next(csv.reader([self._line], delimiter=self._delimiter))
        except csv.Error:
            return None

    def _cells_of_last_line(self) -> list[str]:
        """Return the shortened values of an invalid row, once it is certain that the row ends with its line.

        When the reader raises, it drops the row and continues with the next line: if a quoted value continued there, a
        part of it would be taken for a row.
        """
        line, cells, start = self._line.rstrip("\r\n"), list[str](), 0
        while True:
            quoted = _QUOTED.match(line, start)
            if quoted is None and line.startswith('"', start):
                raise _not_csv(self._reader.line_num)
            end = line.find(self._delimiter, start if quoted is None else quoted.end())
            cells.append(line[start : len(line) if end < 0 else end][:_KEPT_CHARACTERS])
            if end < 0:
                return cells
            start = end + 1


def _problem_of(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a value has more than {csv.field_size_limit():,} characters"
    return _QUOTES


def _not_csv(line: int) -> ImportSourceError:
    return ImportSourceError("this is not CSV, or a quoted value does not end", line)
