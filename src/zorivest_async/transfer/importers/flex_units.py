"""Units of an execution in a Flex statement: currency, multiplier, asset class, fees.

The attributes are read as text, without ``ibflex``, which refuses currencies and codes that are newer than itself.
"""

from __future__ import annotations

import re
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.domain.enums import AssetClass
from zorivest_async.transfer.importers.source import FieldError
from zorivest_async.transfer.importers.units import NEEDS_MULTIPLIER, multiplier_of_bond

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNIT_ATTRIBUTES", "is_one", "units_of"]

_COMMON: Final = ("currency", "fxRateToBase", "assetCategory", "subCategory", "multiplier", "strike", "putCall")
UNIT_ATTRIBUTES: Final = MappingProxyType(
    {
        "Trade": (*_COMMON, "ibCommissionCurrency", "taxes", "ibOrderID", "tradeMoney", "proceeds"),
        "TradeConfirm": (*_COMMON, "commissionCurrency", "tax", "orderID", "amount", "proceeds"),
    }
)
"""The attributes of units, by element."""

_ASSET_CLASSES: Final = MappingProxyType(
    {
        "STK": AssetClass.STOCK,
        **dict.fromkeys(("OPT", "FOP", "FSOPT", "FSFOP"), AssetClass.OPTION),
        **dict.fromkeys(("FUT", "FSFUT"), AssetClass.FUTURE),
        "CASH": AssetClass.FOREX,
        **dict.fromkeys(("BOND", "BILL"), AssetClass.BOND),
        "FUND": AssetClass.FUND,
        **dict.fromkeys(("WAR", "IOPT"), AssetClass.WARRANT),
        **dict.fromkeys(("CFD", "FXCFD"), AssetClass.CFD),
        "CRYPTO": AssetClass.CRYPTO,
    }
)
_NOTHING: Final = frozenset({"", "-", "--", "N/A"})
"""What IBKR writes where an attribute has no value."""

_METALS: Final = "CMDTY"
_OPTION_SYMBOL: Final = re.compile(r"\S{1,6} *\d{6}[CP]\d{8}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d{1,3})?", re.ASCII)


def is_one(text: str) -> bool:
    """Whether a text is the number 1, as a rate to the base currency is for that currency itself."""
    return _NUMBER.fullmatch(text) is not None and Decimal(text.replace(",", "")) == 1


def units_of(texts: Mapping[str, str], quantity: Decimal, price: Decimal, commission: Decimal) -> dict[str, Any]:
    """Return the fields of a trade that state its units; a field that the statement does not state is absent.

    Args:
        texts: The attributes of the element.
        quantity: Of the execution.
        price: Of the execution.
        commission: Of the execution.

    Raises:
        FieldError: A unit is missing or contradicts the others, so that the numbers of the row have no meaning.
    """
    units: dict[str, Any] = {}
    if "currency" in texts:
        if not texts["currency"]:
            raise FieldError("currency is empty")
        units["currency"] = texts["currency"]
    if category := texts.get("assetCategory"):
        units["asset_class"] = _asset_class(category, texts.get("subCategory", ""))
    multiplier = _multiplier(texts, units.get("asset_class"), quantity * price)
    if multiplier is not None:
        units["multiplier"] = multiplier
    order_id = texts.get("ibOrderID") or texts.get("orderID") or ""
    if order_id not in _NOTHING:
        units["order_id"] = order_id
    return units | _costs(texts, units.get("currency"), commission)


def _asset_class(category: str, sub_category: str) -> AssetClass:
    if category == "STK" and sub_category == "ETF":
        return AssetClass.ETF
    return _ASSET_CLASSES.get(category, AssetClass.OTHER)


def _multiplier(texts: Mapping[str, str], asset_class: AssetClass | None, product: Decimal) -> Decimal | None:
    stated = _number(texts, "multiplier")
    if asset_class is AssetClass.BOND:
        amount = next((found for name in ("tradeMoney", "amount", "proceeds") if (found := _number(texts, name))), None)
        return multiplier_of_bond(stated, amount, product)
    if stated is not None:
        return stated
    if asset_class is None:
        needed = bool(
            texts.get("putCall") or texts.get("strike") or _OPTION_SYMBOL.fullmatch(texts.get("symbol", "").strip())
        )
    else:
        needed = asset_class in NEEDS_MULTIPLIER and texts["assetCategory"] != _METALS
    if needed:
        raise FieldError("multiplier is missing; add it to the Flex query")
    return None if asset_class is None else Decimal(1)


def _costs(texts: Mapping[str, str], currency: str | None, commission: Decimal) -> dict[str, Any]:
    costs: dict[str, Any] = {}
    taxes = next((found for name in ("taxes", "tax") if (found := _number(texts, name)) is not None), None)
    if taxes is not None:
        costs["fees"] = taxes.copy_negate()
    paid_in = texts.get("ibCommissionCurrency") or texts.get("commissionCurrency") or ""
    if paid_in not in _NOTHING:
        costs["commission_currency"] = None if paid_in == currency else paid_in
    if taxes and costs.get("commission_currency") is not None:
        if commission:
            raise FieldError("taxes are in another currency than the commission, and one execution holds both in one")
        costs["commission_currency"] = None
    return costs


def _number(texts: Mapping[str, str], name: str) -> Decimal | None:
    text = texts.get(name, "")
    if text in _NOTHING:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise FieldError(f"{name} is not a number")
    return Decimal(text.replace(",", ""))
