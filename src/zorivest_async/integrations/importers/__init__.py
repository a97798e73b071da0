"""Data in: executions from brokers' files, screenshots from folders. Flex XML needs the extra ``importers``."""

from zorivest_async.errors import ImportSourceError
from zorivest_async.integrations.importers.csv_file import CsvTrades
from zorivest_async.integrations.importers.flex import FlexTrades
from zorivest_async.integrations.importers.importing import import_trades
from zorivest_async.integrations.importers.packing import Execution
from zorivest_async.integrations.importers.profiles import IBKR_ACTIVITY, THINKORSWIM, ZORIVEST, CsvProfile
from zorivest_async.integrations.importers.results import (
    ImportEntries,
    ImportEntry,
    ImportReport,
    Reason,
)
from zorivest_async.integrations.importers.screenshots import Screenshots, import_screenshots
from zorivest_async.integrations.importers.source import ReadRows, TradeSource

__all__ = [
    "IBKR_ACTIVITY",
    "THINKORSWIM",
    "ZORIVEST",
    "CsvProfile",
    "CsvTrades",
    "Execution",
    "FlexTrades",
    "ImportEntries",
    "ImportEntry",
    "ImportReport",
    "ImportSourceError",
    "ReadRows",
    "Reason",
    "Screenshots",
    "TradeSource",
    "import_screenshots",
    "import_trades",
]
