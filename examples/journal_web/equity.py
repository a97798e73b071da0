"""The equity curve, as the numbers that an inline SVG needs."""

from dataclasses import dataclass

from zorivest_async.analytics import EquityCurve

__all__ = ["Line", "draw_line"]

WIDTH_PX, HEIGHT_PX = 960, 180
_MARGIN_PX = 8
_MOST_POINTS = 480


@dataclass(frozen=True)
class Line:
    """What closed positions, after costs, add up to over time, in one currency.

    Attributes:
        points: ``x,y`` pairs for a polyline in a view box of ``WIDTH_PX`` by ``HEIGHT_PX``.
        zero_y: Where nothing is won or lost.
        total: The last value.
        currency: Of the amounts.
        positions: How many there are.
    """

    points: str
    zero_y: float
    total: float
    currency: str
    positions: int


def draw_line(curve: EquityCurve) -> Line:
    """Return the line of a curve, from zero on, with a step of the same width for each position."""
    values = [0.0, *curve.values]
    lowest, highest = min(values), max(values)
    scale = (HEIGHT_PX - 2 * _MARGIN_PX) / (highest - lowest or 1.0)
    last = len(values) - 1
    shown = sorted({*range(0, len(values), -(-len(values) // _MOST_POINTS)), last})

    def y(value: float) -> float:
        return round(HEIGHT_PX - _MARGIN_PX - (value - lowest) * scale, 1)

    points = " ".join(f"{WIDTH_PX * n / last:.1f},{y(values[n])}" for n in shown)
    return Line(points, y(0), values[-1], curve.currency, len(curve.values))
