"""Profiles of Interactive Brokers' CSV files."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.brokers.shared import EASTERN, NEW_YORK, NO_ID
from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["IBKR_ACTIVITY", "IBKR_FLEX_CSV", "IBKR_FLEX_RECORDS"]

IBKR_ACTIVITY: Final = CsvProfile(
    name="IBKR activity statement",
    layout="prefixed",
    section="Trades",
    columns={
        "time": "Date/Time",
        "instrument": "Symbol",
        "quantity": "Quantity",
        "price": "T. Price",
        "commission": "Comm/Fee",
        "realized_pnl": "Realized P/L",
        "currency": "Currency",
        "asset_class": "Asset Category",
        "account_id": "Account",
    },
    constants={"result_after_costs": "true"},
    exec_id=f"ibkr/{NO_ID}",
    account_pattern=r"^Account Information,Data,Account,([^,]+)",
    base_currency_pattern=r"^Account Information,Data,Base Currency,([A-Z0-9]+)",
    corporate_actions_section="Corporate Actions",
    instruments_section="Financial Instrument Information",
    time_zone="America/New_York",
    time_formats=("%Y-%m-%d, %H:%M:%S",),
    commission_is_negative=True,
    commission_pattern=r"Comm in ([A-Z0-9]+)",
    asset_classes={
        "stocks": AssetClass.STOCK,
        "equity and index options": AssetClass.OPTION,
        "options on futures": AssetClass.OPTION,
        "futures options": AssetClass.OPTION,
        "futures": AssetClass.FUTURE,
        "forex": AssetClass.FOREX,
        "bonds": AssetClass.BOND,
        "treasury bills": AssetClass.BOND,
        "cfds": AssetClass.CFD,
        "forex cfds": AssetClass.CFD,
        "crypto": AssetClass.CRYPTO,
        "cryptocurrencies": AssetClass.CRYPTO,
        "funds": AssetClass.FUND,
        "mutual funds": AssetClass.FUND,
        "warrants": AssetClass.WARRANT,
        "structured products": AssetClass.WARRANT,
        "metals": AssetClass.OTHER,
    },
    amount_columns=("Proceeds", "Notional Value"),
    standard_multipliers={("equity and index options", "USD"): "100"},
    empty_values=frozenset({"--"}),
    only={"DataDiscriminator": frozenset({"Order"})},
    cancellations=("Code", r"(?:^|;)Ca(?:;|$)"),
    optional_columns=frozenset({"Account"}),
    ignored_columns=frozenset({"C. Price", "Proceeds", "Basis", "MTM P/L", "Code", "Notional Value", "MTM in *", ""}),
    source="KapJI/capital-gains-calculator:docs/brokers/interactive-brokers.md and seven other projects (2021-2026)",
)
"""Activity statement of Interactive Brokers; it has orders, but no execution identifiers. Prefer Flex XML.

A row with the code ``Ca`` cancels the row with the opposite quantity.

Its results are **after** costs; the tables of currencies have none. Executions get their currency, their asset class,
the currency of the commission where the table names one (``Comm in USD``), and their multiplier: from *Financial
Instrument Information*, else from ``Proceeds`` or ``Notional Value``. An equity or index option in USD that expired,
with the price 0, has the standard multiplier of 100 if the statement does not have that table. Other rows without a
multiplier fail.
"""

_FLEX_CLASSES: Final = {
    "stk": AssetClass.STOCK,
    **dict.fromkeys(("opt", "fop", "fsopt", "fsfop"), AssetClass.OPTION),
    **dict.fromkeys(("fut", "fsfut"), AssetClass.FUTURE),
    "cash": AssetClass.FOREX,
    **dict.fromkeys(("bond", "bill"), AssetClass.BOND),
    "fund": AssetClass.FUND,
    **dict.fromkeys(("war", "iopt"), AssetClass.WARRANT),
    **dict.fromkeys(("cfd", "fxcfd"), AssetClass.CFD),
    "crypto": AssetClass.CRYPTO,
}


def _executions(row: dict[str, str]) -> dict[str, str] | None:
    """Leave out the summaries of executions, and the results of currencies, which IBKR states as 0 there."""
    if row.get("LevelOfDetail", "") not in ("", "EXECUTION"):
        return None
    if row["AssetClass"] == "CASH" and row.get("FifoPnlRealized", "") == "0":
        return row | {"FifoPnlRealized": ""}
    return row


IBKR_FLEX_CSV: Final = CsvProfile(
    name="IBKR Flex query, CSV",
    columns={
        "exec_id": "IBExecID",
        "time": "DateTime",
        "instrument": "Symbol",
        "action": "Buy/Sell",
        "quantity": "Quantity",
        "price": "TradePrice",
        "account_id": "ClientAccountID",
        "commission": "IBCommission",
        "fees": "Taxes",
        "realized_pnl": "FifoPnlRealized",
        "currency": "CurrencyPrimary",
        "multiplier": "Multiplier",
        "asset_class": "AssetClass",
        "commission_currency": "IBCommissionCurrency",
        "order_id": "IBOrderID",
    },
    constants={"result_after_costs": "true"},
    time_zone=NEW_YORK,
    zone_names=EASTERN,
    time_formats=("%Y%m%d;%H%M%S", "%Y-%m-%d;%H:%M:%S", "%Y%m%d;%H:%M:%S", "%Y-%m-%d;%H%M%S"),
    asset_classes=_FLEX_CLASSES,
    amount_columns=("TradeMoney",),
    commission_is_negative=True,
    optional_columns=frozenset({"Taxes", "FifoPnlRealized", "IBOrderID"}),
    ignored_columns=frozenset(
        {
            "AccountAlias", "Model", "FXRateToBase", "SubCategory", "Description", "Conid", "ISIN", "Strike", "Expiry",
            "Put/Call", "TradeID", "TradeDate", "NetCash", "LevelOfDetail", "UnderlyingSymbol", "Exchange",
        }
    ),
    prepare=_executions,
    source="dickwolff/Export-To-Ghostfolio:samples/ibkr-trades-export.csv and three other projects (2026)",
)  # fmt: skip
"""A Flex query as CSV with column headers, without header and trailer records; XML, with :class:`FlexTrades`, also has
corrections and cancellations. A cancelled execution fails: its side is ``BUY (Ca.)``."""

IBKR_FLEX_RECORDS: Final = replace(
    IBKR_FLEX_CSV,
    name="IBKR Flex query, CSV with records",
    layout="records",
    section="TRNT",
    source="public files with HEADER and TRNT records in ten projects (2015-2026)",
)
"""The same with header and trailer records, where each line begins with ``HEADER`` or ``DATA`` and its section."""
