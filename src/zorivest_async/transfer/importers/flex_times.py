"""Times of a Flex statement, in the formats that a Flex query offers; read without ``ibflex``, which drops zones."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from zorivest_async.transfer.importers.source import FieldError, to_utc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from zorivest_async.transfer.importers.source import AmbiguousTimes

__all__ = ["TIME_ATTRIBUTES", "parse_time"]

TIME_ATTRIBUTES: Final = ("dateTime", "tradeDate", "tradeTime")
"""The attributes with the time of an execution."""

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TIME: Final = re.compile(
    r"(?:(?P<year>\d{4})(?P<dash>-?)(?P<month>\d\d)(?P=dash)(?P<day>\d\d)"
    r"|(?P<day2>\d\d)-(?P<name>[A-Za-z]{3})-(?P<year2>\d\d(?:\d\d)?))"
    r"(?:[;,T ]+(?P<hour>\d\d)(?P<colon>:?)(?P<minute>\d\d)(?P=colon)(?P<second>\d\d)"
    r" ?(?P<zone>[A-Za-z]{1,5}|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)
_ZONES: Final = MappingProxyType(
    {
        "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
        "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "HKT": 8, "SGT": 8, "JST": 9, "AEST": 10, "AEDT": 11,
    }
)  # fmt: skip
"""Hours east of UTC of names that mean one zone; CST, IST and BST mean several."""
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)")
_SLASHES: Final = "has slashes, so that day and month are ambiguous; choose the date format yyyyMMdd"
_NO_TIME: Final = "has no time of day; add Date/Time to the Flex query"
_UNKNOWN: Final = "has the name of a time zone that is not known, or that means several zones"


def parse_time(texts: Mapping[str, str], zone: ZoneInfo, ambiguous: AmbiguousTimes) -> datetime:
    """Return the time of an execution in UTC.

    Args:
        texts: The attributes of the element.
        zone: Time zone of times without a zone.
        ambiguous: What to do with a time that is ambiguous because clocks were put back.

    Raises:
        FieldError: The time is missing, or cannot be read without a guess; the message names the attribute.
    """
    name, text = "dateTime", texts.get("dateTime", "").strip()
    if not text:
        name, text = "tradeDate", texts.get("tradeDate", "").strip()
        clock = texts.get("tradeTime", "").strip()
        if text and clock:
            text = f"{text};{clock}"
    try:
        return _parse(text, zone, ambiguous)
    except FieldError as error:
        raise FieldError(f"{name} {error}" if text else f"dateTime {_NO_TIME}") from None


def _parse(text: str, zone: ZoneInfo, ambiguous: AmbiguousTimes) -> datetime:
    if "/" in text:
        raise FieldError(_SLASHES)
    found = _TIME.fullmatch(text)
    if found is None:
        raise FieldError("is not in a format of Flex queries; choose yyyyMMdd and HHmmss")
    if found["hour"] is None:
        raise FieldError(_NO_TIME)
    month = found["month"] or _month(found["name"])
    year = found["year"] or found["year2"]
    try:
        local = datetime(  # noqa: DTZ001 - the zone is added
            int(year) + (2000 if len(year) == 2 else 0),  # noqa: PLR2004 - a year without its century
            int(month), int(found["day"] or found["day2"]), int(found["hour"]), int(found["minute"]),
            int(found["second"]),
        )  # fmt: skip
    except ValueError:
        raise FieldError("does not exist in the calendar") from None
    if not found["zone"]:
        return to_utc(local, zone, ambiguous)
    return to_utc(_zoned(local, found["zone"], zone), None, "fail")


def _month(name: str) -> int:
    try:
        return _MONTHS.index(name.upper()) + 1
    except ValueError:
        raise FieldError("names a month that is not English; choose the date format yyyyMMdd") from None


def _zoned(local: datetime, name: str, zone: ZoneInfo) -> datetime:
    """Return a time with the zone that stands behind it: an offset, a name of the expected zone, or a known one."""
    if (offset := _OFFSET.fullmatch(name)) is not None:
        east = timedelta(hours=int(offset[2]), minutes=int(offset[3])) * (-1 if offset[1] == "-" else 1)
        if abs(east) >= timedelta(days=1):
            raise FieldError("names an offset from UTC of a day or more")
        return local.replace(tzinfo=timezone(east))
    for fold in (0, 1):
        possible = local.replace(tzinfo=zone, fold=fold)
        if possible.tzname() == name.upper():
            return possible
    if name.upper() not in _ZONES:
        raise FieldError(_UNKNOWN)
    return local.replace(tzinfo=timezone(timedelta(hours=_ZONES[name.upper()])))
