"""Profiles of brokers in the United States and Canada, for shares and options."""

from __future__ import annotations

import re
from typing import Final

from zorivest_async.transfer.importers.brokers.shared import (
    ACCOUNT,
    EASTERN,
    NEW_YORK,
    NO_ID,
    SIDES,
    STANDARD_OPTIONS,
    US_CLASSES,
    kind_of_symbol,
)
from zorivest_async.transfer.importers.profiles import CsvProfile
from zorivest_async.transfer.importers.source import FieldError

__all__ = [
    "ETRADE",
    "FIDELITY",
    "FIDELITY_2023",
    "LIGHTSPEED",
    "QUESTRADE",
    "ROBINHOOD",
    "SCHWAB",
    "WEBULL",
]

_DATE: Final = r"\s*\d{1,2}/\d{1,2}/\d{2}"
_CLOSED_BY_BROKER: Final = (
    "action of an expiration, an assignment or an exercise is not stated: it follows from the position, so enter it "
    "yourself"
)


def _etrade(row: dict[str, str]) -> dict[str, str]:
    kinds = {"EQ": "stock", "OPTN": "option"}
    return row | {"class": kinds.get(row["SecurityType"].strip(), "unknown")}


ETRADE: Final = CsvProfile(
    name="E*TRADE transactions",
    columns={
        "time": "TransactionDate",
        "instrument": "Symbol",
        "action": "TransactionType",
        "quantity": "Quantity",
        "price": "Price",
        "commission": "Commission",
        "asset_class": "class",
    },
    constants={"currency": "USD"},
    header=frozenset(
        {
            "TransactionDate", "TransactionType", "SecurityType", "Symbol", "Quantity", "Amount", "Price", "Commission",
            "Description",
        }
    ),
    ignored_columns=frozenset({"SecurityType", "Amount", "Description"}),
    exec_id=f"etrade/{NO_ID}",
    time_zone=NEW_YORK,
    time_formats=("%m/%d/%y", "%m/%d/%Y"),
    newest="first",
    actions={
        "bought": SIDES["buy"],
        "bought to open": SIDES["buy"],
        "bought to close": SIDES["buy"],
        "bought to cover": SIDES["buy"],
        "sold": SIDES["sell"],
        "sold short": SIDES["sell"],
        "sold to open": SIDES["sell"],
        "sold to close": SIDES["sell"],
    },
    asset_classes=US_CLASSES,
    standard_multipliers=STANDARD_OPTIONS,
    only={
        "TransactionType": frozenset(
            {
                "Bought", "Bought To Open", "Bought To Close", "Bought To Cover", "Sold", "Sold Short", "Sold To Open",
                "Sold To Close",
            }
        )
    },
    account_pattern=r"^For Account:,([^,\s]+)",
    row_pattern=_DATE,
    prepare=_etrade,
    source="an options project's sample data (2024) and eight other projects (2019-2026)",
)  # fmt: skip
"""Transactions until 2024, with dates without times, newest first, stored at midnight in New York."""

_FIDELITY_ACTION: Final = re.compile(r"(YOU BOUGHT|YOU SOLD|REINVESTMENT)\b")
_FIDELITY_OTHER: Final = re.compile(r"(BUY CANCEL|SELL CANCEL|EXPIRED|ASSIGNED|EXERCISED)\b")


def _fidelity(row: dict[str, str]) -> dict[str, str] | None:
    action = row["Action"].strip()
    if _FIDELITY_OTHER.match(action) is not None:
        raise FieldError("Action is a cancellation or a closing without a side: enter it yourself")
    found = _FIDELITY_ACTION.match(action)
    if found is None:
        return None
    return row | {"side": found[1].lower(), **kind_of_symbol(row["Symbol"])}


def _fidelity_2023(row: dict[str, str]) -> dict[str, str] | None:
    return _fidelity(row | {"Account Number": row["Account"].rpartition(" ")[2]})


