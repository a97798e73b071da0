"""Sources of an import: executions and cancellations, each with its row."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import MINYEAR, UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, TypeVar

from zorivest_async.transfer.importers.packing import Executions
from zorivest_async.transfer.importers.results import ImportEntries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from zorivest_async.database.sqlcipher.long_operation import Operation

__all__ = [
    "EPOCH_FORMATS",
    "MAX_NAMES",
    "AmbiguousTimes",
    "FieldError",
    "ReadRows",
    "TradeSource",
    "give_way",
    "listed",
    "paced",
    "parse_iso",
    "to_utc",
]

ROWS_PER_PULSE: Final = 100
"""Number of rows between two checks for a stop: a few milliseconds of a thread that shares the interpreter's lock."""

PAUSE_S: Final = 0.0002
"""Pause after each check, in which the event loop can run."""

EPOCH_FORMATS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Formats of times that count from 1970, and the number of microseconds of their unit."""

MAX_NAMES: Final = 100
"""Maximum number of names that a warning lists."""

_MAX_NAME_CHARACTERS: Final = 100

_T = TypeVar("_T")

_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}0*[1-9]")

AmbiguousTimes: TypeAlias = Literal["fail", "earlier", "later"]
"""What to do with a time that is ambiguous because clocks were put back."""


class FieldError(Exception):
    """A field cannot be read. Importers catch it. The message says what is wrong, without the value."""


@dataclass(slots=True)
class ReadRows:
    """Rows of a source.

    Attributes:
        executions: In the order of the source.
        duplicate: Rows that another row of the source repeats or replaces.
        failed: Rows that cannot be read.
        warnings: Other findings.
        cancelled: Bookings that the source cancels and books again, with the position of the cancellation among the
            broker's transactions.
        currencies: The currency of each account, for ``accounts="create"``; the others are created in USD.
        assumed_currencies: Accounts among them that have executions in several currencies, and none is stated to be the
            base currency.
        newest_first: Whether the executions are in the source from the newest to the oldest.
    """

    executions: Executions = field(default_factory=Executions)
    duplicate: ImportEntries = field(default_factory=ImportEntries)
    failed: ImportEntries = field(default_factory=ImportEntries)
    warnings: list[str] = field(default_factory=list[str])
    cancelled: dict[str, int] = field(default_factory=dict[str, int])
    currencies: dict[str, str] = field(default_factory=dict[str, str])
    assumed_currencies: set[str] = field(default_factory=set[str])
    newest_first: bool = False


class TradeSource(Protocol):
    """Source of executions, such as a file."""

    def read(self, operation: Operation) -> ReadRows:
        """Read the source; the importer calls it in a thread.

        Args:
            operation: Receives the progress, and stops the reading on request.

        Raises:
            ImportSourceError: It cannot be read.
            MissingDependencyError: It needs a package that is not installed.
            OSError: The file does not exist, or cannot be read.
        """
        ...


def give_way(operation: Operation, row: int, done: int, total: int) -> None:
    """Every few rows, report the progress, stop on request, and let the event loop run."""
    if row % ROWS_PER_PULSE == 0:
        operation.check()
        operation.report("read", min(done, total - 1), total)
        time.sleep(PAUSE_S)  # otherwise the interpreter switches threads only every 5 ms


def paced(items: Iterable[_T], operation: Operation) -> Iterator[_T]:
    """Yield what is read already; every few items, stop on request, and let the event loop run."""
    for number, item in enumerate(items, 1):
        if number % ROWS_PER_PULSE == 0:
            operation.check()
            time.sleep(PAUSE_S)
        yield item


def listed(names: Iterable[str]) -> str:
    """Join names of a source, up to the maximum of a warning."""
    shown = [name if len(name) <= _MAX_NAME_CHARACTERS else f"{name[:_MAX_NAME_CHARACTERS]}..." for name in names]
    return ", ".join([*shown[:MAX_NAMES], "and others"] if len(shown) > MAX_NAMES else shown)


def to_utc(timestamp: datetime, zone: ZoneInfo | None, ambiguous: AmbiguousTimes) -> datetime:
    """Return a time in UTC.

    Args:
        timestamp: An aware time, or a local time in ``zone``.
        zone: Time zone of a naive time.
        ambiguous: What to do with a time that is ambiguous because clocks were put back.

    Raises:
        FieldError: The time is ambiguous or does not exist, or is before the year 2 or after 9999.
    """
    try:
        return _to_utc(timestamp, zone, ambiguous)
    except (OverflowError, ValueError):
        raise FieldError("is not between the years 1 and 9999 in UTC") from None


def _to_utc(timestamp: datetime, zone: ZoneInfo | None, ambiguous: AmbiguousTimes) -> datetime:
    if timestamp.year == MINYEAR:
        raise FieldError('is in the year 1, which programs write for "no time"')
    if timestamp.tzinfo is not None:
        return timestamp.astimezone(UTC)
    if zone is None:
        raise FieldError("has no offset from UTC, and the profile has no time zone")
    first, second = (timestamp.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None) != timestamp:
        raise FieldError("does not exist: clocks were put forward over it")
    if ambiguous == "fail":
        raise FieldError('is ambiguous, as clocks were put back; set ambiguous_times to "earlier" or "later"')
    return first if ambiguous == "earlier" else second


def parse_iso(text: str) -> datetime:
    """Parse a time in ISO 8601.

    Raises:
        FieldError: It is not a time in ISO 8601, or is finer than microseconds.
    """
    if _FINER_THAN_MICROSECONDS.search(text):
        raise FieldError("is finer than microseconds, the precision of a vault")
    try:
        return datetime.fromisoformat(text)
    except (OverflowError, ValueError):
        raise FieldError("is not a date and time in ISO 8601") from None
