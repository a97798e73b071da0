"""Analytics: profit and loss by day, month, instrument, tag and account, in each currency; equity curves.

:func:`performance` and :func:`equity_curve` read a vault. :func:`performance_of`, :func:`equity_curve_of` and
:func:`match_fifo` are synchronous functions of trades.
"""

from zorivest_async.analytics.answers import Drawdown, EquityCurve, Group, GroupBy, Performance
from zorivest_async.analytics.asking import equity_curve, performance
from zorivest_async.analytics.computing import equity_curve_of, performance_of
from zorivest_async.analytics.matching import FifoMatch, OpenLot, match_fifo

__all__ = [
    "Drawdown",
    "EquityCurve",
    "FifoMatch",
    "Group",
    "GroupBy",
    "OpenLot",
    "Performance",
    "equity_curve",
    "equity_curve_of",
    "match_fifo",
    "performance",
    "performance_of",
]
