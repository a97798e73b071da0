"""Profiles of crypto exchanges."""

from __future__ import annotations

import re
from typing import Final

from zorivest_async.transfer.importers.brokers.shared import ACCOUNT, NO_ID, SIDES
from zorivest_async.transfer.importers.profiles import CsvProfile
from zorivest_async.transfer.importers.source import FieldError

__all__ = ["BINANCE_SPOT", "BITVAVO", "BYBIT_SPOT", "COINBASE", "REVOLUT_CRYPTO"]

_CRYPTO: Final = {"asset_class": "crypto"}
_WITH_ASSET: Final = re.compile(r"([\d.,]+)([A-Z0-9]*[A-Z])", re.ASCII)


def _binance(row: dict[str, str]) -> dict[str, str]:
    parts = {name: _WITH_ASSET.fullmatch(row[name].strip()) for name in ("Executed", "Amount", "Fee")}
    executed, amount, fee = parts.values()
    if executed is None or amount is None or fee is None:
        raise FieldError("Executed, Amount or Fee is not a number with its asset")
    if row["Pair"].strip() != executed[2] + amount[2]:
        raise FieldError("Pair contradicts the assets of Executed and Amount")
    return row | {
        "Executed": executed[1], "quote": amount[2], "Fee": fee[1], "fee asset": fee[2],
    }  # fmt: skip


BINANCE_SPOT: Final = CsvProfile(
    name="Binance spot trade history",
    columns={
        "time": "Date(UTC)",
        "instrument": "Pair",
        "action": "Side",
        "quantity": "Executed",
        "price": "Price",
        "commission": "Fee",
        "currency": "quote",
        "commission_currency": "fee asset",
    },
    constants=_CRYPTO,
    asks=ACCOUNT,
    header=frozenset({"Date(UTC)", "Pair", "Side", "Price", "Executed", "Amount", "Fee"}),
    ignored_columns=frozenset({"Amount"}),
    exec_id=f"binance/{NO_ID}",
    time_zone="UTC",
    time_formats=("%Y-%m-%d %H:%M:%S",),
    newest="first",
    actions=SIDES,
    prepare=_binance,
    source="BittyTax/BittyTax:src/bittytax/conv/parsers/binance.py and seven other projects (2021-2026)",
)
"""The spot trade history, in the form with the assets behind the numbers. Its fees may be in a third asset."""


def _bitvavo(row: dict[str, str]) -> dict[str, str]:
    sold = row["Type"].strip() == "sell"
    return row | {
        "when": f"{row['Date'].strip()} {row['Time'].strip()}",
        "Amount": row["Amount"].strip().removeprefix("-") if sold else row["Amount"],
    }


BITVAVO: Final = CsvProfile(
    name="Bitvavo transactions",
    columns={
        "exec_id": "Transaction ID",
        "time": "when",
        "instrument": "Currency",
        "action": "Type",
        "quantity": "Amount",
        "price": "Quote Price",
        "commission": "Fee amount",
        "currency": "Quote Currency",
        "commission_currency": "Fee currency",
    },
    constants=_CRYPTO,
    asks=ACCOUNT,
    header=frozenset(
        {
            "Timezone", "Date", "Time", "Type", "Currency", "Amount", "Quote Currency", "Quote Price", "Fee currency",
            "Fee amount", "Status", "Transaction ID",
        }
    ),
    ignored_columns=frozenset({"Date", "Time", "Received / Paid Currency", "Received / Paid Amount", "Address"}),
    zone_column="Timezone",
    actions=SIDES,
    only={"Type": frozenset({"buy", "sell"}), "Status": frozenset({"Completed"})},
    prepare=_bitvavo,
    source="dickwolff/Export-To-Ghostfolio:samples/bitvavo-export.csv (2026)",
)  # fmt: skip
"""Transactions, each with the time zone of its time."""

_QUOTES: Final = ("USDT", "USDC", "USDE", "DAI", "BTC", "ETH", "EUR", "BRL", "TRY")
"""The assets in which Bybit's spot pairs are quoted."""


def _bybit(row: dict[str, str]) -> dict[str, str]:
    pair = row["Spot Pairs"].strip()
    quote = next((each for each in _QUOTES if pair.endswith(each) and len(pair) > len(each)), None)
    if quote is None:
        raise FieldError("Spot Pairs has no quote asset that the profile knows")
    if row["Direction"].strip().upper() != "BUY":
        raise FieldError("Fees of a sale have an asset that the file does not state; let prepare state it")
    return row | {"quote": quote, "base": pair.removesuffix(quote)}


