"""Numbers as brokers write them: with groups, units, currencies, blanks and minus signs in many places."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

from zorivest_async.transfer.importers.source import FieldError

__all__ = ["Amount", "DecimalMark", "DecimalMarkError", "PriceFraction", "parse_amount"]

DecimalMark: TypeAlias = Literal[".", ","]
"""The decimal mark of a file; the other one may group thousands."""

PriceFraction: TypeAlias = Literal[32, 64]
"""The denominator of prices such as ``119'15``."""

_PLAIN: Final = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_SPELLINGS: Final = str.maketrans(
    {**dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " "), **dict.fromkeys("\u2212\u2012\u2013", "-"), "\u2019": "'"}
)
_SWAP_MARKS: Final = str.maketrans(",.", ".,")
_CURRENCY: Final = r"[A-Za-z]{1,3}\$|[A-Z]{3,5}|[$€£¥₹₿]"
_AMOUNT: Final = re.compile(
    rf"(?P<before>(?:[+-]|\(|(?:{_CURRENCY})| )*)"
    r"(?P<digits>\d[\d.,' ]*\d|[.,]?\d+)(?P<exponent>[eE][+-]?\d+)?"
    rf"(?P<after>(?:\)|-|(?:{_CURRENCY}|[A-Z][A-Z0-9]{{1,11}}|[A-Za-z][a-z]{{0,11}})| )*)",
    re.ASCII,
)
_DIGITS: Final = re.compile(
    r"(?P<whole>[1-9]\d{0,2}(?P<mark>[,' ])\d{3}(?P<more>(?:(?P=mark)\d{3})*)|\d*)(?P<part>\.\d+)?", re.ASCII
)
_EITHER: Final = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
"""A number whose mark groups thousands in one file, and separates decimals in another."""
_FRACTION: Final = re.compile(r"(\d+)['-](\d\d)([0-9+]?)", re.ASCII)
_EIGHTHS: Final = {"": 0, "0": 0, "1": 1, "2": 2, "3": 3, "+": 4, "5": 4, "6": 5, "7": 6, "8": 7}
"""What the third digit of ``119'15x`` stands for: the first digit of eighths of a fraction."""
_SIGNS_OF_MONEY: Final = {"€": "EUR", "£": "GBP", "₹": "INR", "₿": "BTC"}
"""Signs of one currency; ``$`` and ``¥`` are of several."""


class DecimalMarkError(FieldError):
    """A number is written with the other decimal mark than the profile's."""


class Amount(NamedTuple):
    """A number with what stands beside it.

    Attributes:
        value: The number.
        unit: The currency or the unit; empty if there is none, or a sign of several currencies.
        is_ambiguous: Whether its mark groups thousands with one decimal mark, and separates decimals with the other.
    """

    value: Decimal
    unit: str = ""
    is_ambiguous: bool = False


def parse_amount(text: str, decimal_mark: DecimalMark = ".", fraction: PriceFraction | None = None) -> Amount:
    """Parse a number with an optional unit.

    Args:
        text: The text, without surrounding blanks.
        decimal_mark: The decimal mark.
        fraction: The denominator of prices such as ``119'15``.

    Raises:
        DecimalMarkError: The number has the other decimal mark.
        FieldError: It is not a number.
    """
    if decimal_mark == "." and _PLAIN.fullmatch(text) is not None:
        return Amount(Decimal(text), "", text[-4:-3] == "." and _EITHER.fullmatch(text) is not None)
    spelled = text.translate(_SPELLINGS)
    if fraction is not None and (found := _FRACTION.fullmatch(spelled)) is not None:
        return _of_fraction(found[1], found[2], found[3], fraction)
    found = _AMOUNT.fullmatch(spelled)
    if found is None:
        raise FieldError("is not a number")
    before, after = found["before"], found["after"]
    digits, is_ambiguous = _plain_digits(found["digits"].rstrip(), decimal_mark)
    try:
        value = Decimal(f"{_sign(before, after)}{digits}{found['exponent'] or ''}")
    except ArithmeticError:  # an exponent of twenty digits
        raise FieldError("is not a number that can be stored") from None
    return Amount(value, _unit(before, after), is_ambiguous)


def _plain_digits(digits: str, decimal_mark: DecimalMark) -> tuple[str, bool]:
    plain = digits.translate(_SWAP_MARKS) if decimal_mark == "," else digits
    found = _DIGITS.fullmatch(plain)
    if found is None or not (found["whole"] or found["part"]):
        other = _DIGITS.fullmatch(plain.translate(_SWAP_MARKS))
        if other is not None and other["part"]:
            raise DecimalMarkError(f"is written with another decimal mark than the profile's {decimal_mark!r}")
        raise FieldError("is not a number")
    whole = found["whole"].replace(found["mark"], "") if found["mark"] else found["whole"]
    return whole + (found["part"] or ""), _EITHER.fullmatch(digits) is not None


def _sign(before: str, after: str) -> str:
    signs = [each for each in before + after if each in "+-"]
    opened, closed = before.count("("), after.count(")")
    if opened != closed or opened > 1 or len(signs) > 1:
        raise FieldError("is not a number")
    if opened and signs:
        raise FieldError("has both a minus sign and parentheses")
    return "-" if opened or "-" in signs else ""


def _unit(before: str, after: str) -> str:
    units = [each for side in (before, after) for each in re.split(r"[-+() ]+", side) if each]
    if len(units) > 1:
        raise FieldError("has several units")
    unit = units[0] if units else ""
    if unit.endswith("$"):
        return ""
    return _SIGNS_OF_MONEY.get(unit, "" if unit == "¥" else unit)


def _of_fraction(whole: str, numerator: str, eighths: str, denominator: int) -> Amount:
    if int(numerator) >= denominator or eighths not in _EIGHTHS:
        raise FieldError(f"is not a price in fractions of {denominator}")
    parts = Decimal(numerator) + Decimal(_EIGHTHS[eighths]) / 8
    return Amount(Decimal(whole) + parts / denominator)
