"""Style of plots: colours, fonts and the formats of amounts."""

from __future__ import annotations

from typing import Final

__all__ = ["FAINT", "GAIN", "GRID", "INK", "LOSS", "PAPER", "amount", "literal", "money", "short_amount"]

PAPER: Final = "#ffffff"
INK: Final = "#1f2a37"
FAINT: Final = "#6b7785"
GRID: Final = "#e3e8ee"

# Blue and orange are distinguishable with red-green colour blindness, and in greyscale.
GAIN: Final = "#1f6fb4"
LOSS: Final = "#d55e00"

_MINUS: Final = "\N{MINUS SIGN}"
_UNITS: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k"))
_MOST: Final = 1e15
_SMALL: Final = 100


def amount(value: float) -> str:
    """Return an amount with a sign, for axes."""
    return _signed(value, f"{abs(value):,.10g}")


def money(value: float, currency: str) -> str:
    """Return an amount with a sign and its currency, to the cent; small amounts have more digits."""
    return f"{_signed(value, _cents(abs(value)))} {literal(currency)}"


def literal(text: str) -> str:
    """Escape a text for Matplotlib, which would render text between dollar signs as a formula."""
    return text.replace("$", r"\$")


def short_amount(value: float) -> str:
    """Return an amount with a sign in about seven characters."""
    size = abs(value)
    if size >= _MOST:
        return _signed(value, f"{size:.1e}")
    for unit, letter in _UNITS:
        if size >= unit:
            scaled = size / (1e3 if letter == "k" else unit)
            return _signed(value, f"{scaled:.0f}{letter}" if scaled >= _SMALL else f"{scaled:.3g}{letter}")
    return _signed(value, f"{size:,.0f}" if size >= _SMALL else f"{size:.3g}")


def _cents(size: float) -> str:
    return f"{size:,.2f}" if not size or size >= 1 else f"{size:.4g}"


def _signed(value: float, text: str) -> str:
    return f"{_MINUS if value < 0 else '+' if value > 0 else ''}{text}"
