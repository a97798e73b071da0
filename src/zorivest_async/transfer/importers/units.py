"""Rules about units that hold for every broker."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from zorivest_async.domain.enums import AssetClass, TradeAction
from zorivest_async.transfer.importers.source import FieldError

__all__ = [
    "INVERSE",
    "NEEDS_MULTIPLIER",
    "SPLITS",
    "implied_multiplier",
    "multiplier_of_bond",
    "refuse_bought_back",
    "refuse_inverse",
]

NEEDS_MULTIPLIER: Final = frozenset(
    {AssetClass.OPTION, AssetClass.FUTURE, AssetClass.WARRANT, AssetClass.BOND, AssetClass.OTHER}
)
"""Classes whose prices have no known unit without a multiplier; the unit of the others is 1."""

SPLITS: Final = "the executions before a split, a merger or a spin-off are not adjusted"
"""What a warning of corporate actions says."""

INVERSE: Final = "is an inverse (coin-margined) contract, whose value a multiplier cannot express"
"""Why a row is refused."""

_SECURITIES: Final = frozenset(
    {AssetClass.STOCK, AssetClass.ETF, AssetClass.BOND, AssetClass.FUND, AssetClass.OPTION, AssetClass.WARRANT}
)
_PERCENT: Final = Decimal("0.01")
_LARGEST_DIFFERENCE: Final = Decimal("0.00001")
_ROUNDED: Final = Decimal("0.005")
_QUOTED_IN: Final = re.compile(r"[/_.:-]?([A-Za-z]{3,})")


def refuse_bought_back(action: TradeAction | None, quantity: Decimal) -> None:
    """Refuse a purchase of less than nothing: some brokers book a purchase back so, and others a sale.

    Raises:
        FieldError: It is one.
    """
    if action is TradeAction.BOT and quantity < 0:
        raise FieldError("quantity is negative, and the side is a purchase: the row contradicts itself")


def refuse_inverse(instrument: str, asset_class: AssetClass | None, currency: str | None) -> None:
    """Refuse an execution whose amounts are in the currency that its pair counts: ``BTC/USD`` in BTC.

    A result of such a contract is ``quantity * (1 / entry - 1 / exit)``.

    Raises:
        FieldError: It is one.
    """
    if currency is None or asset_class in _SECURITIES or not instrument.upper().startswith(currency):
        return
    quoted_in = _QUOTED_IN.match(instrument, len(currency))
    if quoted_in is not None and quoted_in[1].upper() != currency:
        raise FieldError(f"instrument {INVERSE}")


def implied_multiplier(amount: Decimal, product: Decimal) -> Decimal | None:
    """Return the multiplier that follows from an amount and the product of quantity and price.

    Returns:
        A number of at most three significant digits with which the amount agrees; ``None`` if there is none.
    """
    if not amount or not product:
        return None
    multiplier = Decimal(f"{abs(amount / product):.3g}")
    return multiplier if _agree(amount, product * multiplier) else None


def multiplier_of_bond(stated: Decimal | None, amount: Decimal | None, product: Decimal) -> Decimal:
    """Return what one unit of a bond's price is worth; quantities count the face value.

    A price is in percent of it, which brokers do not state as a multiplier: the amount of the trade decides.

    Args:
        stated: The multiplier that the source states, usually 1.
        amount: The amount of the trade; ``None`` if the source has none.
        product: Quantity times price.

    Raises:
        FieldError: The amount is missing, or contradicts the multiplier.
    """
    stated = Decimal(1) if stated is None else stated
    if not product:
        return stated * _PERCENT
    if not amount:
        raise FieldError("multiplier is unknown: the statement does not contain the amount of this trade in a bond")
    for multiplier in (stated * _PERCENT, stated):
        if _agree(amount, product * multiplier):
            return multiplier
    raise FieldError("multiplier contradicts the amount of the trade")


def _agree(amount: Decimal, expected: Decimal) -> bool:
    """Whether two amounts differ by no more than one of them was rounded, to cents, and by less than a percent."""
    difference = abs(abs(amount) - abs(expected))
    return difference <= max(abs(amount) * _LARGEST_DIFFERENCE, _ROUNDED) and difference < abs(amount) * _PERCENT
