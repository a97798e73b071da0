"""Grouping of positions and executions."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, time, timedelta
from math import floor
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from zorivest_async.analytics.answers import Group, GroupBy, Unit
from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from zoneinfo import ZoneInfo

    from zorivest_async.analytics.position import Position
    from zorivest_async.analytics.round_trip import Execution

__all__ = ["HOLDING_TIMES", "Grouping", "session_day", "unit_of"]

_NOON: Final = time(12)
_A_DAY: Final = timedelta(days=1)
_EVERYTHING: Final[tuple[Group, ...]] = (None,)

HOLDING_TIMES: Final = (
    timedelta(),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(days=1),
    timedelta(weeks=1),
    timedelta(days=30),
    timedelta(days=365),
)
"""The shortest holding time of each group; each ends before the next begins."""

_IN_A_ZONE: Final = frozenset({GroupBy.DAY, GroupBy.WEEK, GroupBy.MONTH, GroupBy.WEEKDAY, GroupBy.HOUR})

_Groups: TypeAlias = "Callable[[Any], Iterable[Group]]"


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


def unit_of(unit: str) -> Unit:
    """Return the unit with this name.

    Raises:
        InvalidQueryError: There is none.
    """
    if unit not in tuple(Unit):
        raise _invalid(f"unit must be one of: {', '.join(Unit)}")
    return Unit(unit)


def _invalid(problem: str) -> InvalidQueryError:
    return InvalidQueryError("Trade", problem=problem)


def _each_once(groups: Iterable[Group]) -> Iterable[Group]:
    return dict.fromkeys(groups) or _EVERYTHING


def _of_reviews(name: str) -> Callable[[Position], Iterable[Group]]:
    """Return the groups of a position by a field of its reports, which may differ; ``None`` if none has it."""

    def groups_of(position: Position) -> Iterable[Group]:
        found: list[Group] = [getattr(review, name) for review in position.reviews]
        return _each_once(group for group in found if group is not None)

    return groups_of


def _by_holding_time(position: Position) -> tuple[Group]:
    held = position.holding_time
    return (None if held is None else HOLDING_TIMES[bisect_right(HOLDING_TIMES, held) - 1],)


def _by_r_multiple(position: Position) -> tuple[Group]:
    return (None if position.r_multiple is None else floor(position.r_multiple),)


_ALIKE: Final[dict[GroupBy, _Groups]] = {
    GroupBy.INSTRUMENT: lambda item: (item.instrument,),
    GroupBy.ASSET_CLASS: lambda item: (item.asset_class,),
    GroupBy.ACCOUNT: lambda item: (item.account_id,),
}
_OF_POSITIONS: Final[dict[GroupBy, _Groups]] = {
    **_ALIKE,
    GroupBy.SIDE: lambda position: (position.side,),
    GroupBy.TAG: lambda position: _each_once(position.tags),
    GroupBy.STRATEGY: lambda position: _each_once(position.strategies),
    GroupBy.HOLDING_TIME: _by_holding_time,
    GroupBy.R_MULTIPLE: _by_r_multiple,
    **{
        by: _of_reviews(by.value)
        for by in (
            GroupBy.SETUP_QUALITY,
            GroupBy.EXECUTION_QUALITY,
            GroupBy.FOLLOWED_PLAN,
            GroupBy.EMOTIONAL_STATE,
        )
    },
}
_OF_EXECUTIONS: Final[dict[GroupBy, _Groups]] = {**_ALIKE, GroupBy.SIDE: lambda execution: (execution.action,)}


class Grouping:
    """Grouping of positions or executions by a key.

    Loading a time zone may read a file, so a coroutine constructs it in a thread.

    Args:
        by: Key of the grouping; ``None`` for one group of all.
        time_zone: IANA name of the time zone of days, weeks, months, weekdays and hours.
        session_start: Local time at which a session begins; midnight by default.
        unit: What is grouped.

    Attributes:
        by: Key of the grouping.
        unit: What is grouped.
        groups_of_position: Returns the groups of a closed position.

    Raises:
        InvalidQueryError: ``by`` is invalid, or not one of executions; there is no such time zone; days, weeks, months,
            weekdays or hours have no time zone; or ``session_start`` is not a time or has a time zone.
        MissingDependencyError: The time zone database is missing.
    """

    def __init__(
        self, by: GroupBy | None, time_zone: str | None, session_start: time | None, unit: Unit = Unit.POSITION
    ) -> None:
        if by is not None and by not in tuple(GroupBy):
            raise _invalid(f"by must be one of: {', '.join(GroupBy)}; or None")
        self.by = None if by is None else GroupBy(by)
        self.unit = unit
        self.groups_of_position: Callable[[Position], Iterable[Group]] = lambda _: _EVERYTHING
        self._groups_of_execution: Callable[[Execution], Iterable[Group]] = lambda _: _EVERYTHING
        if self.by is not None and self.by in _IN_A_ZONE:
            self._group_by_time(self.by, time_zone, session_start)
        elif self.by is not None:
            self.groups_of_position = _OF_POSITIONS[self.by]
            if unit is Unit.EXECUTION and self.by is not GroupBy.TAG:
                self._group_executions(self.by)

    def groups_of_execution(self, execution: Execution, tags: tuple[str, ...]) -> Iterable[Group]:
        """Return the groups of an execution, whose report has these tags."""
        return _each_once(tags) if self.by is GroupBy.TAG else self._groups_of_execution(execution)

    def _group_executions(self, by: GroupBy) -> None:
        if by not in _OF_EXECUTIONS:
            raise _invalid(f"executions cannot be grouped by {by}; count positions, with unit='position'")
        self._groups_of_execution = _OF_EXECUTIONS[by]

    def _group_by_time(self, by: GroupBy, time_zone: str | None, start: time | None) -> None:
        if time_zone is None:
            raise _invalid(f"grouping by {by} needs a time zone; pass one, such as time_zone='America/New_York'")
        if start is not None and not isinstance(start, time):
            raise _invalid("session_start must be a datetime.time, such as time(18)")
        if start is not None and start.tzinfo is not None:
            raise _invalid("session_start must have no time zone; it is in time_zone")
        zone = load_zone(time_zone)
        group_at = _times(by, zone, start)
        self._groups_of_execution = lambda execution: (group_at(execution.time),)
        if by is GroupBy.HOUR:
            self.groups_of_position = lambda position: (None if position.opened is None else group_at(position.opened),)
        else:
            self.groups_of_position = lambda position: (None if position.closed is None else group_at(position.closed),)


def _times(by: GroupBy, zone: ZoneInfo, start: time | None) -> Callable[[datetime], Group]:
    """Return a function from a time to its group."""
    if by is GroupBy.HOUR:
        return lambda timestamp: _local_hour(timestamp, zone)
    of_day: dict[GroupBy, Callable[[date], Group]] = {
        GroupBy.DAY: lambda day: day,
        GroupBy.WEEK: _monday,
        GroupBy.MONTH: lambda day: day.replace(day=1),
        GroupBy.WEEKDAY: lambda day: day.isoweekday(),
    }
    group_of = of_day[by]
    return lambda timestamp: group_of(session_day(timestamp, zone, start))


def _local_hour(timestamp: datetime, zone: ZoneInfo) -> int:
    try:
        return timestamp.astimezone(zone).hour
    except OverflowError:
        raise _invalid("a time is on a day beyond the calendar") from None


def _monday(day: date) -> date:
    try:
        return day - timedelta(days=day.weekday())
    except OverflowError:
        raise _invalid("a time is in a week beyond the calendar") from None
