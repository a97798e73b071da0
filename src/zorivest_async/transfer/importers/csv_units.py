"""Units of an execution in a CSV file: what its columns state, and what follows from them."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.csv_instruments import Instrument
from zorivest_async.transfer.importers.csv_numbers import parse_amount
from zorivest_async.transfer.importers.source import FieldError
from zorivest_async.transfer.importers.units import (
    INVERSE,
    NEEDS_MULTIPLIER,
    implied_multiplier,
    multiplier_of_bond,
    refuse_inverse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from zorivest_async.transfer.importers.csv_tables import Table
    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["CsvUnits"]

_STANDARD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z./]*(?:\s|$)")
_UNKNOWN: Final = Instrument()
_NO_MULTIPLIER: Final = (
    "multiplier is unknown: the file does not state it, and not everything of this class has the same"
)
_CODE: Final = re.compile(r"[A-Z0-9]{3,12}", re.ASCII)
_COSTS: Final = frozenset({"commission", "fees"})


class CsvUnits:
    """Rules about the units of a file's rows.

    Args:
        profile: The profile of the file.
        table: The table of executions.
        to_number: Parser of numbers.

    Attributes:
        instruments: What the file says about instruments, by the word for their class and their symbol.
    """

    def __init__(self, profile: CsvProfile, table: Table, to_number: Callable[[str], Decimal]) -> None:
        self._profile = profile
        self._table = table
        self._to_number = to_number
        self._multipliers = [
            (re.compile(fnmatch.translate(pattern)), parse_amount(text).value)
            for pattern, text in profile.multipliers.items()
        ]
        self._given: dict[str, Decimal | None] = {}
        self._inverse = None if profile.inverse_pattern is None else re.compile(profile.inverse_pattern)
        self.instruments: Mapping[tuple[str, str], Instrument] = {}

    def state(self, fields: dict[str, Any], units: Mapping[str, str]) -> None:
        """Add the currencies that stand beside a row's numbers.

        Args:
            fields: The fields of the row.
            units: What stands beside its numbers, by field.

        Raises:
            FieldError: They contradict each other or what the row states elsewhere.
        """
        for name, unit in units.items():
            if _CODE.fullmatch(unit) is None:  # lots, thousands and the like have a size
                raise FieldError(f"{name} has a unit whose size is not known; let prepare convert it")
            if name == "quantity":
                continue
            if name in ("price", "realized_pnl"):
                if fields.setdefault("currency", unit) != unit:
                    raise FieldError(f"{name} is in another currency than the row")
            elif name not in _COSTS:
                raise FieldError(f"{name} is not a number")
        currency = fields.get("currency")
        for name in units.keys() & _COSTS:
            if not fields[name]:
                continue
            if fields.setdefault("commission_currency", units[name]) != units[name]:
                raise FieldError(f"{name} is in another currency than the other costs")
            others = _COSTS - units.keys()
            if units[name] != currency and any(fields.get(other) for other in others):
                raise FieldError(f"{name} is in another currency than the other costs")
        if fields.get("commission_currency") == currency and "commission_currency" in fields:
            fields["commission_currency"] = None

    def complete(self, fields: dict[str, Any], record: Mapping[str, str]) -> None:
        """Add what follows from the stated fields of a row, and remove what has no meaning there.

        Raises:
            FieldError: A unit is missing or contradicts the others, so that the numbers of the row have no meaning.
        """
        currency: str | None = fields.get("currency")
        if currency is None and self._table.states("currency"):
            raise FieldError("currency is empty")
        if "realized_pnl" not in fields and "result_after_costs" in self._profile.constants:
            fields.pop("result_after_costs", None)
        if self._table.commission_currency is not None and "commission" in fields:
            paid_in = self._table.commission_currency
            fields["commission_currency"] = None if paid_in == currency else paid_in
        instrument: str = fields.get("instrument", "")
        known = self._instrument(instrument, record)
        if known.is_etf and fields.get("asset_class") is AssetClass.STOCK:
            fields["asset_class"] = AssetClass.ETF
        self._refuse_inverse(instrument, fields.get("asset_class"), currency)
        if "multiplier" not in fields:
            stated = known.multiplier if known.multiplier is not None else self._given_for(instrument)
            if fields.get("asset_class") is not None or stated is not None or self._profile.needs_multiplier:
                fields["multiplier"] = self._multiplier(fields, record, stated)

    def _given_for(self, instrument: str) -> Decimal | None:
        """Return the multiplier that the profile's user gives for an instrument."""
        if not self._multipliers:
            return None
        if instrument not in self._given:
            matching = (value for pattern, value in self._multipliers if pattern.match(instrument))
            self._given[instrument] = next(matching, None)
        return self._given[instrument]

    def _instrument(self, symbol: str, record: Mapping[str, str]) -> Instrument:
        return self.instruments.get((self._class_word(record), symbol), _UNKNOWN) if self.instruments else _UNKNOWN

    def _class_word(self, record: Mapping[str, str]) -> str:
        column = self._profile.columns.get("asset_class")
        return record.get(column, "").strip() if isinstance(column, str) else ""

    def _refuse_inverse(self, instrument: str, asset_class: AssetClass | None, currency: str | None) -> None:
        if self._inverse is not None and self._inverse.search(instrument):
            raise FieldError(f"instrument {INVERSE}")
        # A file of this library contains what its user has stored.
        if self._profile.columns.get("currency") not in self._profile.optional_columns:
            refuse_inverse(instrument, asset_class, currency)

    def _multiplier(self, fields: Mapping[str, Any], record: Mapping[str, str], known: Decimal | None) -> Any:
        asset_class: AssetClass | None = fields.get("asset_class")
        if asset_class not in NEEDS_MULTIPLIER and not (self._profile.needs_multiplier and known is None):
            return 1 if known is None else known
        product: Decimal = fields["quantity"] * fields["price"]
        amount = self._amount(record)
        if asset_class is AssetClass.BOND:
            return multiplier_of_bond(known, amount, product)
        implied = None if amount is None else implied_multiplier(amount, product)
        if known is not None:
            if implied is not None and implied != known:
                raise FieldError("multiplier contradicts the amount of the trade")
            return known
        if implied is not None:
            return implied
        standard = self._profile.standard_multipliers.get(
            (self._class_word(record).lower(), fields.get("currency", ""))
        )
        replaceable = not product or not self._profile.amount_columns
        if standard is None or not replaceable or not _STANDARD_NAME.match(fields["instrument"]):
            raise FieldError(_NO_MULTIPLIER)
        return self._to_number(standard)

    def _amount(self, record: Mapping[str, str]) -> Decimal | None:
        for column in self._profile.amount_columns:
            text = record.get(column, "").strip()
            if text and text not in self._profile.empty_values:
                try:
                    return self._to_number(text)
                except FieldError as error:
                    raise FieldError(f"{column} {error}") from None
        return None
