"""The table of instruments in a CSV file of several tables, such as a statement's."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from zorivest_async.transfer.importers.csv_rows import CsvRows
from zorivest_async.transfer.importers.source import give_way

if TYPE_CHECKING:
    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["Instrument", "read_instruments"]

_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?", re.ASCII)


class Instrument(NamedTuple):
    """What a statement says about an instrument.

    Attributes:
        multiplier: What one unit of its price is worth; ``None`` if it is not stated, or stated in several ways.
        is_etf: Whether it is an exchange-traded fund, which trades as a stock.
    """

    multiplier: Decimal | None = None
    is_etf: bool = False


def read_instruments(
    file: TextIO, profile: CsvProfile, operation: Operation, total: int
) -> dict[tuple[str, str], Instrument]:
    """Return the instruments, by the word for their class and their symbol.

    Args:
        file: The file, at its beginning.
        profile: Its profile, with the layout ``"prefixed"``.
        operation: Stops the reading on request.
        total: The size of the file, in bytes, for the progress.

    Raises:
        ImportSourceError: It is not a CSV file.
        UnicodeError: It is in another encoding.
    """
    found: dict[tuple[str, str], Instrument] = {}
    header: list[str] = []
    for number, row in enumerate(CsvRows(file, profile.delimiter), 1):
        give_way(operation, number, 0, total)
        if row.problem is not None or len(row.cells) < 2 or row.cells[0] != profile.instruments_section:  # noqa: PLR2004
            continue
        if row.cells[1] == "Header":
            header = [cell.strip() for cell in row.cells[2:]]
        elif row.cells[1] == "Data":
            _add(found, dict(zip(header, row.cells[2:], strict=False)), str(profile.columns.get("asset_class")))
    return found


def _add(found: dict[tuple[str, str], Instrument], record: dict[str, str], class_column: str) -> None:
    text = record.get("Multiplier", "").strip()
    stated = Decimal(text.replace(",", "")) if _NUMBER.fullmatch(text) else None
    instrument = Instrument(stated, record.get("Type", "").strip() == "ETF")
    for symbol in record.get("Symbol", "").split(","):  # an instrument that was renamed has several
        about = (record.get(class_column, "").strip(), symbol.strip())
        before = found.get(about, instrument)
        found[about] = instrument if before.multiplier == stated else Instrument(None, instrument.is_etf)
