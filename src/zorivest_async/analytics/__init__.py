"""Analytics: positions, performance by day, month, instrument, tag and account, and equity curves, in each currency.

:func:`positions`, :func:`performance` and :func:`equity_curve` read a vault. :func:`positions_of`,
:func:`performance_of`, :func:`equity_curve_of`, :func:`match_fifo` and :func:`excursions` are synchronous functions of
trades, or of a position.
"""

from zorivest_async.analytics.answers import Drawdown, EquityCurve, Group, GroupBy, Performance, Unit
from zorivest_async.analytics.asking import equity_curve, performance
from zorivest_async.analytics.bars import Excursions, PriceBar, excursions
from zorivest_async.analytics.computing import equity_curve_of, performance_of
from zorivest_async.analytics.matching import FifoMatch, OpenLot, match_fifo
from zorivest_async.analytics.position import (
    Matching,
    MultiplierConflict,
    Position,
    Positions,
    ResultSource,
)
from zorivest_async.analytics.position_asking import positions
from zorivest_async.analytics.position_computing import positions_of
from zorivest_async.analytics.rates import Rates, RateSource
from zorivest_async.analytics.splits import Split
from zorivest_async.analytics.valuing import Prices
from zorivest_async.domain.queries import Review

__all__ = [
    "Drawdown",
    "EquityCurve",
    "Excursions",
    "FifoMatch",
    "Group",
    "GroupBy",
    "Matching",
    "MultiplierConflict",
    "OpenLot",
    "Performance",
    "Position",
    "Positions",
    "PriceBar",
    "Prices",
    "RateSource",
    "Rates",
    "ResultSource",
    "Review",
    "Split",
    "Unit",
    "equity_curve",
    "equity_curve_of",
    "excursions",
    "match_fifo",
    "performance",
    "performance_of",
    "positions",
    "positions_of",
]
