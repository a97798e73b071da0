"""Profiles of thinkorswim's CSV files."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.brokers.shared import NO_ID
from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["THINKORSWIM", "THINKORSWIM_TODAY"]

THINKORSWIM: Final = CsvProfile(
    name="thinkorswim account statement",
    layout="titled",
    section="Account Trade History",
    columns={
        "time": "Exec Time",
        "instrument": ("Symbol", "Exp", "Strike", "Type"),
        "action": "Side",
        "quantity": "Qty",
        "price": "Price",
        "asset_class": "Type",
    },
    constants={"currency": "USD"},
    exec_id=f"tos/{NO_ID}",
    account_pattern=r"^Account Statement for (\S+)",
    time_zone="America/New_York",
    time_formats=("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"),
    asset_classes={
        "stock": AssetClass.STOCK,
        "etf": AssetClass.ETF,
        "call": AssetClass.OPTION,
        "put": AssetClass.OPTION,
        "future": AssetClass.FUTURE,
    },
    standard_multipliers={("call", "USD"): "100", ("put", "USD"): "100"},
    empty_values=frozenset({"STOCK", "ETF", "~", "--"}),
    carried_columns=("Exec Time", "Spread", "Order Type"),
    ignored_columns=frozenset({"", "Spread", "Pos Effect", "Net Price", "Order Type"}),
    source="Eleven-Trading/TradeNote:brokers/README.md and eight other projects (2015-2026)",
)
"""Account statement of thinkorswim, exported with New York times.

Its trades have **no** results, commissions or fees. They are in USD; stocks, funds and options get their asset class,
and options the multiplier 100 of US options. Futures, options on futures (``/ES``) and adjusted options (``XYZ1``)
fail, because the file does not state their multiplier; so do currencies.
"""

THINKORSWIM_TODAY: Final = replace(
    THINKORSWIM,
    name="thinkorswim today's trade activity",
    section="Filled Orders",
    account_pattern=r"^Today's Trade Activity for (\S+)",
    time_formats=(*THINKORSWIM.time_formats, "%m/%d/%y"),
    ignored_columns=THINKORSWIM.ignored_columns | {"Price Improvement"},
    source="GeneBO98/tradetally:backend/tests and five other projects (2024-2026)",
)
"""The filled orders of a day, also of paperMoney. An execution that was entered by hand has a date without a time; it
is stored at midnight."""
