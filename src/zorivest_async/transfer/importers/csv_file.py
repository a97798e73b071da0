"""Importer of executions from CSV files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from io import TextIOWrapper
from typing import TYPE_CHECKING

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.csv_instruments import read_instruments
from zorivest_async.transfer.importers.csv_parser import RowParser
from zorivest_async.transfer.importers.csv_rows import CsvRows
from zorivest_async.transfer.importers.csv_tables import Table
from zorivest_async.transfer.importers.files import open_regular
from zorivest_async.transfer.importers.profiles import check_complete
from zorivest_async.transfer.importers.results import Reason
from zorivest_async.transfer.importers.source import ReadRows, give_way

if TYPE_CHECKING:
    from os import PathLike

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["CsvTrades"]


@dataclass(frozen=True, slots=True)
class CsvTrades:
    """Source of executions: a CSV file.

    Attributes:
        path: The file.
        profile: How to read it; with :meth:`CsvProfile.given`, if it asks for what the file does not state.

    Raises:
        ConfigurationError: The profile lacks what it asks for.
    """

    path: str | PathLike[str]
    profile: CsvProfile

    def __post_init__(self) -> None:
        check_complete(self.profile)

    def read(self, operation: Operation) -> ReadRows:
        """Read the file, in a thread; see :class:`~zorivest_async.transfer.importers.TradeSource`."""
        rows = ReadRows()
        profile = self.profile
        with open_regular(self.path) as raw, TextIOWrapper(raw, profile.encoding, newline="") as file:
            total = os.fstat(raw.fileno()).st_size or 1
            table = Table(profile, rows.failed)
            parser = RowParser(profile, table)
            try:
                if profile.instruments_section:  # which follows the executions
                    parser.units.instruments = read_instruments(file, profile, operation, total)
                    file.seek(0)
                csv_rows = CsvRows(file, profile.delimiter, loose_quotes=profile.loose_quotes)
                for number, row in enumerate(csv_rows, 1):
                    give_way(operation, number, raw.tell(), total)
                    record = table.take(row.cells, row.line)
                    if record is not None and row.problem is not None:
                        rows.failed.add(row.line, None, Reason.UNREADABLE, row.problem)
                    elif record is not None:
                        parser.parse(row.line, record, rows)
            except UnicodeError:  # UTF-16 without a byte order mark does not raise UnicodeDecodeError
                raise ImportSourceError(f"this is not text in {profile.encoding}") from None
        if not table.seen:
            raise ImportSourceError(table.missing)
        parser.finish(rows, operation)
        rows.warnings += table.warnings()
        operation.report("read", total, total)
        return rows
