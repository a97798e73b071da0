"""Times as brokers write them: local, with a name of a zone, or counted from 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import ConfigurationError, InvalidQueryError
from zorivest_async.transfer.importers.source import EPOCH_FORMATS, FieldError, parse_iso, to_utc

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from zorivest_async.transfer.importers.profiles import CsvProfile

__all__ = ["Times"]

_BLANKS: Final = re.compile(r"\s+")
_ZONED: Final = re.compile(r"(.*\d(?: ?[AaPp]\.?[Mm]\.?)?) ?([A-Z]{1,5})", re.ASCII)
_COUNT: Final = re.compile(r"\d{1,17}(?:\.\d{1,6})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Times:
    """Parser of a profile's times.

    Args:
        profile: The profile.

    Raises:
        ConfigurationError: There is no such time zone.
    """

    def __init__(self, profile: CsvProfile) -> None:
        self._profile = profile
        self._zones: dict[str, ZoneInfo] = {}
        self._offsets = _offsets(profile.zone_names)
        try:
            self._zone = None if profile.time_zone is None else load_zone(profile.time_zone)
        except InvalidQueryError as error:
            raise ConfigurationError(f"profile {profile.name!r}: time_zone: {error.problem}") from None

    def parse(self, text: str, zone_name: str = "") -> datetime:
        """Return a time in UTC.

        Args:
            text: The time.
            zone_name: The IANA name of its zone, from another column; empty for the profile's zone.

        Raises:
            FieldError: It cannot be read, or not be converted to UTC without a guess.
        """
        plain = _BLANKS.sub(" ", text)
        if self._offsets and (found := _ZONED.fullmatch(plain)) is not None and found[2] in self._offsets:
            local = self._local(found[1])
            if local.tzinfo is not None:
                raise FieldError("has both an offset from UTC and the name of a zone")
            return to_utc(local.replace(tzinfo=self._offsets[found[2]]), None, "fail")
        zone = self._named(zone_name) if zone_name else self._zone
        return to_utc(self._local(plain), zone, self._profile.ambiguous_times)

    def _local(self, text: str) -> datetime:
        if not self._profile.time_formats:
            return parse_iso(text)
        for form in self._profile.time_formats:
            try:
                if form in EPOCH_FORMATS:
                    return _since_epoch(text, EPOCH_FORMATS[form])
                return datetime.strptime(text, form)  # noqa: DTZ007 - the profile's zone is added
            except (OverflowError, ValueError):
                continue
        raise FieldError("is in none of the profile's formats")

    def _named(self, name: str) -> ZoneInfo:
        if name not in self._zones:
            try:
                self._zones[name] = load_zone(name)
            except InvalidQueryError:
                raise FieldError("has a time zone that is not in the IANA database") from None
        return self._zones[name]


def _offsets(names: Mapping[str, str]) -> dict[str, timezone]:
    return {
        name: timezone(datetime.strptime(offset, "%z").utcoffset() or timedelta()) for name, offset in names.items()
    }


def _since_epoch(text: str, unit_us: int) -> datetime:
    """Return the time that a count names; a fraction finer than microseconds is not one."""
    if _COUNT.fullmatch(text) is None:
        raise ValueError
    whole, _, part = text.partition(".")
    if part and unit_us != EPOCH_FORMATS["epoch_s"]:
        raise ValueError
    return _EPOCH + timedelta(microseconds=int(whole) * unit_us + int(part.ljust(6, "0") or 0))
