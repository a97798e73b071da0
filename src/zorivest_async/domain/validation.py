"""Validation rules of fields. They also normalise a value, so that the value that is read equals the value saved.

A rule takes the entity's name, the field's name (both for the error) and the value. It returns the normalised value or
raises :class:`~zorivest_async.ValidationError`, whose message never contains the value. The aliases at the end pair a
type with its rule; :class:`~zorivest_async.domain.entity.Entity` applies them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

from zorivest_async.errors import ValidationError
from zorivest_async.security.secret import MASK, MaskedSecret

if TYPE_CHECKING:
    from enum import StrEnum

__all__ = [
    "LARGEST_INTEGER",
    "MAX_TEXT_LENGTH",
    "ApiKey",
    "Blob",
    "Count",
    "Currency",
    "Flag",
    "Identifier",
    "Multiplier",
    "Number",
    "PositiveNumber",
    "Rating",
    "Rule",
    "Sha256",
    "Size",
    "Tags",
    "Text",
    "Timestamp",
    "member_of",
    "utc_now",
]

MAX_TEXT_LENGTH = 1_000_000
"""Maximum length of a text field: a long book, and short enough to be checked without blocking the event loop."""

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z0-9]{2,12}", re.ASCII)

Rule: TypeAlias = Callable[[str, str, Any], Any]


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def text(entity: str, field: str, value: object) -> str:
    """Accept a string that SQLite returns unchanged: no NUL (its functions stop there), no lone surrogate."""
    if not isinstance(value, str):
        raise ValidationError(entity, field, f"must be a string, not {type(value).__name__}")
    if len(value) > MAX_TEXT_LENGTH:
        raise ValidationError(entity, field, f"must have at most {MAX_TEXT_LENGTH:,} characters")
    if "\0" in value:
        raise ValidationError(entity, field, "must not contain NUL characters")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValidationError(entity, field, "must not contain lone surrogates") from None
    # A subclass of str would not come back as itself.
    return value if type(value) is str else str.__str__(value)


def identifier(entity: str, field: str, value: object) -> str:
    """Accept a :func:`text` that is not empty or only white space."""
    checked = text(entity, field, value)
    if not checked or checked.isspace():
        raise ValidationError(entity, field, "must not be empty")
    return checked


def currency(entity: str, field: str, value: object) -> str:
    """Accept 2 to 12 capital letters or digits: an ISO 4217 code where it is money, or a ticker such as ``"USDT"``."""
    checked = text(entity, field, value)
    if _CURRENCY.fullmatch(checked) is None:
        raise ValidationError(entity, field, 'must be 2 to 12 capital letters or digits, such as "USD" or "USDT"')
    return checked


def sha256(entity: str, field: str, value: object) -> str:
    """Accept the 64 hexadecimal digits of a SHA-256, in lower case."""
    checked = text(entity, field, value)
    if _SHA256.fullmatch(checked) is None:
        raise ValidationError(entity, field, "must be the 64 hexadecimal digits of a SHA-256, in lower case")
    return checked


def number(entity: str, field: str, value: object) -> float:
    """Accept a finite number that float64 holds digit for digit; the sign of zero is dropped, as SQLite drops it."""
    result = value if type(value) is float else _exact_float(entity, field, value)
    if not math.isfinite(result):
        raise ValidationError(entity, field, "must be a finite number")
    return result + 0.0


def _exact_float(entity: str, field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise ValidationError(entity, field, f"must be a number, not {type(value).__name__}")
    try:
        result = float(value)
    except (OverflowError, ValueError):
        raise ValidationError(entity, field, "must be a finite number within the range of float64") from None
    if math.isfinite(result) and not _is_exact(result, value):
        raise ValidationError(entity, field, "has more digits than float64 can hold; round it first")
    return result


def _is_exact(result: float, value: Real | Decimal) -> bool:
    if isinstance(value, Decimal):
        # The constructor would raise where the caller's decimal context traps floats.
        return value == Decimal(repr(result)) or value == Decimal.from_float(result)  # noqa: FURB164
    if isinstance(value, Rational) and not isinstance(value, int | Fraction):
        # In plain integers: numpy's would compare as float64, where every number fits.
        return Fraction(int(value.numerator), int(value.denominator)) == result
    return bool(result == value)


def positive_number(entity: str, field: str, value: object) -> float:
    """Accept a :func:`number` above zero."""
    result = number(entity, field, value)
    if result <= 0:
        raise ValidationError(entity, field, "must be greater than zero; the action says the side")
    return result


def multiplier(entity: str, field: str, value: object) -> float:
    """Accept a :func:`number` above zero."""
    # Nearly all are floats, and each execution has one.
    result = value if type(value) is float and 0 < value < math.inf else number(entity, field, value)
    if result <= 0:
        raise ValidationError(entity, field, "must be greater than zero; it is what one unit of the price is worth")
    return result


def integer_between(minimum: int, maximum: int) -> Rule:
    """Make a rule that accepts the integers from ``minimum`` to ``maximum``."""

    def integer(entity: str, field: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError(entity, field, f"must be an integer, not {type(value).__name__}")
        if not minimum <= value <= maximum:
            raise ValidationError(entity, field, f"must be between {minimum} and {maximum}")
        return int(value)

    return integer


def flag(entity: str, field: str, value: object) -> bool:
    """Accept only ``True`` and ``False``: ``"no"`` is not false."""
    if not isinstance(value, bool):
        raise ValidationError(entity, field, f"must be True or False, not {type(value).__name__}")
    return value


def timestamp(entity: str, field: str, value: object) -> datetime:
    """Accept a datetime and return it aware, in UTC; a naive one is taken as UTC."""
    if not isinstance(value, datetime):
        raise ValidationError(entity, field, f"must be a datetime, not {type(value).__name__}")
    if value.tzinfo is UTC and type(value) is datetime and not value.fold:
        return value
    if getattr(value, "nanosecond", 0) > 0:  # of pandas.NaT it is nan
        raise ValidationError(entity, field, "has nanoseconds; a vault keeps microseconds, round it first")
    try:
        utc = value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
        # A plain datetime: a subclass (pandas.Timestamp) would not come back as itself, and fold has no meaning in UTC.
        return datetime(utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, tzinfo=UTC)
    except (OverflowError, TypeError, ValueError):  # before year 1, after 9999, pandas.NaT
        raise ValidationError(entity, field, "must be a time between the years 1 and 9999 in UTC") from None


def blob(entity: str, field: str, value: object) -> bytes:
    """Accept bytes-like data that is not empty."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise ValidationError(entity, field, f"must be bytes, not {type(value).__name__}")
    data = bytes(cast("bytes", value))
    if not data:
        raise ValidationError(entity, field, "must not be empty")
    return data


