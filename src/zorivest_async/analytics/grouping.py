"""Which groups an execution belongs to."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from zorivest_async.analytics.answers import Group, GroupBy
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from zorivest_async.database.repositories.trade_results import Detail, ResultRow

__all__ = ["Grouping", "session_day"]

_NOON: Final = time(12)
_A_DAY: Final = timedelta(days=1)
_EVERYTHING: Final[tuple[Group, ...]] = (None,)

_DETAILS: Final[dict[GroupBy | None, Detail]] = {GroupBy.INSTRUMENT: "instrument", GroupBy.TAG: "tags"}


def session_day(moment: datetime, zone: ZoneInfo, start: time | None) -> date:
    """Return the day of the trading session that a moment is in.

    The clock on a wall in ``zone`` says which: without a ``start`` it is the date there. A session that starts at noon
    or later belongs to the day after, one that starts in the morning to the same day.

    Raises:
        InvalidQueryError: The day is beyond the calendar.
    """
    try:
        local = moment.astimezone(zone)
        day = local.date()
        if start is None:
            return day
        begun = local.time() >= start
        if start >= _NOON:
            return day + _A_DAY if begun else day
        return day if begun else day - _A_DAY
    except OverflowError:
        raise InvalidQueryError("Trade", problem="a time is on a day beyond the calendar") from None


def _by_account(row: ResultRow) -> tuple[Group]:
    return (row[2],)


def _by_instrument(row: ResultRow) -> tuple[Group]:
    return (row[5],)


def _by_tag(row: ResultRow) -> Iterable[Group]:
    return dict.fromkeys(row[5]) if row[5] else _EVERYTHING  # a tag that is there twice counts once


class Grouping:
    """What executions are grouped by.

    Loading a time zone may read a file: in a coroutine, make it in a thread.

    Args:
        by: What they have in common; ``None`` for one group of all.
        time_zone: IANA name of the zone whose days and months are meant.
        session_start: When a session begins there; midnight by default.

    Raises:
        ConfigurationError: There is no such time zone, days or months lack one, or ``session_start`` is no time or has
            a zone itself.
        InvalidQueryError: Nothing is grouped by that.
        MissingDependencyError: There are no time zones here.
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
    def detail(self) -> Detail | None:
        """What a row of results needs besides its time and account."""
        return _DETAILS.get(self.by)

    def _group_by_time(self, time_zone: str | None, start: time | None, *, whole_months: bool) -> None:
        if time_zone is None:
            raise ConfigurationError("days and months need a time zone; name one, such as time_zone='America/New_York'")
        if start is not None and not isinstance(start, time):
            raise ConfigurationError("session_start is a datetime.time, such as time(18)")
        if start is not None and start.tzinfo is not None:
            raise ConfigurationError("session_start is in time_zone, and has no time zone of its own")
        zone = load_zone(time_zone)

        def groups_of(row: ResultRow) -> tuple[Group]:
            day = session_day(row[0], zone, start)
            return (day.replace(day=1) if whole_months else day,)

        self.groups_of = groups_of
