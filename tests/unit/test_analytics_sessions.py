"""Which day of trading a moment belongs to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from zorivest_async.analytics.grouping import session_day
from zorivest_async.errors import InvalidQueryError

NEW_YORK = ZoneInfo("America/New_York")
EVENING = time(18)


def day_of(moment: str, start: time | None = None) -> str:
    """Return the day of a moment in New York."""
    return session_day(datetime.fromisoformat(moment), NEW_YORK, start).isoformat()


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2024-03-10T04:59:59.999999Z", "2024-03-09"),  # 23:59:59, five hours behind
        ("2024-03-10T05:00Z", "2024-03-10"),
        ("2024-03-11T03:59Z", "2024-03-10"),  # the day on which clocks are put forward is short by an hour
        ("2024-03-11T04:00Z", "2024-03-11"),
        ("2024-11-03T05:30Z", "2024-11-03"),  # 01:30, for the first time
        ("2024-11-03T06:30Z", "2024-11-03"),  # and for the second
        ("2024-11-04T04:59Z", "2024-11-03"),  # so that this day is long by one
        ("2024-11-04T05:00Z", "2024-11-04"),
    ],
)
def test_a_day_is_the_date_of_the_clock_on_the_wall(moment: str, day: str) -> None:
    """Also on the days on which clocks are put forward or back."""
    assert day_of(moment) == day


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2024-03-08T22:59Z", "2024-03-08"),  # a Friday, 17:59
        ("2024-03-10T21:59:59Z", "2024-03-10"),
        ("2024-03-10T22:00Z", "2024-03-11"),  # Sunday, 18:00 of the new time: Monday's session begins
        ("2024-03-11T04:30Z", "2024-03-11"),  # past midnight it goes on
        ("2024-03-11T21:59Z", "2024-03-11"),
        ("2024-12-31T23:30Z", "2025-01-01"),
    ],
)
def test_a_session_that_starts_in_the_evening_is_the_next_days(moment: str, day: str) -> None:
    """As for futures, whose Monday begins on Sunday evening."""
    assert day_of(moment, EVENING) == day


def test_a_session_that_starts_in_the_morning_is_the_same_days() -> None:
    """What comes before the start belongs to the day before."""
    assert day_of("2024-07-02T07:59Z", time(4)) == "2024-07-01"
    assert day_of("2024-07-02T08:00Z", time(4)) == "2024-07-02"
    assert day_of("2024-07-02T15:59Z", time(12)) == "2024-07-02"
    assert day_of("2024-07-02T16:00Z", time(12)) == "2024-07-03"


def test_midnight_is_the_same_as_no_start() -> None:
    """A session that starts at midnight is a day."""
    for hour in range(24):
        moment = f"2024-03-10T{hour:02}:30Z"
        assert day_of(moment, time(0)) == day_of(moment)


def test_days_beyond_the_calendar_are_refused() -> None:
    """The last moment that a vault holds is on no day in Tokyo."""
    last = datetime.max.replace(tzinfo=UTC)
    assert session_day(last, ZoneInfo("UTC"), None) == date.max
    for zone, start in (("Asia/Tokyo", None), ("UTC", EVENING)):
        with pytest.raises(InvalidQueryError, match="beyond the calendar"):
            session_day(last, ZoneInfo(zone), start)
