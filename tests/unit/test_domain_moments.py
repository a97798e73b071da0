"""Moments are kept aware and in UTC; the same instant goes in and comes out."""

from __future__ import annotations

import math
import time
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from datetime import time as clock_time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zorivest_async.domain.entities import BalanceSnapshot, WatchlistItem
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

OFFSETS = st.builds(timezone, st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)))


def _knows_zones() -> bool:
    try:
        return {ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("UTC")} != set()
    except ZoneInfoNotFoundError:
        return False


def _kept(value: Any) -> datetime:
    return BalanceSnapshot("U1", value, 1.0).datetime


def _is_plain_utc(value: datetime) -> bool:
    return type(value) is datetime and value.tzinfo is UTC and value.fold == 0


class _Stamp(datetime):
    """A subclass that counts nanoseconds, as data-frame libraries have them."""

    nanosecond: float = 0


class _Unsure(tzinfo):
    def utcoffset(self, _moment: datetime | None) -> None:
        return None

    dst = utcoffset

    def tzname(self, _moment: datetime | None) -> str:
        return "somewhere"


@given(st.datetimes())
@settings(deadline=None)
def test_a_naive_moment_is_taken_as_utc(value: datetime) -> None:
    """The clock reading stays as it is, from year 1 to year 9999."""
    kept = _kept(value)
    assert kept == value.replace(tzinfo=UTC)
    assert _is_plain_utc(kept)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS))  # noqa: DTZ001 - zones are drawn
@settings(deadline=None)
def test_an_aware_moment_is_converted(value: datetime) -> None:
    """The instant stays the same to the microsecond, whatever the offset, odd seconds included."""
    kept = _kept(value)
    assert kept == value
    assert kept.replace(tzinfo=None) == value.replace(tzinfo=None) - (value.utcoffset() or timedelta(0))
    assert _is_plain_utc(kept)


@pytest.fixture
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the process nine hours east of UTC."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system has no way to change the zone of a process")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EAST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_from_utc")
def test_the_machines_zone_plays_no_part() -> None:
    """Naive is UTC on every machine, and so is now."""
    assert datetime(2026, 3, 2, 12).astimezone().utcoffset() == timedelta(hours=9)
    assert _kept(datetime(2026, 3, 2, 12)) == datetime(2026, 3, 2, 12, tzinfo=UTC)  # noqa: DTZ001 - naive on purpose
    assert abs(WatchlistItem("SPY").added_at - datetime.now(UTC)) < timedelta(hours=1)


def test_a_moment_in_utc_is_kept_as_the_object_it_is() -> None:
    """The common case costs nothing."""
    value = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert _kept(value) is value


@pytest.mark.skipif(not _knows_zones(), reason="this system has no time zone database")
@pytest.mark.parametrize(
    ("zone", "clock", "fold", "utc"),
    [
        ("Europe/Berlin", datetime(2025, 10, 26, 2, 30), 0, datetime(2025, 10, 26, 0, 30)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2025, 10, 26, 2, 30), 1, datetime(2025, 10, 26, 1, 30)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2025, 3, 30, 2, 30), 0, datetime(2025, 3, 30, 1, 30)),  # noqa: DTZ001
        ("Europe/Berlin", datetime(2025, 3, 30, 2, 30), 1, datetime(2025, 3, 30, 0, 30)),  # noqa: DTZ001
        ("America/New_York", datetime(2026, 7, 1, 9, 30), 0, datetime(2026, 7, 1, 13, 30)),  # noqa: DTZ001
        ("UTC", datetime(2026, 7, 1, 9, 30), 1, datetime(2026, 7, 1, 9, 30)),  # noqa: DTZ001
    ],
    ids=["first of two", "second of two", "skipped", "skipped, folded", "summer", "utc by name"],
)
def test_a_zone_decides_which_instant_a_clock_showed(zone: str, clock: datetime, fold: int, utc: datetime) -> None:
    """In the ambiguous hour ``fold`` says which; a clock that was never shown follows the same rule."""
    kept = _kept(clock.replace(tzinfo=ZoneInfo(zone), fold=fold))
    assert kept == utc.replace(tzinfo=UTC)
    assert _is_plain_utc(kept)


