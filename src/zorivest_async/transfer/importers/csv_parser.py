"""Parser of the rows of a CSV file into executions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import TradeAction
from zorivest_async.errors import ValidationError
from zorivest_async.transfer.columns import columns_of
from zorivest_async.transfer.importers.csv_cancelled import CancelledRows
from zorivest_async.transfer.importers.csv_closings import Closings
from zorivest_async.transfer.importers.csv_numbers import DecimalMarkError, parse_amount
from zorivest_async.transfer.importers.csv_times import Times
from zorivest_async.transfer.importers.csv_units import CsvUnits
from zorivest_async.transfer.importers.facts import Facts
from zorivest_async.transfer.importers.packing import Execution, Executions, identified
from zorivest_async.transfer.importers.profiles import OPTIONAL_FIELDS
from zorivest_async.transfer.importers.results import Reason
from zorivest_async.transfer.importers.source import FieldError, paced
from zorivest_async.transfer.importers.units import refuse_bought_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.domain.enums import AssetClass
    from zorivest_async.transfer.importers.csv_tables import Table
    from zorivest_async.transfer.importers.profiles import CsvProfile
    from zorivest_async.transfer.importers.source import ReadRows

__all__ = ["RowParser"]

_NUMBERS: Final = frozenset(column.name for column in columns_of(Trade) if column.kind == "number")
_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "no", "n", "0"), False),
}
_PRECISE: Final = Context(prec=200)
"""Context in which a sum keeps all digits that a cell of a file may have."""

_Text: TypeAlias = "str | tuple[str, ...]"


class _Parsed(NamedTuple):
    """An execution of a row, and the names of the fields that the row states."""

    trade: Trade
    stated: frozenset[str]


class RowParser:
    """Parser of rows into executions.

    Args:
        profile: The profile of the file.
        table: The table of the rows.

    Attributes:
        units: Completes the units of the rows.
    """

    def __init__(self, profile: CsvProfile, table: Table) -> None:
        self._profile = profile
        self._table = table
        self._times = Times(profile)
        self.units = CsvUnits(profile, table, self._plain_number)
        self._facts = Facts(grouped=profile.layout == "prefixed", newest=profile.newest)
        self._ordinals: Counter[str] = Counter()
        self._accounts: set[str] = set()
        self._stated: dict[frozenset[str], frozenset[str]] = {}
        self._exec_id_fields = profile.exec_id_fields
        self._prepared_out = 0
        # The execution of each identifier whose rows are merged, with its first line.
        self._parts: dict[str, tuple[int, _Parsed]] = {}
        self._part_rows: set[tuple[tuple[str, float], ...]] = set()
        self._closings = Closings(self._trade, self._note) if profile.closing_words else None
        self._cancelled = CancelledRows(profile)
        self._is_ambiguous = False
        self._ambiguous_lines: set[int] = set()
        self._contradiction: int | None = None
        self._parsers: dict[str, Callable[[str], Any]] = {
            "action": self._action,
            "asset_class": self._asset_class,
            "result_after_costs": self._flag,
        }

    def parse(self, line: int, record: dict[str, str], rows: ReadRows) -> None:
        """Add the executions of a row, or a failure, to ``rows``: a row whose second execution fails has none."""
        self._is_ambiguous = False
        try:
            parsed = [each for one in self._prepared(record) if (each := self._parse(one, line)) is not None]
            if self._profile.merges_parts:
                self._merge(line, parsed)
        except FieldError as error:
            if isinstance(error, DecimalMarkError) and self._contradiction is None:
                self._contradiction = line
            rows.failed.add(line, None, Reason.UNREADABLE, str(error))
            return
        except ValidationError as error:
            rows.failed.add(line, None, Reason.UNREADABLE, f"{error.field} {error.problem}")
            return
        if self._is_ambiguous:
            self._ambiguous_lines.add(line)
        if not self._profile.merges_parts:
            for each in parsed:
                self._add(line, each, rows)

    def finish(self, rows: ReadRows, operation: Operation) -> None:
        """Add what follows from all rows."""
        for line, each in paced(self._parts.values(), operation):
            self._add(line, each, rows)
        if self._closings is not None:
            self._closings.finish(rows, operation)
        self._cancelled.finish(rows, operation)
        if self._profile.newest == "first" and "ordinal" in self._exec_id_fields:
            self._number_from_the_oldest(rows, operation)
        if self._contradiction is not None and self._ambiguous_lines:
            self._remove_ambiguous(rows, operation)
        if self._prepared_out:
            rows.warnings.append(f"{self._prepared_out} rows left out by the profile's prepare")
        self._facts.finish(rows)

    def _add(self, line: int, parsed: _Parsed, rows: ReadRows) -> None:
        self._note(parsed.trade)
        if self._closings is not None:
            self._closings.take(parsed.trade)
        stated = self._stated.setdefault(parsed.stated, parsed.stated)
        rows.executions.append(Execution(line, parsed.trade, stated=stated))

    def _note(self, trade: Trade) -> None:
        self._facts.take(trade)
        if trade.account_id not in self._accounts:
            self._accounts.add(trade.account_id)
            self._facts.base_currency(trade.account_id, self._table.base_currency or "")

    def _number_from_the_oldest(self, rows: ReadRows, operation: Operation) -> None:
        """Count executions that are alike from the end of the file, so that later ones do not change the numbers."""
        if "exec_id" in self._exec_id_fields:
            return  # the broker's part of the identifier is not kept
        numbered, seen = Executions(), Counter[str]()
        for execution in paced(rows.executions, operation):
            trade = execution.trade
            if trade is not None:
                alike = self._exec_id(trade, "#")
                seen[alike] += 1
                exec_id = self._exec_id(trade, self._ordinals[alike] + 1 - seen[alike])
                execution = replace(execution, trade=identified(trade, exec_id))  # noqa: PLW2901
            numbered.append(execution)
        rows.executions = numbered

    def _remove_ambiguous(self, rows: ReadRows, operation: Operation) -> None:
        """Fail the rows whose numbers could be meant either way, as another row has the other decimal mark."""
        problem = f"a number may have another decimal mark, as one in line {self._contradiction} has"
        kept = Executions()
        for execution in paced(rows.executions, operation):
            if execution.row not in self._ambiguous_lines:
                kept.append(execution)
        for line in paced(sorted(self._ambiguous_lines), operation):
            rows.failed.add(line, None, Reason.UNREADABLE, problem)
        rows.executions = kept

    def _prepared(self, record: dict[str, str]) -> list[Mapping[str, str]]:
        if self._profile.prepare is None:
            return [record]
        try:
            prepared = self._profile.prepare(record)
            found: list[Mapping[str, str]] = (
                [] if prepared is None else [prepared] if hasattr(prepared, "keys") else [*prepared]  # type: ignore[list-item]
            )
        except FieldError:
            raise
        except Exception as error:  # noqa: BLE001 - what a user's function raises, whose text may contain the row
            raise FieldError(f"the profile's prepare raised {type(error).__name__}") from None
        self._prepared_out += not found
        return found

    def _parse(self, record: Mapping[str, str], line: int) -> _Parsed | None:
        """Return the execution of a row; ``None`` for one that is settled after all rows."""
        units: dict[str, str] = {}
        texts = self._texts(record)
        closes = str(texts.get("action", "")).lower() in self._profile.closing_words
        if closes:
            del texts["action"]
        fields = {name: self._parsed(name, text, record, units) for name, text in texts.items()}
        self.units.state(fields, units)
        self.units.complete(fields, record)
        if closes and self._closings is not None:
            self._closings.wait(line, fields)
            return None
        stated = frozenset(fields)
        if not self._cancelled.is_one(record):
            return _Parsed(self._trade(fields), stated)
        self._cancelled.take(line, self._trade(fields, counted=False))
        return None

    def _parsed(self, name: str, text: _Text, record: Mapping[str, str], units: dict[str, str]) -> Any:
        try:
            if name in _NUMBERS:
                return self._number(name, text, units)
            plain = text if isinstance(text, str) else " ".join(text)
            if name == "time":
                return self._times.parse(plain, self._cell(record, self._profile.zone_column).strip())
            return self._parsers.get(name, str)(plain)
        except DecimalMarkError as error:
            raise DecimalMarkError(f"{name} {error}") from None
        except FieldError as error:
            raise FieldError(f"{name} {error}") from None
        except (ArithmeticError, ValueError):
            raise FieldError(f"{name} cannot be read") from None

    def _texts(self, record: Mapping[str, str]) -> dict[str, _Text]:
        texts: dict[str, _Text] = {"account_id": self._table.account or "", **self._profile.constants}
        for name, columns in self._profile.columns.items():
            if isinstance(columns, str):
                cell = self._cell(record, columns)
                text: _Text = self._class_word(cell) if name == "asset_class" else self._value(cell)
                if not text and columns in self._profile.optional_columns and name in texts:
                    continue
            else:
                text = tuple(value for column in columns if (value := self._value(self._cell(record, column))))
            texts[name] = text
        return {name: text for name, text in texts.items() if text or name not in OPTIONAL_FIELDS}

    def _cell(self, record: Mapping[str, str], column: str | None) -> str:
        if column is None:
            return ""
        try:
            return record[column]
        except KeyError:
            if column in self._profile.optional_columns:
                return ""
            raise FieldError(f"column {column} is missing in what prepare returned") from None

    def _class_word(self, cell: str) -> str:
        """Return the word for an asset class, which may be one that means no value in other columns."""
        return cell.strip() if cell.strip().lower() in self._profile.asset_classes else self._value(cell)

    def _value(self, cell: str) -> str:
        text = cell.strip() if self._profile.strip else cell
        return "" if text in self._profile.empty_values else text

    def _merge(self, line: int, parsed: list[_Parsed]) -> None:
        row = tuple((each.trade.exec_id, each.trade.quantity) for each in parsed)
        if row in self._part_rows:
            raise FieldError("quantity is that of an identical row above, of which this may be a repetition")
        for each in parsed:
            before = self._parts.get(each.trade.exec_id)
            if before is not None and replace(each.trade, quantity=before[1].trade.quantity) != before[1].trade:
                raise FieldError("exec_id is that of an execution with other values, of which it cannot be a part")
        self._part_rows.add(row)
        for each in parsed:
            first, before_parts = self._parts.get(each.trade.exec_id, (line, None))
            trade = each.trade
            if before_parts is not None:
                quantity = Decimal(repr(before_parts.trade.quantity)) + Decimal(repr(trade.quantity))
                trade = replace(trade, quantity=float(quantity))
            self._parts[trade.exec_id] = (first, _Parsed(trade, each.stated))

    def _trade(self, fields: dict[str, Any], *, counted: bool = True) -> Trade:
        """Return the execution with these fields, ``counted`` for its identifier among those that are alike."""
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
        if not counted:
            return trade
        alike = self._exec_id(trade, "#")
        self._ordinals[alike] += 1
        return identified(trade, self._exec_id(trade, self._ordinals[alike]))

    def _exec_id(self, trade: Trade, ordinal: object) -> str:
        parts: dict[str, object] = {name: getattr(trade, name) for name in self._exec_id_fields - {"ordinal"}}
        if "time" in parts:
            parts["time"] = trade.time.isoformat().replace("+00:00", "Z")
        return self._profile.exec_id.format(**parts, ordinal=ordinal)

    def _number(self, name: str, text: _Text, units: dict[str, str]) -> Decimal:
        if isinstance(text, str):
            total = self._amount(name, text, units)
        else:
            if not text:
                raise FieldError("is not a number")
            total = Decimal()
            for each in self._amounts(name, text, units):
                total = _PRECISE.add(total, each)
        return Decimal(repr(float(total))) if name in self._profile.rounded else total

    def _amounts(self, name: str, texts: tuple[str, ...], units: dict[str, str]) -> Iterator[Decimal]:
        units_of_parts: set[str] = set()
        for text in texts:
            units.pop(name, None)
            yield self._amount(name, text, units)
            units_of_parts.add(units.get(name, ""))
        if len(units_of_parts) > 1:
            raise FieldError("has parts in several currencies, which cannot be added up")

    def _amount(self, name: str, text: str, units: dict[str, str]) -> Decimal:
        fraction = self._profile.price_fraction if name == "price" else None
        amount = parse_amount(text, self._profile.decimal_mark, fraction)
        if amount.unit:
            units[name] = amount.unit
        self._is_ambiguous |= amount.is_ambiguous
        return amount.value

    def _plain_number(self, text: str) -> Decimal:
        return parse_amount(text, self._profile.decimal_mark).value

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