def tags(entity: str, field: str, value: object) -> tuple[str, ...]:
    """Accept an iterable of strings, but not a single string: its letters are not tags."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise ValidationError(entity, field, "must be a sequence of strings")
    return tuple(identifier(entity, field, tag) for tag in cast("Iterable[object]", value))


def api_key(entity: str, field: str, value: object) -> MaskedSecret:
    """Accept a secret text and mask it; the mask itself means the key that the vault already has."""
    if isinstance(value, MaskedSecret):
        if value.is_known:
            identifier(entity, field, value.reveal())
        return value
    checked = identifier(entity, field, value)
    return MaskedSecret(None if checked == MASK else checked)


def member_of(vocabulary: type[StrEnum]) -> Rule:
    """Make a rule that accepts the members of an enum and their values."""

    def member(entity: str, field: str, value: object) -> StrEnum:
        if type(value) is vocabulary:
            return value
        if not isinstance(value, str):
            raise ValidationError(entity, field, f"must be a {vocabulary.__name__}, not {type(value).__name__}")
        try:
            return vocabulary(value)
        except ValueError:
            raise ValidationError(entity, field, f"must be one of: {', '.join(vocabulary)}") from None

    return member


LARGEST_INTEGER = 2**63 - 1
"""SQLite integers are signed and have 64 bits."""

ApiKey: TypeAlias = Annotated[str, api_key]
Blob: TypeAlias = Annotated[bytes, blob]
Count: TypeAlias = Annotated[int, integer_between(0, LARGEST_INTEGER)]
Currency: TypeAlias = Annotated[str, currency]
Flag: TypeAlias = Annotated[bool, flag]
Identifier: TypeAlias = Annotated[str, identifier]
Timestamp: TypeAlias = Annotated[datetime, timestamp]
Multiplier: TypeAlias = Annotated[float, multiplier]
Number: TypeAlias = Annotated[float, number]
PositiveNumber: TypeAlias = Annotated[float, positive_number]
Rating: TypeAlias = Annotated[int, integer_between(1, 5)]
Sha256: TypeAlias = Annotated[str, sha256]
Size: TypeAlias = Annotated[int, integer_between(1, LARGEST_INTEGER)]
Tags: TypeAlias = Annotated[tuple[str, ...], tags]
Text: TypeAlias = Annotated[str, text]
