"""Importers: executions from broker files, screenshots from folders. Flex XML needs the extra ``importers``."""

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.brokers import IBKR_ACTIVITY, THINKORSWIM
from zorivest_async.transfer.importers.csv_file import CsvTrades
from zorivest_async.transfer.importers.detecting import Detected, detect_profile
from zorivest_async.transfer.importers.flex import FlexTrades
from zorivest_async.transfer.importers.importing import import_trades
from zorivest_async.transfer.importers.packing import Execution
from zorivest_async.transfer.importers.profiles import ZORIVEST, CsvProfile
from zorivest_async.transfer.importers.results import (
    ImportEntries,
    ImportEntry,
    ImportReport,
    Reason,
)
from zorivest_async.transfer.importers.screenshots import Screenshots, import_screenshots
from zorivest_async.transfer.importers.source import FieldError, ReadRows, TradeSource

__all__ = [
    "IBKR_ACTIVITY",
    "THINKORSWIM",
    "ZORIVEST",
    "CsvProfile",
    "CsvTrades",
    "Detected",
    "Execution",
    "FieldError",
    "FlexTrades",
    "ImportEntries",
    "ImportEntry",
    "ImportReport",
    "ImportSourceError",
    "ReadRows",
    "Reason",
    "Screenshots",
    "TradeSource",
    "detect_profile",
    "import_screenshots",
    "import_trades",
]
