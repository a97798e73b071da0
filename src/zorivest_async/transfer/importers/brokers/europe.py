"""Profiles of brokers in Europe and India."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from zorivest_async.transfer.importers.brokers.shared import ACCOUNT, NO_ID, SIDES, legs
from zorivest_async.transfer.importers.csv_numbers import parse_amount
from zorivest_async.transfer.importers.profiles import CsvProfile
from zorivest_async.transfer.importers.source import FieldError

__all__ = [
    "AVANZA",
    "DEGIRO",
    "ETORO_CLOSED",
    "REVOLUT_STOCKS",
    "SAXO",
    "TRADING212",
    "XTB_CASH",
    "ZERODHA",
]

_STOCK: Final = {"asset_class": "stock"}

AVANZA: Final = CsvProfile(
    name="Avanza transactions",
    columns={
        "time": "Datum",
        "instrument": "Värdepapper/beskrivning",
        "action": "Typ av transaktion",
        "quantity": "Antal",
        "price": "Kurs",
        "account_id": "Konto",
        "commission": "Courtage (SEK)",
        "currency": "Instrumentvaluta",
    },
    constants={"commission_currency": "SEK"},
    ignored_columns=frozenset({"Belopp", "Transaktionsvaluta", "Valutakurs", "ISIN", "Resultat"}),
    exec_id=f"avanza/{NO_ID}",
    time_zone="Europe/Stockholm",
    time_formats=("%Y-%m-%d",),
    newest="first",
    actions={"köp": SIDES["buy"], "sälj": SIDES["sell"]},
    decimal_mark=",",
    only={"Typ av transaktion": frozenset({"Köp", "Sälj"})},
    delimiter=";",
    source="dickwolff/Export-To-Ghostfolio:samples/avanza-export.csv (2026), a fixture with another order (2025)",
)
"""Transactions, with dates without times, newest first, stored at midnight in Stockholm. Commissions are in SEK."""


def _degiro(row: dict[str, str]) -> dict[str, str]:
    numbers = (parse_amount(row[name].strip(), ",").value for name in ("Quantity", "Price", "Local value"))
    quantity, price, value = numbers
    if abs(abs(value) - abs(quantity * price)) > max(abs(value) / 100, Decimal("0.02")):
        raise FieldError("Local value contradicts Quantity and Price, as it does for options and futures")
    return row


DEGIRO: Final = CsvProfile(
    name="DEGIRO transactions",
    columns={
        "time": ("Date", "Time"),
        "instrument": "Product",
        "quantity": "Quantity",
        "price": "Price",
        "commission": "Transaction and/or third party fees EUR",
        "fees": "AutoFX Fee",
        "currency": "Price+1",
        "order_id": ("Order ID", "Order ID+1"),
    },
    constants={"commission_currency": "EUR", **_STOCK},
    asks=ACCOUNT,
    ignored_columns=frozenset(
        {
            "ISIN", "Reference exchange", "Venue", "Local value", "Value EUR", "Exchange rate", "Total EUR", "",
        }
    ),
    header=frozenset(
        {
            "Date", "Time", "Product", "ISIN", "Quantity", "Price", "Price+1", "Local value", "AutoFX Fee",
            "Transaction and/or third party fees EUR", "Order ID", "Order ID+1",
        }
    ),
    prepare=_degiro,
    exec_id=f"degiro/{NO_ID}",
    time_zone="Europe/Amsterdam",
    time_formats=("%d-%m-%Y %H:%M",),
    newest="first",
    commission_is_negative=True,
    decimal_mark=",",
    short_rows=True,
    source="public files of eight projects (2023-2026)",
)  # fmt: skip
"""Transactions with English headers; times to the minute in Amsterdam. The order's identifier stands in one of the
last two columns. Each instrument is taken for a share, unless its value contradicts that; its product name is the
instrument."""

_ETORO_ACTION: Final = re.compile(r"(Buy|Sell) (.+)", re.DOTALL)


def _etoro(row: dict[str, str]) -> list[dict[str, str]]:
    found = _ETORO_ACTION.fullmatch(row["Action"].strip())
    if found is None:
        raise FieldError("Action names neither Buy nor Sell")
    other = {"Buy": "Sell", "Sell": "Buy"}[found[1]]
    row = row | {"instrument": found[2]}
    position = f"{row['Position ID'].strip()}/{row['Close Date'].strip()}"  # it may be closed in parts
    return legs(
        row,
        {"time": row["Open Date"], "side": found[1], "price": row["Open Rate"], "id": f"{position}/open"},
        {"time": row["Close Date"], "side": other, "price": row["Close Rate"], "id": f"{position}/close"},
    )


ETORO_CLOSED: Final = CsvProfile(
    name="eToro closed positions",
    columns={
        "exec_id": "id",
        "time": "time",
        "instrument": "instrument",
        "action": "side",
        "quantity": "Units",
        "price": "price",
        "order_id": "Position ID",
    },
    asks=frozenset({"account_id", "currency", "time_zone"}),
    header=frozenset(
        {"Position ID", "Action", "Amount", "Units", "Open Date", "Close Date", "Open Rate", "Close Rate"}
    ),
    ignored_columns=frozenset(
        {
            "Action", "Amount", "Open Date", "Close Date", "Leverage", "Spread", "Profit", "Open Rate", "Close Rate",
            "Take profit rate", "Stop lose rate", "Rollover Fees and Dividends", "Copied From", "Type", "ISIN", "Notes",
        }
    ),
    exec_id="etoro/{exec_id}",
    time_formats=("%d/%m/%Y %H:%M:%S",),
    actions=SIDES,
    prepare=_etoro,
    source="a Dart project's test (2022-2023) and another project's tests (2026)",
)  # fmt: skip
"""Closed positions, each of which is two executions. Rollover fees and dividends are not imported."""

REVOLUT_STOCKS: Final = CsvProfile(
    name="Revolut stocks",
    columns={
        "time": "Date",
        "instrument": "Ticker",
        "action": "Type",
        "quantity": "Quantity",
        "price": "Price per share",
        "currency": "Currency",
    },
    constants=_STOCK,
    asks=ACCOUNT,
    ignored_columns=frozenset({"Total Amount", "FX Rate"}),
    header=frozenset({"Date", "Ticker", "Type", "Quantity", "Price per share", "Total Amount", "Currency", "FX Rate"}),
    prepare=lambda row: row | {"Type": row["Type"].partition(" - ")[0]},
    exec_id=f"revolut/{NO_ID}",
    actions=SIDES,
    only={
        "Type": frozenset({"BUY - MARKET", "SELL - MARKET", "BUY - LIMIT", "SELL - LIMIT", "BUY - STOP", "SELL - STOP"})
    },
    source="dickwolff/Export-To-Ghostfolio:samples/revolut-invest-export.csv (2026)",
)
"""Shares; times are in UTC. Fees stand nowhere, and splits are left out."""

_SAXO_EVENT: Final = re.compile(r"(Buy|Sell) ([\d.,]+) @ ([\d.,]+) ([A-Z]{3})", re.ASCII)


def _saxo(row: dict[str, str]) -> dict[str, str]:
    found = _SAXO_EVENT.fullmatch(row["Event"].strip())
    if found is None:
        raise FieldError("Event does not state a side, a quantity and a price")
    side, quantity, price, currency = found.groups()
    return row | {"side": side, "quantity": quantity, "price": price, "currency": currency}


SAXO: Final = CsvProfile(
    name="Saxo transactions",
    columns={
        "time": "Trade Date",
        "instrument": "Instrument Symbol",
        "action": "side",
        "quantity": "quantity",
        "price": "price",
        "currency": "currency",
    },
    constants=_STOCK,
    asks=frozenset({"account_id", "time_zone"}),
    header=frozenset(
        {
            "Client ID", "Trade Date", "Value Date", "Type", "Instrument", "Instrument currency", "Instrument Symbol",
            "Event", "Amount",
        }
    ),
    ignored_columns=frozenset(
        {
            "Client ID", "Value Date", "Instrument", "Instrument ISIN", "Instrument currency", "Exchange Description",
            "Event", "Amount", "Order ID", "Conversion Rate",
        }
    ),
    exec_id=f"saxo/{NO_ID}",
    time_formats=("%d-%b-%Y",),
    newest="first",
    actions=SIDES,
    only={"Type": frozenset({"Trade"})},
    prepare=_saxo,
    source="dickwolff/Export-To-Ghostfolio:samples/saxo-export.csv (2026)",
)  # fmt: skip
"""Transactions, with dates without times, newest first, stored at midnight. Side, quantity and price stand in a
sentence; fees only in the amount, so they are not imported."""

_T212_FEES: Final = (
    "Stamp duty reserve tax", "Currency conversion fee", "Transaction fee", "Finra fee", "French transaction tax",
    "Deposit fee",
)  # fmt: skip


def _trading212(row: dict[str, str]) -> dict[str, str]:
    paid = [name for name in _T212_FEES if row.get(name, "").strip()]
    currencies = {row.get(f"Currency ({name})", "").strip() for name in paid}
    if len(currencies) > 1:
        raise FieldError("fees are in several currencies, and one execution holds them in one")
    return row | {"side": row["Action"].split()[-1], "fees currency": next(iter(currencies), "")}


TRADING212: Final = CsvProfile(
    name="Trading 212 history",
    columns={
        "exec_id": "ID",
        "time": "Time",
        "instrument": "Ticker",
        "action": "side",
        "quantity": "No. of shares",
        "price": "Price / share",
        "currency": "Currency (Price / share)",
        "fees": _T212_FEES,
        "commission_currency": "fees currency",
    },
    constants=_STOCK,
    asks=ACCOUNT,
    header=frozenset(
        {"Action", "Time", "ISIN", "Ticker", "ID", "No. of shares", "Price / share", "Currency (Price / share)"}
    ),
    optional_columns=frozenset({*_T212_FEES, *(f"Currency ({name})" for name in _T212_FEES)}),
    ignored_columns=frozenset(
        {
            "Action", "ISIN", "Name", "Notes", "Exchange rate", "Result", "Currency (Result)", "Total", "Total (GBP)",
            "Total (EUR)", "Currency (Total)", "Withholding tax", "Currency (Withholding tax)",
            *_T212_FEES, *(f"Currency ({name})" for name in _T212_FEES),
        }
    ),
    time_zone="UTC",
    time_formats=("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"),
    actions=SIDES,
    only={
        "Action": frozenset(
            f"{kind} {side}" for kind in ("Market", "Limit", "Stop", "Stop limit") for side in ("buy", "sell")
        )
    },
    prepare=_trading212,
    source=(
        "KapJI/capital-gains-calculator:tests/trading212/data (2020-2026), "
        "dickwolff/Export-To-Ghostfolio:samples/trading212-export.csv (2026)"
    ),
)  # fmt: skip
"""The history; its times are taken for UTC, as public readers do. Prices in pence have the currency GBX."""

_XTB_COMMENT: Final = re.compile(r"(OPEN|CLOSE) BUY (\d+(?:\.\d+)?)(?:/\d+(?:\.\d+)?)? @ (\d+(?:\.\d+)?)", re.ASCII)


def _xtb(row: dict[str, str]) -> dict[str, str]:
    found = _XTB_COMMENT.fullmatch(row["Comment"].strip())
    if found is None:
        raise FieldError("Comment does not state a side, a quantity and a price")
    if (found[1] == "OPEN") != (row["Type"].strip() == "Stocks/ETF purchase"):
        raise FieldError("Comment contradicts Type")
    return row | {"side": "buy" if found[1] == "OPEN" else "sell", "quantity": found[2], "price": found[3]}


XTB_CASH: Final = CsvProfile(
    name="XTB cash operations",
    columns={
        "exec_id": "ID",
        "time": "Time",
        "instrument": "Symbol",
        "action": "side",
        "quantity": "quantity",
        "price": "price",
    },
    constants=_STOCK,
    asks=frozenset({"account_id", "currency", "time_zone"}),
    header=frozenset({"ID", "Type", "Time", "Symbol", "Comment", "Amount"}),
    ignored_columns=frozenset({"Comment", "Amount"}),
    exec_id="xtb/{exec_id}",
    time_formats=("%d.%m.%Y %H:%M:%S",),
    newest="first",
    actions=SIDES,
    only={"Type": frozenset({"Stocks/ETF purchase", "Stocks/ETF sale"})},
    delimiter=";",
    prepare=_xtb,
    source="dickwolff/Export-To-Ghostfolio:samples/xtb-export.csv (2026)",
)
"""Cash operations; quantity and price stand in the comment. The currency is that of the price, not of the account:
import instruments of several currencies from files of their own."""


def _zerodha(row: dict[str, str]) -> dict[str, str]:
    segment = row["segment"].strip()
    if segment not in ("EQ", "FO"):
        raise FieldError("segment is another one than EQ and FO, whose units the profile knows")
    trade_id = "/".join((row["exchange"].strip(), segment, row["trade_id"].strip()))
    is_option = row["symbol"].strip().endswith(("CE", "PE"))
    kind = "stock" if segment == "EQ" else "option" if is_option else "future"
    return row | {"id": trade_id, "class": kind, "multiplier": "1"}


ZERODHA: Final = CsvProfile(
    name="Zerodha tradebook",
    columns={
        "exec_id": "id",
        "time": "order_execution_time",
        "instrument": "symbol",
        "action": "trade_type",
        "quantity": "quantity",
        "price": "price",
        "order_id": "order_id",
        "asset_class": "class",
        "multiplier": "multiplier",
    },
    constants={"currency": "INR"},
    asks=ACCOUNT,
    header=frozenset(
        {
            "symbol", "isin", "trade_date", "exchange", "segment", "series", "trade_type", "quantity", "price",
            "trade_id", "order_id", "order_execution_time",
        }
    ),
    ignored_columns=frozenset(
        {"isin", "trade_date", "exchange", "segment", "series", "auction", "trade_id", "expiry_date"}
    ),
    exec_id="zerodha/{account_id}/{exec_id}",
    time_zone="Asia/Kolkata",
    actions=SIDES,
    prepare=_zerodha,
    source="GeneBO98/tradetally:backend/tests and seven other projects (2021-2026)",
)  # fmt: skip
"""The tradebook of shares and of options on indices; quantities of the latter are units, not lots. Amounts are in
INR."""
