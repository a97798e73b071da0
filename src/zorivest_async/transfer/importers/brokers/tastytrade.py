"""Profile of tastytrade's CSV files."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from zorivest_async.transfer.importers.brokers.shared import ACCOUNT, NO_ID, SIDES
from zorivest_async.transfer.importers.profiles import CsvProfile
from zorivest_async.transfer.importers.source import FieldError

__all__ = ["TASTYTRADE"]

_SIDES: Final = {
    **dict.fromkeys(("buy", "buy_to_open", "buy_to_close"), SIDES["buy"]),
    **dict.fromkeys(("sell", "sell_to_open", "sell_to_close"), SIDES["sell"]),
}
_CLASSES: Final = {
    "equity": "stock",
    "equity option": "option",
    "future": "future",
    "future option": "option",
    "cryptocurrency": "crypto",
}
_PRICE: Final = re.compile(r"(?:Bought|Sold) .+ @ ([\d,.]+)", re.ASCII)


def _class_of(row: dict[str, str]) -> str:
    return _CLASSES.get(row["Instrument Type"].strip().lower(), "unknown")


def _tastytrade(row: dict[str, str]) -> dict[str, str]:
    if row["Type"].strip() == "Receive Deliver":
        if row["Sub Type"].strip() != "Expiration" or row["Action"].strip():
            raise FieldError("Sub Type is a delivery that the profile does not know; enter it yourself")
        return row | {"Action": "expiration", "price": "0", "class": _class_of(row)}
    found = _PRICE.fullmatch(row["Description"].strip())
    if found is None:
        raise FieldError("Description does not state the price")
    cash, multiplier = row["Average Price"].strip().lstrip("-").replace(",", ""), row["Multiplier"].strip() or "1"
    price = found[1].replace(",", "")
    if Decimal(cash or 0) and Decimal(cash) != Decimal(price) * Decimal(multiplier):
        raise FieldError("Average Price contradicts the price in Description")
    return row | {"price": price, "class": _class_of(row)}


TASTYTRADE: Final = CsvProfile(
    name="tastytrade transactions",
    columns={
        "time": "Date",
        "instrument": "Symbol",
        "action": "Action",
        "quantity": "Quantity",
        "price": "price",
        "commission": "Commissions",
        "fees": "Fees",
        "currency": "Currency",
        "asset_class": "class",
        "multiplier": "Multiplier",
        "order_id": "Order #",
    },
    asks=ACCOUNT,
    header=frozenset(
        {
            "Date", "Type", "Sub Type", "Action", "Symbol", "Instrument Type", "Description", "Value", "Quantity",
            "Average Price", "Commissions", "Fees", "Multiplier", "Order #", "Currency",
        }
    ),
    ignored_columns=frozenset(
        {
            "Sub Type", "Instrument Type", "Description", "Value", "Average Price", "Root Symbol", "Underlying Symbol",
            "Expiration Date", "Strike Price", "Call or Put", "Total",
        }
    ),
    exec_id=f"tastytrade/{NO_ID}",
    newest="first",
    actions=_SIDES,
    closing_words=frozenset({"expiration"}),
    commission_is_negative=True,
    empty_values=frozenset({"--"}),
    only={"Type": frozenset({"Trade", "Receive Deliver"})},
    excluded={"Type": frozenset({"Money Movement"})},
    prepare=_tastytrade,
    source="Eleven-Trading/TradeNote:src/utils/brokers.js (2025) and five other projects (2021-2026)",
)  # fmt: skip
"""Transactions, newest first. The side of an expiration follows from the file's other executions. Multipliers of
futures are yours to give: ``multipliers={"/MCL*": "100"}``."""
