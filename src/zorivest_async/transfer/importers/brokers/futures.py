"""Profiles of platforms for futures."""

from __future__ import annotations

from typing import Final

from zorivest_async.transfer.importers.brokers.shared import NO_ID, SIDES, legs
from zorivest_async.transfer.importers.profiles import CsvProfile
from zorivest_async.transfer.importers.source import FieldError

__all__ = [
    "NINJATRADER_EXECUTIONS",
    "NINJATRADER_TRADES",
    "TRADINGVIEW_PAPER",
    "TRADOVATE_FILLS",
    "TRADOVATE_ORDERS",
    "TRADOVATE_PERFORMANCE",
]

_FUTURE: Final = {"asset_class": "future"}

NINJATRADER_EXECUTIONS: Final = CsvProfile(
    name="NinjaTrader executions (European settings)",
    columns={
        "exec_id": "ID",
        "time": "Time",
        "instrument": "Instrument",
        "action": "Action",
        "quantity": "Quantity",
        "price": "Price",
        "account_id": "Account display name",
        "commission": "Commission",
        "order_id": "Order ID",
    },
    constants=_FUTURE,
    asks=frozenset({"currency", "time_zone"}),
    header=frozenset(
        {
            "Instrument", "Action", "Quantity", "Price", "Time", "ID", "E/X", "Order ID", "Commission",
            "Account display name",
        }
    ),
    prepare=lambda row: row,
    ignored_columns=frozenset({"E/X", "Position", "Name", "Rate", "Connection", ""}),
    time_formats=("%d/%m/%Y %H:%M:%S",),
    actions=SIDES,
    needs_multiplier=True,
    decimal_mark=",",
    delimiter=";",
    source="Eleven-Trading/TradeNote:src/utils/brokers.js and five other projects (2026)",
)  # fmt: skip
"""The grid of executions with a decimal comma and the day first. Multipliers are yours to give, such as
``NINJATRADER_EXECUTIONS.given(currency="USD", time_zone="Europe/Berlin", multipliers={"MES *": "5"})``. For the
settings of the United States, replace ``delimiter``, ``decimal_mark`` and ``time_formats``."""

_SIDES_OF_POSITION: Final = {"Long": ("buy", "sell"), "Short": ("sell", "buy")}
_NT_COSTS: Final = ("Commission", "Clearing Fee", "Exchange Fee", "IP Fee", "NFA Fee")


def _ninjatrader_trade(row: dict[str, str]) -> list[dict[str, str]]:
    sides = _SIDES_OF_POSITION.get(row["Market pos."].strip())
    if sides is None:
        raise FieldError("Market pos. is neither Long nor Short")
    return legs(
        row | dict.fromkeys(_NT_COSTS, ""),
        {"time": row["Entry time"], "side": sides[0], "price": row["Entry price"]},
        {"time": row["Exit time"], "side": sides[1], "price": row["Exit price"]}
        | {name: row[name] for name in _NT_COSTS},
    )


NINJATRADER_TRADES: Final = CsvProfile(
    name="NinjaTrader trades",
    columns={
        "time": "time",
        "instrument": "Instrument",
        "action": "side",
        "quantity": "Qty",
        "price": "price",
        "account_id": "Account",
        "commission": "Commission",
        "fees": ("Clearing Fee", "Exchange Fee", "IP Fee", "NFA Fee"),
    },
    constants=_FUTURE,
    asks=frozenset({"currency", "time_zone"}),
    header=frozenset(
        {
            "Trade number", "Instrument", "Account", "Market pos.", "Qty", "Entry price", "Exit price", "Entry time",
            "Exit time", "Commission", "Clearing Fee", "Exchange Fee", "IP Fee", "NFA Fee",
        }
    ),
    ignored_columns=frozenset(
        {
            "Trade number", "Strategy", "Market pos.", "Entry price", "Exit price", "Entry time", "Exit time",
            "Entry name", "Exit name", "Profit", "Cum. net profit", "MAE", "MFE", "ETD", "Bars", "",
        }
    ),
    exec_id=f"ninjatrader/{NO_ID}",
    time_formats=("%m/%d/%Y %I:%M:%S %p",),
    actions=SIDES,
    needs_multiplier=True,
    prepare=_ninjatrader_trade,
    source=(
        "GeneBO98/tradetally:backend/tests (2026), "
        "Richy701/FreeTradeJournal:src/utils/__fixtures__/ninjatrader-grid.csv (2026)"
    ),
)  # fmt: skip
"""The grid of round trips, each of which is two executions; its costs are those of the exit. A fill that opened several
round trips is imported in parts. Import either this grid or that of executions."""

