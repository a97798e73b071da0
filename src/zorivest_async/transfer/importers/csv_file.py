"""Importer of executions from CSV files."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import TradeAction
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, ImportSourceError, ValidationError
from zorivest_async.transfer.columns import columns_of
from zorivest_async.transfer.importers.csv_instruments import read_instruments
from zorivest_async.transfer.importers.csv_rows import CsvRows
from zorivest_async.transfer.importers.csv_tables import Table
from zorivest_async.transfer.importers.csv_units import CsvUnits
from zorivest_async.transfer.importers.facts import Facts
from zorivest_async.transfer.importers.files import open_regular
from zorivest_async.transfer.importers.packing import Execution
from zorivest_async.transfer.importers.profiles import OPTIONAL_FIELDS
from zorivest_async.transfer.importers.results import Reason
from zorivest_async.transfer.importers.source import (
    FieldError,
    ReadRows,
    give_way,
    parse_iso,
    to_utc,
)
from zorivest_async.transfer.importers.units import refuse_bought_back

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.domain.enums import AssetClass
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["CsvTrades"]

_AMOUNT: Final = re.compile(
    r"(\()?([+-]?)[$€£]?([+-]?)((?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][+-]?\d+)?)(\))?", re.ASCII
)
_NUMBERS: Final = tuple(column.name for column in columns_of(Trade) if column.kind == "number")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}
_SWAP_MARKS: Final = str.maketrans(",.", ".,")


@dataclass(frozen=True, slots=True)
class CsvTrades:
    """Source of executions: a CSV file.

    Attributes:
        path: The file.
        profile: How to read it.
    """

    path: str | PathLike[str]
    profile: CsvProfile

    def read(self, operation: Operation) -> ReadRows:
        """Read the file, in a thread; see :class:`~zorivest_async.transfer.importers.TradeSource`."""
        rows = ReadRows()
        with open_regular(self.path) as raw, _text_of(raw, self.profile.encoding) as file:
            total = os.fstat(raw.fileno()).st_size or 1
            table = Table(self.profile, rows.failed)
            parser = _RowParser(self.profile, table)
            try:
                if self.profile.instruments_section:  # which follows the executions
                    parser.units.instruments = read_instruments(file, self.profile, operation, total)
                    file.seek(0)
                for number, row in enumerate(CsvRows(file, self.profile.delimiter), 1):
                    give_way(operation, number, raw.tell(), total)
                    record = table.take(row.cells, row.line)
                    if record is not None and row.problem is not None:
                        rows.failed.add(row.line, None, Reason.UNREADABLE, row.problem)
                    elif record is not None:
                        parser.parse(row.line, record, rows)
            except UnicodeError:  # UTF-16 without a byte order mark does not raise UnicodeDecodeError
                raise ImportSourceError(f"this is not text in {self.profile.encoding}") from None
        if not table.seen:
            raise ImportSourceError(table.missing)
        parser.facts.finish(rows)
        rows.warnings += table.warnings()
        operation.report("read", total, total)
        return rows


def _text_of(raw: BinaryIO, encoding: str) -> TextIOWrapper:
    try:
        return TextIOWrapper(raw, encoding, newline="")
    except LookupError:
        raise ConfigurationError("Python does not know the profile's encoding") from None


class _RowParser:
    """Parser of rows into executions.

    Attributes:
        units: Completes the units of the rows.
        facts: Facts that follow from all rows.
    """

    def __init__(self, profile: CsvProfile, table: Table) -> None:
        self._profile = profile
        self._table = table
        self._zone = None if profile.time_zone is None else load_zone(profile.time_zone)
        self.units = CsvUnits(profile, table, self._number)
        self.facts = Facts(grouped=profile.layout == "prefixed")
        self._ordinals: Counter[str] = Counter()
        self._accounts: set[str] = set()
        self._stated: dict[frozenset[str], frozenset[str]] = {}
        self._exec_id_fields = profile.exec_id_fields
        self._parsers: dict[str, Callable[[str], Any]] = {
            "time": self._time,
            **dict.fromkeys(_NUMBERS, self._number),
            "action": self._action,
            "asset_class": self._asset_class,
            "result_after_costs": self._flag,
        }

    def parse(self, line: int, record: dict[str, str], rows: ReadRows) -> None:
        """Add an execution or a failure to ``rows``."""
        try:
            fields = {name: self._parsed(name, text) for name, text in self._texts(record).items()}
            self.units.complete(fields, record)
            trade = self._trade(fields)
        except FieldError as error:
            rows.failed.add(line, None, Reason.UNREADABLE, str(error))
        except ValidationError as error:
            rows.failed.add(line, None, Reason.UNREADABLE, f"{error.field} {error.problem}")
        except (ArithmeticError, ValueError):
            rows.failed.add(line, None, Reason.UNREADABLE, "a number cannot be read")
        else:
            stated = frozenset(fields)
            self._note(trade)
            rows.executions.append(Execution(line, trade, stated=self._stated.setdefault(stated, stated)))

    def _note(self, trade: Trade) -> None:
        self.facts.take(trade)
        if trade.account_id not in self._accounts:
            self._accounts.add(trade.account_id)
            self.facts.base_currency(trade.account_id, self._table.base_currency or "")

    def _parsed(self, name: str, text: str) -> Any:
        try:
            return self._parsers.get(name, str)(text)
        except FieldError as error:
            raise FieldError(f"{name} {error}") from None
        except (ArithmeticError, ValueError):
            raise FieldError(f"{name} cannot be read") from None

    def _texts(self, record: dict[str, str]) -> dict[str, str]:
        texts = {"account_id": self._table.account or "", **self._profile.constants}
        for name, columns in self._profile.columns.items():
            if isinstance(columns, str):
                text = self._class_word(record[columns]) if name == "asset_class" else self._value(record[columns])
                if not text and columns in self._profile.optional_columns and name in texts:
                    continue
            else:
                text = " ".join(value for column in columns if (value := self._value(record[column])))
            texts[name] = text
        return {name: text for name, text in texts.items() if text or name not in OPTIONAL_FIELDS}

    def _class_word(self, cell: str) -> str:
        """Return the word for an asset class, which may be one that means no value in other columns."""
        return cell.strip() if cell.strip().lower() in self._profile.asset_classes else self._value(cell)

    def _value(self, cell: str) -> str:
        text = cell.strip() if self._profile.strip else cell
        return "" if text in self._profile.empty_values else text

    def _trade(self, fields: dict[str, Any]) -> Trade:
        if "action" not in fields:
            fields["action"] = TradeAction.SLD if fields["quantity"] < 0 else TradeAction.BOT
        refuse_bought_back(fields["action"], fields["quantity"])
        fields["quantity"] = fields["quantity"].copy_abs()  # abs() would round
        if self._profile.commission_is_negative:
            fields |= {name: fields[name].copy_negate() for name in ("commission", "fees") if name in fields}
        fields = {"realized_pnl": None, **fields}
        if self._profile.exec_id == "{exec_id}":
            return Trade(**fields)
        own_id = fields.get("exec_id", "")
        if "exec_id" in self._exec_id_fields and not own_id:
            raise ValidationError("Trade", "exec_id", "must not be empty")
        # Checked first: an identifier is formed only of valid fields.
        fields["exec_id"] = own_id or "none yet"
        trade = Trade(**fields)
        parts: dict[str, object] = {name: getattr(trade, name) for name in self._exec_id_fields - {"ordinal"}}
        if "time" in parts:
            parts["time"] = trade.time.isoformat().replace("+00:00", "Z")
        alike = self._profile.exec_id.format(**parts, ordinal="#")
        self._ordinals[alike] += 1
        fields["exec_id"] = self._profile.exec_id.format(**parts, ordinal=self._ordinals[alike])
        return Trade(**fields)

    def _time(self, text: str) -> datetime:
        return to_utc(self._local_time(text), self._zone, self._profile.ambiguous_times)

    def _local_time(self, text: str) -> datetime:
        if not self._profile.time_formats:
            return parse_iso(text)
        for form in self._profile.time_formats:
            try:
                return datetime.strptime(text, form)  # noqa: DTZ007 - the profile's zone is added
            except (OverflowError, ValueError):
                continue
        raise FieldError("is in none of the profile's formats")

    def _number(self, text: str) -> Decimal:
        plain = text.translate(_SWAP_MARKS) if self._profile.decimal_mark == "," else text
        found = _AMOUNT.fullmatch(plain)
        if found is None:
            raise FieldError("is not a number")
        opened, outer, inner, digits, closed = found.groups()
        if not digits[:1] or digits[0] in "eE" or bool(opened) != bool(closed) or (outer and inner):
            raise FieldError("is not a number")
        if opened and (outer or inner):
            raise FieldError("has both a minus sign and parentheses")
        try:
            return Decimal(f"{'-' if opened or '-' in (outer, inner) else ''}{digits.replace(',', '')}")
        except ArithmeticError:  # an exponent of twenty digits
            raise FieldError("is not a number that can be stored") from None

    def _action(self, text: str) -> TradeAction:
        try:
            return self._profile.actions[text.lower()]
        except KeyError:
            raise FieldError("is not a side that the profile knows") from None

    def _asset_class(self, text: str) -> AssetClass:
        try:
            return self._profile.asset_classes[text.lower()]
        except KeyError:
            raise FieldError("is not an asset class that the profile knows") from None

    def _flag(self, text: str) -> bool:
        try:
            return _FLAGS[text.lower()]
        except KeyError:
            raise FieldError("is neither true nor false") from None
