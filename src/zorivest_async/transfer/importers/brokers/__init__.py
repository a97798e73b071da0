"""Profiles of brokers' and platforms' CSV files, each with the public source of its layout."""

from __future__ import annotations

from typing import Final

from zorivest_async.transfer.importers.brokers.crypto import (
    BINANCE_SPOT,
    BITVAVO,
    BYBIT_SPOT,
    COINBASE,
    REVOLUT_CRYPTO,
)
from zorivest_async.transfer.importers.brokers.europe import (
    AVANZA,
    DEGIRO,
    ETORO_CLOSED,
    REVOLUT_STOCKS,
    SAXO,
    TRADING212,
    XTB_CASH,
    ZERODHA,
)
from zorivest_async.transfer.importers.brokers.forex import CTRADER, MT5_DEALS, MT5_POSITIONS_IT, MT5_REPORT
from zorivest_async.transfer.importers.brokers.futures import (
    NINJATRADER_EXECUTIONS,
    NINJATRADER_TRADES,
    TRADINGVIEW_PAPER,
    TRADOVATE_FILLS,
    TRADOVATE_ORDERS,
    TRADOVATE_PERFORMANCE,
)
from zorivest_async.transfer.importers.brokers.ibkr import IBKR_ACTIVITY, IBKR_FLEX_CSV, IBKR_FLEX_RECORDS
from zorivest_async.transfer.importers.brokers.tastytrade import TASTYTRADE
from zorivest_async.transfer.importers.brokers.thinkorswim import THINKORSWIM, THINKORSWIM_TODAY
from zorivest_async.transfer.importers.brokers.us_brokers import (
    ETRADE,
    FIDELITY,
    FIDELITY_2023,
    LIGHTSPEED,
    QUESTRADE,
    ROBINHOOD,
    SCHWAB,
    WEBULL,
)
from zorivest_async.transfer.importers.profiles import ZORIVEST, CsvProfile

__all__ = [
    "AVANZA",
    "BINANCE_SPOT",
    "BITVAVO",
    "BYBIT_SPOT",
    "COINBASE",
    "CTRADER",
    "DEGIRO",
    "ETORO_CLOSED",
    "ETRADE",
    "FIDELITY",
    "FIDELITY_2023",
    "IBKR_ACTIVITY",
    "IBKR_FLEX_CSV",
    "IBKR_FLEX_RECORDS",
    "LIGHTSPEED",
    "MT5_DEALS",
    "MT5_POSITIONS_IT",
    "MT5_REPORT",
    "NINJATRADER_EXECUTIONS",
    "NINJATRADER_TRADES",
    "PROFILES",
    "QUESTRADE",
    "REVOLUT_CRYPTO",
    "REVOLUT_STOCKS",
    "ROBINHOOD",
    "SAXO",
    "SCHWAB",
    "TASTYTRADE",
    "THINKORSWIM",
    "THINKORSWIM_TODAY",
    "TRADING212",
    "TRADINGVIEW_PAPER",
    "TRADOVATE_FILLS",
    "TRADOVATE_ORDERS",
    "TRADOVATE_PERFORMANCE",
    "WEBULL",
    "XTB_CASH",
    "ZERODHA",
    "ZORIVEST",
]

PROFILES: Final[tuple[CsvProfile, ...]] = (
    AVANZA, BINANCE_SPOT, BITVAVO, BYBIT_SPOT, COINBASE, CTRADER, DEGIRO, ETORO_CLOSED, ETRADE, FIDELITY, FIDELITY_2023,
    IBKR_ACTIVITY, IBKR_FLEX_CSV, IBKR_FLEX_RECORDS, LIGHTSPEED, MT5_DEALS, MT5_POSITIONS_IT, MT5_REPORT,
    NINJATRADER_EXECUTIONS, NINJATRADER_TRADES, QUESTRADE, REVOLUT_CRYPTO, REVOLUT_STOCKS, ROBINHOOD, SAXO, SCHWAB,
    TASTYTRADE, THINKORSWIM, THINKORSWIM_TODAY, TRADINGVIEW_PAPER, TRADING212, TRADOVATE_FILLS, TRADOVATE_ORDERS,
    TRADOVATE_PERFORMANCE, WEBULL, XTB_CASH, ZERODHA, ZORIVEST,
)  # fmt: skip
"""All profiles, in which ``detect_profile`` looks for the one that fits a file."""