TRADINGVIEW_PAPER: Final = CsvProfile(
    name="TradingView paper trading",
    columns={
        "exec_id": "Order ID",
        "time": "Closing Time",
        "instrument": "Symbol",
        "action": "Side",
        "quantity": "Qty",
        "price": "Fill Price",
        "commission": "Commission",
        "order_id": "Order ID",
    },
    asks=frozenset({"account_id", "currency", "time_zone"}),
    header=frozenset(
        {
            "Symbol", "Side", "Type", "Qty", "Limit Price", "Stop Price", "Fill Price", "Status", "Commission",
            "Placing Time", "Closing Time", "Order ID",
        }
    ),
    prepare=lambda row: row,
    ignored_columns=frozenset({"Type", "Limit Price", "Stop Price", "Placing Time", "Level ID", "Leverage", "Margin"}),
    exec_id="tradingview/{account_id}/{exec_id}",
    time_formats=("%Y-%m-%d %H:%M:%S",),
    actions=SIDES,
    needs_multiplier=True,
    only={"Status": frozenset({"Filled"})},
    excluded={"Status": frozenset({"Cancelled", "Rejected", "Inactive", "Working", "Placing"})},
    source="GeneBO98/tradetally:backend/tests and five other projects (2024-2026)",
)  # fmt: skip
"""Orders of paper trading. Multipliers are yours to give, such as 50 for ``CME_MINI:ES1!`` and 1 for all of
``BINANCE``. The currency is one for the file."""

TRADOVATE_FILLS: Final = CsvProfile(
    name="Tradovate fills",
    columns={
        "exec_id": "Fill ID",
        "time": "_timestamp",
        "instrument": "Contract",
        "action": "B/S",
        "quantity": "Quantity",
        "price": "Price",
        "account_id": "Account",
        "commission": "commission",
        "order_id": "Order ID",
    },
    constants=_FUTURE,
    asks=frozenset({"currency"}),
    ignored_columns=frozenset(
        {
            "_id", "_orderId", "_contractId", "_tradeDate", "_action", "_qty", "_price", "_active", "_accountId",
            "Timestamp", "Date", "_priceFormat", "_priceFormatType", "_tickSize", "Product", "Product Description",
        }
    ),
    actions=SIDES,
    needs_multiplier=True,
    source="public files of ten projects (2026)",
)  # fmt: skip
"""The report of fills; times are in UTC. Multipliers are yours to give, such as 2 for ``MNQ??``."""

TRADOVATE_ORDERS: Final = CsvProfile(
    name="Tradovate orders",
    columns={
        "exec_id": "Order ID",
        "time": "Fill Time",
        "instrument": "Contract",
        "action": "B/S",
        "quantity": "Filled Qty",
        "price": "Avg Fill Price",
        "account_id": "Account",
        "currency": "Currency",
        "order_id": "Order ID",
    },
    constants=_FUTURE,
    asks=frozenset({"time_zone"}),
    ignored_columns=frozenset(
        {
            "orderId", "Product", "Product Description", "avgPrice", "filledQty", "lastCommandId", "_priceFormat",
            "_priceFormatType", "_tickSize", "spreadDefinitionId", "Version ID", "Timestamp", "Date", "Quantity",
            "Text", "Type", "Limit Price", "Stop Price", "decimalLimit", "decimalStop", "decimalFillAvg", "Venue",
            "Notional Value",
        }
    ),
    exec_id="order/{exec_id}",
    time_formats=("%m/%d/%Y %H:%M:%S",),
    actions=SIDES,
    amount_columns=("Notional Value",),
    only={"Status": frozenset({"Filled"})},
    excluded={"Status": frozenset({"Canceled", "Cancelled", "Rejected", "Expired", "Working"})},
    source="Richy701/FreeTradeJournal:src/utils/__fixtures__/tradovate-orders-history.csv (2026) and eight projects",
)  # fmt: skip
"""The report of orders with their average prices; the multiplier follows from the notional value. Import either this
report or that of fills."""


def _tradovate_pair(row: dict[str, str]) -> list[dict[str, str]]:
    return legs(
        row,
        {"time": row["boughtTimestamp"], "side": "buy", "price": row["buyPrice"], "id": row["buyFillId"]},
        {"time": row["soldTimestamp"], "side": "sell", "price": row["sellPrice"], "id": row["sellFillId"]},
    )


TRADOVATE_PERFORMANCE: Final = CsvProfile(
    name="Tradovate performance",
    columns={
        "exec_id": "id",
        "time": "time",
        "instrument": "symbol",
        "action": "side",
        "quantity": "qty",
        "price": "price",
    },
    constants=_FUTURE,
    asks=frozenset({"account_id", "currency", "time_zone"}),
    header=frozenset(
        {
            "symbol", "buyFillId", "sellFillId", "qty", "buyPrice", "sellPrice", "pnl", "boughtTimestamp",
            "soldTimestamp",
        }
    ),
    ignored_columns=frozenset(
        {
            "_priceFormat", "_priceFormatType", "_tickSize", "buyFillId", "sellFillId", "buyPrice", "sellPrice", "pnl",
            "boughtTimestamp", "soldTimestamp", "duration",
        }
    ),
    time_formats=("%m/%d/%Y %H:%M:%S", "epoch_ms"),
    actions=SIDES,
    needs_multiplier=True,
    prepare=_tradovate_pair,
    merges_parts=True,
    source="Richy701/FreeTradeJournal:src/utils/__fixtures__/tradovate-trades-performance.csv (2026) and others",
)  # fmt: skip
"""The report of paired fills, each with its identifier; the fills of the other report are the same executions."""
