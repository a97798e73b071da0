"""Profiles of platforms for currencies and contracts for difference, which count lots."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from zorivest_async.transfer.importers.brokers.shared import SIDES, legs
from zorivest_async.transfer.importers.profiles import CsvProfile
from zorivest_async.transfer.importers.source import FieldError

__all__ = ["CTRADER", "MT5_DEALS", "MT5_POSITIONS_IT", "MT5_REPORT"]

_OTHER_SIDE: Final = {"buy": "sell", "sell": "buy"}
_CTRADER_TIME: Final = re.compile(r"(Opening|Closing) Time \(UTC(?:([+-])(\d{1,2})(?::(\d\d))?)?\)")
_CTRADER_QUANTITY: Final = re.compile(r"([\d.,]+) (Lots|Oz|Units|Barrels)", re.ASCII)
_CTRADER_NET: Final = re.compile(r"Net \(?([A-Z]{3})\)?")


def _ctrader(row: dict[str, str]) -> list[dict[str, str]]:
    times: dict[str, str] = {}
    for name, text in row.items():
        if (found := _CTRADER_TIME.fullmatch(name)) is not None:
            leg, sign, hours, minutes = found.groups()
            times[leg] = f"{text.strip()} {sign or '+'}{int(hours or 0):02}{minutes or '00'}"
    quantity = _CTRADER_QUANTITY.fullmatch(row["Closing Quantity"].strip())
    side = row["Opening Direction"].strip().lower()
    currency = next((found[1] for name in row if (found := _CTRADER_NET.fullmatch(name)) is not None), "")
    if len(times) < 2 or quantity is None or side not in _OTHER_SIDE or not currency:  # noqa: PLR2004 - two times
        raise FieldError("a time's zone, the unit, the direction or the currency is not one that the profile knows")
    closing = f"{row['ID'].strip()}/{times['Closing']}"  # a position that is closed in parts has several rows
    row = row | {
        "quantity": quantity[1],
        "currency": currency,
        "multiplier": "" if quantity[2] == "Lots" else "1",
    }
    return legs(
        row | {"Commission": "", "Swap": ""},
        {"time": times["Opening"], "side": side, "price": row["Entry Price"], "id": f"{closing}/open"},
        {
            "time": times["Closing"], "side": _OTHER_SIDE[side], "price": row["Closing Price"],
            "id": f"{closing}/close", "Commission": row["Commission"], "Swap": row["Swap"],
        },
    )  # fmt: skip


CTRADER: Final = CsvProfile(
    name="cTrader history",
    columns={
        "exec_id": "id",
        "time": "time",
        "instrument": "Symbol",
        "action": "side",
        "quantity": "quantity",
        "price": "price",
        "commission": "Commission",
        "fees": "Swap",
        "currency": "currency",
        "multiplier": "multiplier",
    },
    asks=frozenset({"account_id"}),
    header=frozenset(
        {"ID", "Symbol", "Opening Direction", "Entry Price", "Closing Price", "Closing Quantity", "Commission", "Swap"}
    ),
    ignored_columns=frozenset({"Opening Time (*", "Closing Time (*", "Gross *", "Net *", "Balance *"}),
    exec_id="ctrader/{account_id}/{exec_id}",
    time_formats=("%d/%m/%Y %H:%M:%S.%f %z",),
    actions=SIDES,
    needs_multiplier=True,
    commission_is_negative=True,
    prepare=_ctrader,
    source="public files of six projects (2026)",
)
"""The history of closed positions, each of which is two executions; the zone and the currency stand in the header.
Costs are those of the exit, with the swap as fees. The size of a lot is yours to give, such as ``multipliers={"EURUSD":
"100000"}``."""

_MT5_TIME: Final = ("%Y.%m.%d %H:%M:%S",)
_MT5_ROW: Final = r"\d{4}\.\d\d\.\d\d "

MT5_DEALS: Final = CsvProfile(
    name="MetaTrader 5 deals",
    columns={
        "exec_id": "Deal",
        "time": "Time",
        "instrument": "Symbol",
        "action": "Type",
        "quantity": "Volume",
        "price": "Price",
        "commission": "Commission",
        "fees": ("Fee", "Swap"),
        "order_id": "Order",
    },
    asks=frozenset({"account_id", "currency", "time_zone"}),
    header=frozenset(
        {
            "Time", "Deal", "Symbol", "Type", "Direction", "Volume", "Price", "Order", "Commission", "Fee", "Swap",
            "Profit", "Balance", "Comment",
        }
    ),
    prepare=lambda row: row,
    ignored_columns=frozenset({"Direction", "Profit", "Balance", "Comment", ""}),
    exec_id="mt5/{account_id}/{exec_id}",
    time_formats=_MT5_TIME,
    actions=SIDES,
    needs_multiplier=True,
    commission_is_negative=True,
    only={"Type": frozenset({"buy", "sell"})},
    row_pattern=_MT5_ROW,
    delimiter="\t",
    encoding="utf-16",
    source="GeneBO98/tradetally and public files of nine projects (2024-2026)",
)  # fmt: skip
"""The table of deals saved as text in UTF-16. Times are those of the broker's server. The currency, which is that of
the prices, and the size of a lot are yours to give; the swap is a part of the fees."""

MT5_REPORT: Final = replace(
    MT5_DEALS,
    name="MetaTrader 5 history report",
    layout="titled",
    section="Deals",
    asks=frozenset({"currency", "time_zone"}),
    account_pattern=r"^Account:,+(\d+)",
    delimiter=",",
    encoding="utf-8-sig",
    source="statement templates of a Thai project and a journal's regression test (2025-2026)",
)
"""The deals of the history report saved as CSV. The positions, which are the same executions, are not read."""


def _mt5_position(row: dict[str, str]) -> list[dict[str, str]]:
    side = row["Tipo"].strip()
    if side not in _OTHER_SIDE:
        raise FieldError("Tipo is neither buy nor sell")
    if "," in row["Volume"]:
        raise FieldError("Volume has a comma, and this form has a point there")
    row = row | {"Volume": row["Volume"].replace(".", ",")}  # all other numbers have a comma
    position = f"{row['Posizione'].strip()}/{row['Ora#2'].strip()}"  # it may be closed in parts
    return legs(
        row | {"Commissioni": "", "Swap": ""},
        {"side": side, "id": f"{position}/open"},
        {
            "Ora": row["Ora#2"], "side": _OTHER_SIDE[side], "Prezzo": row["Prezzo#2"], "id": f"{position}/close",
            "Commissioni": row["Commissioni"], "Swap": row["Swap"],
        },
    )  # fmt: skip


MT5_POSITIONS_IT: Final = CsvProfile(
    name="MetaTrader 5 positions (Italian)",
    columns={
        "exec_id": "id",
        "time": "Ora",
        "instrument": "Simbolo",
        "action": "side",
        "quantity": "Volume",
        "price": "Prezzo",
        "commission": "Commissioni",
        "fees": "Swap",
        "order_id": "Posizione",
    },
    asks=frozenset({"account_id", "currency", "time_zone"}),
    header=frozenset(
        {"Ora", "Posizione", "Simbolo", "Tipo", "Volume", "Prezzo", "Ora#2", "Prezzo#2", "Commissioni", "Swap"}
    ),
    ignored_columns=frozenset({"Tipo", "S / L", "T / P", "Profitto", "Ora", "Prezzo", ""}),
    exec_id="mt5/{account_id}/position/{exec_id}",
    time_formats=_MT5_TIME,
    actions=SIDES,
    needs_multiplier=True,
    commission_is_negative=True,
    decimal_mark=",",
    row_pattern=_MT5_ROW,
    delimiter=";",
    prepare=_mt5_position,
    source="GeneBO98/tradetally:backend/tests/utils/csvParser.test.js (2026)",
)
"""The positions of an Italian terminal, each of which is two executions; costs are those of the exit."""
