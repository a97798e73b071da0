"""The equity curve, as the numbers that an inline SVG needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from zorivest_async import Trade

__all__ = ["Curve", "equity_curve"]

WIDTH_PX, HEIGHT_PX = 960, 180
_MARGIN_PX = 8
_MOST_POINTS = 480


@dataclass(frozen=True)
class Curve:
    """What realised profits and losses, less commissions, add up to over time.

    Attributes:
        points: ``x,y`` pairs for a polyline in a view box of ``WIDTH_PX`` by ``HEIGHT_PX``.
        zero_y: Where nothing is won or lost.
        total: The last value.
        trades: How many executions it is made of.
    """

    points: str
    zero_y: float
    total: Decimal
    trades: int


def equity_curve(trades: Sequence[Trade]) -> Curve | None:
    """Return the curve of some trades, oldest first; ``None`` where it would be no line.

    Sums are exact: floats are added as the decimals that they print as.
    """
    steps = (Decimal(repr(trade.realized_pnl)) - Decimal(repr(trade.commission)) for trade in trades)
    values = list(accumulate(steps, initial=Decimal(0)))
    if len(values) < 3:
        return None
    lowest, highest = min(values), max(values)
    scale = (HEIGHT_PX - 2 * _MARGIN_PX) / (float(highest - lowest) or 1.0)
    every = -(-len(values) // _MOST_POINTS)
    last = len(values) - 1
    shown = sorted({*range(0, len(values), every), last})

    def y(value: Decimal) -> float:
        return round(HEIGHT_PX - _MARGIN_PX - float(value - lowest) * scale, 1)

    points = " ".join(f"{WIDTH_PX * n / last:.1f},{y(values[n])}" for n in shown)
    return Curve(points, y(Decimal(0)), values[-1], len(trades))
