"""Search for the profile that fits a file."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import ImportSourceError
from zorivest_async.transfer.importers.brokers import PROFILES
from zorivest_async.transfer.importers.csv_rows import CsvRows
from zorivest_async.transfer.importers.csv_tables import Table
from zorivest_async.transfer.importers.files import open_regular
from zorivest_async.transfer.importers.results import ImportEntries
from zorivest_async.transfer.importers.source import listed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["Detected", "detect_profile"]

_HEAD_BYTES: Final = 1024 * 1024
"""How much of a file is read: more than what stands before the executions in a statement of a year."""

_FLEX: Final = b"<FlexQueryResponse"


@dataclass(frozen=True, slots=True)
class Detected:
    """Result of :func:`detect_profile`.

    Attributes:
        profile: The profile that fits; ``None`` for a Flex statement in XML, which :class:`FlexTrades` reads.
        reason: Why it fits, and what its user must say.
    """

    profile: CsvProfile | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well a profile fits: the line of the header, or what is missing."""

    line: int | None
    missing: tuple[str, ...]


def detect_profile(path: str | PathLike[str], profiles: Iterable[CsvProfile] = PROFILES) -> Detected:
    """Return the profile that fits a file, by its encoding, its sections and the columns of its header.

    It reads the first megabyte: in a coroutine, call it in a thread.

    Args:
        path: The file.
        profiles: The profiles to try, such as ``(*PROFILES, MINE)``.

    Raises:
        ImportSourceError: No profile fits, or several do; the message names them.
        OSError: The file does not exist, or cannot be read.
    """
    with open_regular(path) as file:
        head = file.read(_HEAD_BYTES)
    if _FLEX in head[:1024]:
        return Detected(None, "it is a Flex statement in XML: read it with FlexTrades(path)")
    fits = {profile.name: (profile, fit) for profile in profiles if (fit := _fit(profile, head)) is not None}
    found = [(profile, fit.line) for profile, fit in fits.values() if fit.line is not None]
    if len(found) > 1:
        names = ", ".join(repr(profile.name) for profile, _ in found)
        raise ImportSourceError(f"several profiles fit this file: {names}; choose one of them yourself")
    if found:
        profile, line = found[0]
        return Detected(profile, _reason(profile, line or 0))
    near = [(profile, fit.missing) for profile, fit in fits.values() if fit.missing]
    if not near:
        raise ImportSourceError("no profile fits this file; write one, with the names of its columns")
    nearest, missing = min(near, key=lambda each: len(each[1]))
    raise ImportSourceError(
        f"no profile fits this file; the nearest is {nearest.name!r}, whose columns {listed(missing)} are missing"
    )


def _fit(profile: CsvProfile, head: bytes) -> _Fit | None:
    """Return how a profile fits the beginning of a file; ``None`` if it is in another encoding."""
    try:
        text = codecs.getincrementaldecoder(profile.encoding)().decode(head)
    except UnicodeError:
        return None
    table = Table(profile, ImportEntries())
    try:
        for row in CsvRows(StringIO(text, newline=""), profile.delimiter):
            table.take(row.cells, row.line)
            if table.seen:
                return _Fit(row.line, ())
    except ImportSourceError:
        pass  # another kind of file, or one whose last row is cut
    return _Fit(None, tuple(table.nearest))


def _reason(profile: CsvProfile, line: int) -> str:
    section = f"the section {profile.section!r} and " if profile.section else ""
    reason = f"it has {section}all columns of the profile, in line {line}"
    if profile.asks:
        reason += f"; it does not state {', '.join(sorted(profile.asks))}: pass them to profile.given()"
    if profile.needs_multiplier:
        reason += "; multipliers of instruments are yours to give"
    return reason