BYBIT_SPOT: Final = CsvProfile(
    name="Bybit spot trade history",
    columns={
        "exec_id": "Transaction ID",
        "time": "Timestamp (UTC+0)",
        "instrument": "Spot Pairs",
        "action": "Direction",
        "quantity": "Filled Quantity",
        "price": "Filled Price",
        "account_id": "Uid",
        "commission": "Fees",
        "order_id": "Order No.",
        "currency": "quote",
        "commission_currency": "base",
    },
    constants=_CRYPTO,
    header=frozenset(
        {
            "Uid", "Spot Pairs", "Order Type", "Direction", "Filled Value", "Filled Price", "Filled Quantity", "Fees",
            "Transaction ID", "Order No.", "Timestamp (UTC+0)",
        }
    ),
    ignored_columns=frozenset({"Order Type", "Filled Value"}),
    time_zone="UTC",
    time_formats=("%Y-%m-%d %H:%M:%S",),
    actions=SIDES,
    prepare=_bybit,
    source="a project's parser test that says it repeats a real file (2026)",
)  # fmt: skip
"""The spot trade history. Fees of purchases are in the base asset; sales were not seen, so they fail."""

_COINBASE_SIDES: Final = {
    **dict.fromkeys(("buy", "advanced trade buy"), SIDES["buy"]),
    **dict.fromkeys(("sell", "advanced trade sell"), SIDES["sell"]),
}


def _coinbase(row: dict[str, str]) -> dict[str, str]:
    if row["Transaction Type"].strip() == "Convert":
        raise FieldError(
            "Transaction Type is a conversion: two executions, of which one is stated; enter them yourself"
        )
    if "Sell" in row["Transaction Type"]:  # negative in some generations of the file
        return row | {"Quantity Transacted": row["Quantity Transacted"].strip().removeprefix("-")}
    return row


COINBASE: Final = CsvProfile(
    name="Coinbase transaction history",
    columns={
        "exec_id": "ID",
        "time": "Timestamp",
        "instrument": "Asset",
        "action": "Transaction Type",
        "quantity": "Quantity Transacted",
        "price": "Price at Transaction",
        "commission": "Fees and/or Spread",
        "currency": "Price Currency",
    },
    constants=_CRYPTO,
    asks=ACCOUNT,
    ignored_columns=frozenset(
        {
            "Subtotal", "Total (inclusive of fees and/or spread)", "Notes", "Sender Address", "Recipient Address",
        }
    ),
    zone_names={"UTC": "+00:00"},
    time_formats=("%Y-%m-%d %H:%M:%S",),
    newest="first",
    actions=_COINBASE_SIDES,
    rounded=frozenset({"quantity", "price", "commission"}),
    only={
        "Transaction Type": frozenset({"Buy", "Advanced Trade Buy", "Sell", "Advanced Trade Sell", "Convert"}),
    },
    prepare=_coinbase,
    source=(
        "BittyTax/BittyTax:src/bittytax/conv/parsers/coinbase.py (2026), "
        "dickwolff/Export-To-Ghostfolio:samples/coinbase-export.csv (2026) and six other projects"
    ),
)  # fmt: skip
"""The transaction history with identifiers. Its numbers have up to 23 digits and are rounded to float64; a fee may
contain a spread. Conversions fail, as only one of their two executions is stated."""

REVOLUT_CRYPTO: Final = CsvProfile(
    name="Revolut crypto",
    columns={
        "time": "Date",
        "instrument": "Symbol",
        "action": "Type",
        "quantity": "Quantity",
        "price": "Price",
        "commission": "Fees",
    },
    constants=_CRYPTO,
    asks=frozenset({"account_id", "time_zone"}),
    header=frozenset({"Symbol", "Type", "Quantity", "Price", "Value", "Fees", "Date"}),
    ignored_columns=frozenset({"Value"}),
    exec_id=f"revolut/{NO_ID}",
    time_formats=("%b %d, %Y, %I:%M:%S %p",),
    actions=SIDES,
    only={"Type": frozenset({"Buy", "Sell"})},
    prepare=lambda row: row,
    source=(
        "dickwolff/Export-To-Ghostfolio:samples/revolut-crypto-export.csv (2026), "
        "BittyTax/BittyTax:src/bittytax/conv/parsers/revolut.py (2026)"
    ),
)
"""Crypto trades; the currency stands beside each number. Amounts with a dollar sign are in the account's currency."""
