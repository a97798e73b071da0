"""What the profiles of several brokers share."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from zorivest_async.domain.enums import AssetClass, TradeAction

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ACCOUNT",
    "EASTERN",
    "NEW_YORK",
    "NO_ID",
    "SIDES",
    "STANDARD_OPTIONS",
    "US_CLASSES",
    "kind_of_symbol",
    "legs",
]

NO_ID: Final = "{account_id}/{time}/{instrument}/{ordinal}"
"""The template of identifiers for files without any."""

ACCOUNT: Final = frozenset({"account_id"})
NEW_YORK: Final = "America/New_York"
EASTERN: Final = MappingProxyType({"EST": "-05:00", "EDT": "-04:00"})
SIDES: Final = MappingProxyType({"buy": TradeAction.BOT, "sell": TradeAction.SLD})
US_CLASSES: Final = MappingProxyType({"stock": AssetClass.STOCK, "option": AssetClass.OPTION})
STANDARD_OPTIONS: Final = MappingProxyType({("option", "USD"): "100"})
"""The multiplier of options on US stocks; those of adjusted options, whose symbols have a digit, are not known."""

_OPTION: Final = re.compile(r"-?([A-Z0-9.]{1,7}?) *\d{6}[CP]\d+(?:\.\d+)?", re.ASCII)


def kind_of_symbol(symbol: str) -> dict[str, str]:
    """Return the columns ``class`` and ``multiplier`` of a US symbol.

    A symbol in the form of the Options Clearing Corporation, with or without blanks and zeros, is of an option. The
    multiplier is 100, except for adjusted options, whose symbols have a digit: it is not known.
    """
    found = _OPTION.fullmatch(symbol.strip())
    if found is None:
        return {"class": "stock", "multiplier": ""}
    return {"class": "option", "multiplier": "100" if found[1].isalpha() else ""}


def legs(row: Mapping[str, str], entry: Mapping[str, str], exit_: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the two executions of a round trip, of which each states some columns of its own."""
    return [{**row, **entry}, {**row, **exit_}]