FIDELITY: Final = CsvProfile(
    name="Fidelity accounts history",
    columns={
        "time": "Run Date",
        "instrument": "Symbol",
        "action": "side",
        "quantity": "Quantity",
        "price": "Price ($)",
        "account_id": "Account Number",
        "commission": "Commission ($)",
        "fees": "Fees ($)",
        "asset_class": "class",
        "multiplier": "multiplier",
    },
    constants={"currency": "USD"},
    header=frozenset(
        {
            "Run Date", "Account", "Account Number", "Action", "Symbol", "Quantity", "Price ($)", "Commission ($)",
            "Fees ($)",
        }
    ),
    ignored_columns=frozenset(
        {"Account", "Action", "Description", "Type", "Accrued Interest ($)", "Amount ($)", "Settlement Date"}
    ),
    exec_id=f"fidelity/{NO_ID}",
    time_zone=NEW_YORK,
    time_formats=("%m/%d/%Y",),
    newest="first",
    actions={"you bought": SIDES["buy"], "reinvestment": SIDES["buy"], "you sold": SIDES["sell"]},
    asset_classes=US_CLASSES,
    standard_multipliers=STANDARD_OPTIONS,
    row_pattern=_DATE,
    prepare=_fidelity,
    source="redstreet/beancount_reds_importers:importers/fidelity/tests/fidelity_all_accounts_csv (2025-12)",
)  # fmt: skip
"""The history of several accounts, with dates without times, newest first, stored at midnight in New York."""

FIDELITY_2023: Final = CsvProfile(
    name="Fidelity account history of 2023",
    columns=FIDELITY.columns,
    constants=FIDELITY.constants,
    header=frozenset(
        {
            "Run Date", "Account", "Action", "Symbol", "Security Description", "Security Type", "Quantity", "Price ($)",
            "Commission ($)", "Fees ($)",
        }
    ),
    ignored_columns=frozenset(
        {
            "Account", "Action", "Security Description", "Security Type", "Accrued Interest ($)", "Amount ($)",
            "Settlement Date",
        }
    ),
    exec_id=FIDELITY.exec_id,
    time_zone=FIDELITY.time_zone,
    time_formats=FIDELITY.time_formats,
    newest="first",
    actions=FIDELITY.actions,
    asset_classes=US_CLASSES,
    standard_multipliers=STANDARD_OPTIONS,
    row_pattern=_DATE,
    loose_quotes=True,
    prepare=_fidelity_2023,
    source=(
        "redstreet/beancount_reds_importers:importers/fidelity/fidelity_cma_csv_examples/"
        "History_for_Account_X8YYYYYYY.csv (2023)"
    ),
)  # fmt: skip
"""The history of one account, in the form of 2023."""

_LIGHTSPEED_FEES: Final = ("FeeSEC", "FeeMF", "Fee1", "Fee2", "Fee3", "FeeStamp", "FeeTAF", "Fee4")

LIGHTSPEED: Final = CsvProfile(
    name="Lightspeed blotter",
    columns={
        "exec_id": "Trade Number",
        "time": "Raw Exec. Time",
        "instrument": "Symbol",
        "quantity": "Qty",
        "price": "Price",
        "account_id": "Account Number",
        "commission": "Commission Amount",
        "fees": _LIGHTSPEED_FEES,
        "currency": "Currency Code",
        "asset_class": "Security Type",
    },
    exec_id="lightspeed/{account_id}/{exec_id}",
    time_zone=NEW_YORK,
    time_formats=("%m/%d/%Y %H:%M:%S",),
    only={"Transtype": frozenset({"Trade"})},
    ignored_columns=frozenset(
        {
            "Account Type", "Side", "CUSIP", "Buy/Sell", "Trade Date", "Settlement Date", "Process Date",
            "Principal Amount", "NET Amount", "Execution Time", "Market Code", "Trailer", "Sequence Number",
            "Side Seq Code", "Capacity Code", "Office Code", "Rep Code", "Special Code",
            "Instructions Trade Legend Code", "Factor Type2", "Trade Interest", "Original TradeNumber", "Entry Time",
            "Entered By", "YieldToMature", "YieldToCall", "Mutual Fund Sales Charge Rate",
            "Mutual Fund Load Indicator",
        }
    ),
    source="GeneBO98/tradetally:backend/src/utils/csv/parsers/lightspeed.js and a frozen header (2025-2026)",
)  # fmt: skip
"""The blotter; times to the minute, so that executions of one minute keep the order of the file."""