@pytest.mark.parametrize("zone", [UTC, None, timezone(timedelta(0))], ids=["utc", "naive", "offset zero"])
def test_a_fold_is_dropped_where_it_means_nothing(zone: tzinfo | None) -> None:
    """UTC has no ambiguous hour."""
    kept = _kept(datetime(2025, 10, 26, 2, 30, tzinfo=zone, fold=1))
    assert kept == datetime(2025, 10, 26, 2, 30, tzinfo=UTC)
    assert _is_plain_utc(kept)


def test_a_zone_that_does_not_know_its_offset_is_taken_as_utc() -> None:
    """Python calls such a moment naive, and so does the rule."""
    kept = _kept(datetime(2026, 3, 2, 12, tzinfo=_Unsure()))
    assert kept == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert _is_plain_utc(kept)


@pytest.mark.parametrize("zone", [UTC, None, timezone(timedelta(hours=2))], ids=["utc", "naive", "offset"])
def test_a_subclass_becomes_a_plain_datetime(zone: tzinfo | None) -> None:
    """What was saved equals what is read, in type as well."""
    kept = _kept(_Stamp(2026, 3, 2, 12, 30, 15, 123456, tzinfo=zone))
    assert kept == datetime(2026, 3, 2, 12, 30, 15, 123456, tzinfo=zone or UTC)
    assert _is_plain_utc(kept)


def test_nanoseconds_are_refused_rather_than_dropped() -> None:
    """A vault keeps microseconds; the caller decides how to round."""
    stamp = _Stamp(2026, 3, 2, 12, tzinfo=UTC)
    stamp.nanosecond = 1
    with pytest.raises(ValidationError, match=r"^BalanceSnapshot\.datetime has nanoseconds; .* round it first$"):
        _kept(stamp)


def test_a_moment_that_is_none_is_refused_as_such() -> None:
    """Data-frame libraries have a datetime that is no moment and whose parts are nan; rounding would not help it."""

    class NotATime(_Stamp):
        nanosecond = math.nan

        def utcoffset(self) -> timedelta | None:
            raise ValueError("no moment, no offset")

    with pytest.raises(ValidationError, match="must be a time between the years 1 and 9999 in UTC"):
        _kept(NotATime(2026, 3, 2))


@pytest.mark.parametrize(
    "value",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(microseconds=1))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
    ids=["a microsecond early", "hours early", "hours late"],
)
def test_a_moment_outside_the_calendar_in_utc_is_refused(value: datetime) -> None:
    """An offset can push the first and the last hours out of the years that UTC has."""
    with pytest.raises(ValidationError, match="must be a time between the years 1 and 9999 in UTC") as caught:
        _kept(value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("hours", [0, 1, 23])
def test_the_ends_of_the_calendar_are_moments(hours: int) -> None:
    """The first and the last microsecond of the calendar can be kept, and so can those that an offset pulls inwards."""
    away = timedelta(hours=hours)
    assert _kept(datetime.min.replace(tzinfo=timezone(-away))) == datetime.min.replace(tzinfo=UTC) + away
    assert _kept(datetime.max.replace(tzinfo=timezone(away))) == datetime.max.replace(tzinfo=UTC) - away


@pytest.mark.parametrize(
    "value",
    [date(2026, 3, 2), clock_time(12), "2026-03-02T12:00:00Z", 1772452800, None],
    ids=lambda value: repr(type(value)),
)
def test_what_is_not_a_datetime_is_refused_by_its_type(value: object) -> None:
    """Nothing is parsed and no number is taken for a time stamp: which unit would it be in?"""
    with pytest.raises(
        ValidationError, match=f"^BalanceSnapshot.datetime must be a datetime, not {type(value).__name__}$"
    ):
        _kept(value)
