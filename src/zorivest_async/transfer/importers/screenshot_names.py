"""Names of screenshots: times as systems of several languages write them, and instruments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zorivest_async.transfer.importers.source import FieldError

__all__ = ["TIME_PATTERN", "NamedTime", "find_time", "is_named", "words_of"]

_MORNING: Final = ("am", "a.m", "a.m.", "a. m.", "vorm.", "上午", "午前", "오전", "π.μ.")
_AFTERNOON: Final = ("pm", "p.m", "p.m.", "p. m.", "nachm.", "下午", "午後", "오후", "μ.μ.")
_HALVES: Final = {**dict.fromkeys(_MORNING, 0), **dict.fromkeys(_AFTERNOON, 12)}
"""Marks of the halves of the day in twelve-hour clocks, in lower case, and the hours to add to 12 o'clock = 0."""

_HALF: Final = "|".join(re.escape(mark).replace(r"\ ", r"\s") for mark in sorted(_HALVES, key=len, reverse=True))
TIME_PATTERN: Final = (
    r"(?<!\d)(\d{4})[-._]?(\d\d)[-._]?(\d\d)"
    rf"(?:[\s_T-]*|[\s_]+(?:[^\W\d_]{{1,12}}(?:\([^\W\d_]{{1,3}}\))?\.?[\s_]+){{1,3}}?)(?:((?i:{_HALF}))[\s_]*)?"
    rf"(\d{{1,2}})[-.:_h]?(\d\d)[-.:_m]?(\d\d)(?!\d)(?:[\s_]*((?i:{_HALF}))(?![^\W_]))?"
)
"""A date, and a time after it; between them a separator or words, such as ``at``, ``um`` and ``a las``."""

_WORDS: Final = re.compile(r"[A-Za-z0-9]+")
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class NamedTime:
    """The time in a name.

    Attributes:
        local: The time, without its zone; ``None`` if the name has none.
        rest: The name without the time.
    """

    local: datetime | None
    rest: str


def find_time(pattern: str, stem: str) -> NamedTime:
    """Return the time in a name.

    Args:
        pattern: The default pattern; or one whose groups 1 to 6 are year, month, day, hour, minute and second, and
            whose group 7, if there is one, is a mark of the half of the day.
        stem: The name without its suffix.

    Raises:
        FieldError: The time contradicts itself, as 15 o'clock in the morning does.
    """
    found = re.search(pattern, stem)
    if found is None:
        return NamedTime(None, stem)
    if pattern == TIME_PATTERN:
        year, month, day, before, hour, minute, second, after = found.groups()
        half = before or after or ""
        between = stem[found.end(3) : found.start(4 if before else 5)]
    else:
        year, month, day, hour, minute, second, half = (*found.groups(), "")[:7]
        between = ""
    rest = f"{stem[: found.start()]} {between} {stem[found.end() :]}"
    try:
        local = datetime(  # noqa: DTZ001 - the zone is added
            int(year), int(month), int(day), _hour(int(hour), half or ""), int(minute), int(second)
        )
    except ValueError:
        return NamedTime(None, stem)
    return NamedTime(local, rest)


def _hour(hour: int, half: str) -> int:
    if not half:
        return hour
    added = _HALVES.get(re.sub(r"\s", " ", half).lower())
    if added is None or not 1 <= hour <= 12:  # noqa: PLR2004 - a clock of twelve hours
        raise FieldError("is not one of a twelve-hour clock, whose mark the name has")
    return hour % 12 + added


def words_of(rest: str) -> list[str]:
    """Return the words of a name, each once."""
    return [*dict.fromkeys(_WORDS.findall(rest))]


def is_named(instrument: str, rest: str) -> bool:
    """Whether a name contains an instrument, as a word or without what file names do not contain."""
    if re.search(rf"(?<![A-Za-z0-9]){re.escape(instrument)}(?![A-Za-z0-9])", rest) is not None:
        return True
    plain = _NOT_IN_NAMES.sub("", instrument)
    return bool(plain) and plain in _WORDS.findall(rest)