def _questrade(row: dict[str, str]) -> dict[str, str]:
    description = row["Description"].strip()
    is_option = not row["Symbol"].strip() and description.startswith(("CALL ", "PUT "))
    return row | {
        "instrument": description if is_option else row["Symbol"],
        "class": "option" if is_option else "stock",
    }


QUESTRADE: Final = CsvProfile(
    name="Questrade account activity",
    columns={
        "time": "Transaction Date",
        "instrument": "instrument",
        "action": "Action",
        "quantity": "Quantity",
        "price": "Price",
        "account_id": "Account #",
        "commission": "Commission",
        "currency": "Currency",
        "asset_class": "class",
    },
    header=frozenset(
        {
            "Transaction Date", "Settlement Date", "Action", "Symbol", "Description", "Quantity", "Price", "Commission",
            "Currency", "Account #", "Activity Type",
        }
    ),
    ignored_columns=frozenset(
        {
            "Settlement Date", "Symbol", "Description", "Gross Amount", "Net Amount", "Activity Type", "Account Type",
        }
    ),
    exec_id=f"questrade/{NO_ID}",
    time_zone="America/Toronto",
    time_formats=("%Y-%m-%d %I:%M:%S %p",),
    actions=SIDES,
    asset_classes=US_CLASSES,
    amount_columns=("Gross Amount",),
    commission_is_negative=True,
    only={"Activity Type": frozenset({"Trades"})},
    prepare=_questrade,
    source="ten tests of one project (2025-2026)",
)  # fmt: skip
"""Account activity; an option is named by its description. Midnight means a date without a time."""

_ROBINHOOD_OPTION: Final = re.compile(r"\S+ \d{1,2}/\d{1,2}/\d{4} (?:Call|Put) \$[\d.,]+")


def _robinhood(row: dict[str, str]) -> dict[str, str]:
    if row["Trans Code"].strip() in ("OEXP", "OASGN", "OEXCS"):
        raise FieldError(_CLOSED_BY_BROKER)
    is_option = row["Trans Code"].strip() in ("BTO", "BTC", "STO", "STC")
    description = " ".join(row["Description"].split())
    if is_option and _ROBINHOOD_OPTION.fullmatch(description) is None:
        raise FieldError("Description does not name an option")
    return row | {
        "instrument": description if is_option else row["Instrument"],
        "class": "option" if is_option else "stock",
    }


ROBINHOOD: Final = CsvProfile(
    name="Robinhood account activity",
    columns={
        "time": "Activity Date",
        "instrument": "instrument",
        "action": "Trans Code",
        "quantity": "Quantity",
        "price": "Price",
        "asset_class": "class",
    },
    constants={"currency": "USD"},
    asks=ACCOUNT,
    header=frozenset(
        {
            "Activity Date", "Process Date", "Settle Date", "Instrument", "Description", "Trans Code", "Quantity",
            "Price", "Amount",
        }
    ),
    ignored_columns=frozenset({"Process Date", "Settle Date", "Instrument", "Description", "Amount"}),
    exec_id=f"robinhood/{NO_ID}",
    time_zone=NEW_YORK,
    time_formats=("%m/%d/%Y",),
    newest="first",
    actions={
        **dict.fromkeys(("buy", "bto", "btc"), SIDES["buy"]),
        **dict.fromkeys(("sell", "sto", "stc"), SIDES["sell"]),
    },
    asset_classes=US_CLASSES,
    standard_multipliers=STANDARD_OPTIONS,
    only={"Trans Code": frozenset({"Buy", "Sell", "BTO", "BTC", "STO", "STC", "OEXP", "OASGN", "OEXCS"})},
    row_pattern=_DATE,
    prepare=_robinhood,
    source="public files of nine projects (2024-2026)",
)  # fmt: skip
"""Account activity, with dates without times, newest first, stored at midnight in New York. It states no fees."""

