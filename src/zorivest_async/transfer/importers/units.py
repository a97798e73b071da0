"""Rules about units that hold for every broker."""

from __future__ import annotations

import re
from typing import Final

from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.source import FieldError

__all__ = ["INVERSE", "NEEDS_MULTIPLIER", "refuse_inverse"]

NEEDS_MULTIPLIER: Final = frozenset(
    {AssetClass.OPTION, AssetClass.FUTURE, AssetClass.WARRANT, AssetClass.BOND, AssetClass.OTHER}
)
"""Classes whose prices have no known unit without a multiplier; the unit of the others is 1."""

INVERSE: Final = "is an inverse (coin-margined) contract, whose value a multiplier cannot express"
"""Why a row is refused."""

_SECURITIES: Final = frozenset(
    {AssetClass.STOCK, AssetClass.ETF, AssetClass.BOND, AssetClass.FUND, AssetClass.OPTION, AssetClass.WARRANT}
)
_QUOTED_IN: Final = re.compile(r"[/_.:-]?([A-Za-z]{3,})")


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
