"""What importers read: executions and cancellations, each with the row that it came from."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from zorivest_async.integrations.importers.packing import Executions
from zorivest_async.integrations.importers.results import ImportEntries

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from zorivest_async.database.long_operation import Operation

__all__ = [
    "AmbiguousTimes",
    "FieldError",
    "ReadRows",
    "TradeSource",
    "give_way",
    "parse_iso",
    "to_utc",
]

ROWS_PER_PULSE: Final = 100
"""Between two looks at whether to go on: a few milliseconds of a thread that shares the interpreter with the loop."""

PAUSE_S: Final = 0.0002
"""How long the reading then leaves the interpreter to the event loop."""

_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}0*[1-9]")

AmbiguousTimes: TypeAlias = Literal["fail", "earlier", "later"]
"""What is meant by a time that comes twice as clocks are put back."""


class FieldError(Exception):
    """A field cannot be read; never leaves an importer. The message says what is wrong, without the value."""


@dataclass(slots=True)
class ReadRows:
    """A source, read.

    Attributes:
        executions: In the order of the source.
        duplicate: Rows that another row of the source makes superfluous.
        failed: Rows that cannot be read.
        warnings: What else was noticed.
        cancelled: Bookings whose cancellation the source itself follows up with a new execution, and the cancellation's
            place among the broker's transactions.
    """

    executions: Executions = field(default_factory=Executions)
    duplicate: ImportEntries = field(default_factory=ImportEntries)
    failed: ImportEntries = field(default_factory=ImportEntries)
    warnings: list[str] = field(default_factory=list[str])
    cancelled: dict[str, int] = field(default_factory=dict[str, int])


class TradeSource(Protocol):
    """Something that executions can be imported from."""

    def read(self, operation: Operation) -> ReadRows:
        """Read all of it, in a thread.

        Args:
            operation: Told how far the reading is, and asked whether to go on.

        Raises:
            ImportSourceError: It cannot be read at all.
            MissingDependencyError: It needs a package that is not installed.
            OSError: The file is not there, or cannot be read.
        """
        ...


def give_way(operation: Operation, row: int, done: int, total: int) -> None:
    """Now and then report how far a reading is, stop it if it is unwanted, and let the event loop have its turn."""
    if row % ROWS_PER_PULSE == 0:
        operation.check()
        operation.report("read", min(done, total - 1), total)
        time.sleep(PAUSE_S)  # else the interpreter changes threads every 5 ms only


def to_utc(moment: datetime, zone: ZoneInfo | None, ambiguous: AmbiguousTimes) -> datetime:
    """Return a moment in UTC.

    Args:
        moment: Aware, or the time that a clock on a wall in ``zone`` showed.
        zone: For a naive ``moment``.
        ambiguous: Which of the two moments is meant by a time that comes twice when clocks are put back.

    Raises:
        FieldError: It cannot be told which moment is meant.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if zone is None:
        raise FieldError("names no offset from UTC, and the profile no time zone")
    first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None) != moment:
        raise FieldError("does not exist: clocks were put forward over it")
    if ambiguous == "fail":
        raise FieldError('comes twice, as clocks were put back; set ambiguous_times to "earlier" or "later"')
    return first if ambiguous == "earlier" else second


def parse_iso(text: str) -> datetime:
    """Return the moment that a text in ISO 8601 names.

    Raises:
        FieldError: It names none, or one between two microseconds.
    """
    if _FINER_THAN_MICROSECONDS.search(text):
        raise FieldError("is finer than microseconds, which is what a vault keeps")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise FieldError("is not a date and time in ISO 8601") from None