_SCHWAB_OPTION: Final = re.compile(r"\S+ \d\d/\d\d/\d{4} [\d.]+ [CP]")
_SCHWAB_BUYS: Final = frozenset({"Buy", "Buy to Open", "Buy to Close", "Reinvest Shares"})
_SCHWAB_SALES: Final = frozenset({"Sell", "Sell to Open", "Sell to Close", "Sell Short"})
_SCHWAB_CLOSINGS: Final = frozenset({"Expired", "Assigned", "Exchange or Exercise"})
"""What closes a position in an option at the price 0."""


def _schwab(row: dict[str, str]) -> dict[str, str]:
    if row["Action"].strip() in _SCHWAB_CLOSINGS:
        row = row | {"Price": row["Price"].strip() or "0"}
    is_option = _SCHWAB_OPTION.fullmatch(row["Symbol"].strip()) is not None
    return row | {
        "Date": row["Date"].rpartition(" as of ")[2],
        "class": "option" if is_option else "stock",
    }


SCHWAB: Final = CsvProfile(
    name="Schwab transactions",
    columns={
        "time": "Date",
        "instrument": "Symbol",
        "action": "Action",
        "quantity": "Quantity",
        "price": "Price",
        "fees": "Fees & Comm",
        "asset_class": "class",
    },
    constants={"currency": "USD"},
    asks=ACCOUNT,
    header=frozenset({"Date", "Action", "Symbol", "Description", "Quantity", "Price", "Fees & Comm", "Amount"}),
    ignored_columns=frozenset({"Description", "Amount"}),
    exec_id=f"schwab/{NO_ID}",
    time_zone=NEW_YORK,
    time_formats=("%m/%d/%Y",),
    newest="first",
    actions={
        **{word.lower(): SIDES["buy"] for word in _SCHWAB_BUYS},
        **{word.lower(): SIDES["sell"] for word in _SCHWAB_SALES},
    },
    closing_words=frozenset(word.lower() for word in _SCHWAB_CLOSINGS),
    asset_classes=US_CLASSES,
    standard_multipliers=STANDARD_OPTIONS,
    only={"Action": _SCHWAB_BUYS | _SCHWAB_SALES | _SCHWAB_CLOSINGS},
    row_pattern=_DATE,
    prepare=_schwab,
    source=(
        "KapJI/capital-gains-calculator:tests/schwab/data (2022-2026), "
        "dickwolff/Export-To-Ghostfolio:samples/schwab-export.csv (2026) and nine other projects"
    ),
)
"""Transactions, with dates without times, newest first, stored at midnight in New York. Fees contain commissions. The
side of expired and assigned options follows from the file's other executions."""


def _webull(row: dict[str, str]) -> dict[str, str] | None:
    if not row["Symbol"].strip():
        return None  # the name of a spread, whose legs follow
    order = "/".join(row[name].strip() for name in ("Placed Time", "Symbol", "Side"))
    return row | {"order": order, **kind_of_symbol(row["Symbol"])}


WEBULL: Final = CsvProfile(
    name="Webull orders",
    columns={
        "exec_id": "order",
        "time": "Filled Time",
        "instrument": "Symbol",
        "action": "Side",
        "quantity": "Filled",
        "price": "Avg Price",
        "asset_class": "class",
        "multiplier": "multiplier",
    },
    asks=frozenset({"account_id", "currency"}),
    header=frozenset(
        {
            "Name", "Symbol", "Side", "Status", "Filled", "Total Qty", "Price", "Avg Price", "Time-in-Force",
            "Placed Time", "Filled Time",
        }
    ),
    ignored_columns=frozenset({"Name", "Status", "Total Qty", "Price", "Time-in-Force", "Placed Time"}),
    exec_id="webull/{account_id}/{exec_id}/{ordinal}",
    zone_names=EASTERN,
    time_formats=("%m/%d/%Y %H:%M:%S",),
    actions=SIDES,
    asset_classes=US_CLASSES,
    standard_multipliers=STANDARD_OPTIONS,
    only={"Status": frozenset({"Filled", "Partial Filled"})},
    excluded={"Status": frozenset({"Cancelled", "Pending", "Failed", "Working", "Expired", "Rejected"})},
    prepare=_webull,
    source="public files of nine projects (2022-2026)",
)  # fmt: skip
"""Orders with their average prices. An order that has filled further conflicts with its earlier row; import it with
``on_conflict="update"``."""
