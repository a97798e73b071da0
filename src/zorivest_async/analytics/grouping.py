"""Grouping of executions."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from zorivest_async.analytics.answers import Group, GroupBy
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from zorivest_async.domain.queries import ResultDetail, ResultRow

__all__ = ["Grouping", "session_day"]

_NOON: Final = time(12)
_A_DAY: Final = timedelta(days=1)
_EVERYTHING: Final[tuple[Group, ...]] = (None,)

_DETAILS: Final[dict[GroupBy | None, ResultDetail]] = {GroupBy.INSTRUMENT: "instrument", GroupBy.TAG: "tags"}


def session_day(timestamp: datetime, zone: ZoneInfo, start: time | None) -> date:
    """Return the day of the trading session that contains a time.

    Without a ``start`` it is the local date in ``zone``. A session that starts at noon or later belongs to the next
    day, one that starts in the morning to the same day.

    Raises:
        InvalidQueryError: The day is beyond the calendar.
    """
    try:
        local = timestamp.astimezone(zone)
        day = local.date()
        if start is None:
            return day
        begun = local.time() >= start
        if start >= _NOON:
            return day + _A_DAY if begun else day
        return day if begun else day - _A_DAY
    except OverflowError:
        raise InvalidQueryError("Trade", problem="a time is on a day beyond the calendar") from None


def _invalid(problem: str) -> InvalidQueryError:
    return InvalidQueryError("Trade", problem=problem)


def _by_account(row: ResultRow) -> tuple[Group]:
    return (row[2],)


def _by_instrument(row: ResultRow) -> tuple[Group]:
    return (row[5],)


def _by_tag(row: ResultRow) -> Iterable[Group]:
    return dict.fromkeys(row[5]) if row[5] else _EVERYTHING  # a duplicated tag counts once


class Grouping:
    """Grouping of executions by a key.

    Loading a time zone may read a file, so a coroutine constructs it in a thread.

    Args:
        by: Key of the grouping; ``None`` for one group of all executions.
        time_zone: IANA name of the time zone of days and months.
        session_start: Local time at which a session begins; midnight by default.

    Raises:
        InvalidQueryError: ``by`` is invalid, there is no such time zone, days or months have no time zone, or
            ``session_start`` is not a time or has a time zone.
        MissingDependencyError: The time zone database is missing.
    """

    def __init__(self, by: GroupBy | None, time_zone: str | None, session_start: time | None) -> None:
        if by is not None and by not in tuple(GroupBy):
            raise InvalidQueryError("Trade", problem=f"by must be one of: {', '.join(GroupBy)}; or None")
        self.by = None if by is None else GroupBy(by)
        self.groups_of: Callable[[ResultRow], Iterable[Group]] = lambda _: _EVERYTHING
        if self.by in {GroupBy.DAY, GroupBy.MONTH}:
            self._group_by_time(time_zone, session_start, whole_months=self.by is GroupBy.MONTH)
        elif self.by is GroupBy.TAG:
            self.groups_of = _by_tag
        elif self.by is not None:
            self.groups_of = _by_account if self.by is GroupBy.ACCOUNT else _by_instrument

    @property
    def detail(self) -> ResultDetail | None:
        """The column that the grouping needs besides time and account."""
        return _DETAILS.get(self.by)

    def _group_by_time(self, time_zone: str | None, start: time | None, *, whole_months: bool) -> None:
        if time_zone is None:
            raise _invalid("days and months need a time zone; pass one, such as time_zone='America/New_York'")
        if start is not None and not isinstance(start, time):
            raise _invalid("session_start must be a datetime.time, such as time(18)")
        if start is not None and start.tzinfo is not None:
            raise _invalid("session_start must have no time zone; it is in time_zone")
        zone = load_zone(time_zone)

        def groups_of(row: ResultRow) -> tuple[Group]:
            day = session_day(row[0], zone, start)
            return (day.replace(day=1) if whole_months else day,)

        self.groups_of = groups_of
