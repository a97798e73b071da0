"""Units of an execution in a CSV file: what its columns state, and what follows from them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.csv_instruments import Instrument
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
        self._inverse = None if profile.inverse_pattern is None else re.compile(profile.inverse_pattern)
        self.instruments: Mapping[tuple[str, str], Instrument] = {}

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
        if "multiplier" not in fields and fields.get("asset_class") is not None:
            fields["multiplier"] = self._multiplier(fields, record, known.multiplier)

    def _instrument(self, symbol: str, record: Mapping[str, str]) -> Instrument:
        return self.instruments.get((self._class_word(record), symbol), _UNKNOWN) if self.instruments else _UNKNOWN

    def _class_word(self, record: Mapping[str, str]) -> str:
        column = self._profile.columns.get("asset_class")
        return record[column].strip() if isinstance(column, str) else ""

    def _refuse_inverse(self, instrument: str, asset_class: AssetClass | None, currency: str | None) -> None:
        if self._inverse is not None and self._inverse.search(instrument):
            raise FieldError(f"instrument {INVERSE}")
        # A file of this library contains what its user has stored.
        if self._profile.columns.get("currency") not in self._profile.optional_columns:
            refuse_inverse(instrument, asset_class, currency)

    def _multiplier(self, fields: Mapping[str, Any], record: Mapping[str, str], known: Decimal | None) -> Any:
        asset_class: AssetClass = fields["asset_class"]
        if asset_class not in NEEDS_MULTIPLIER:
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
