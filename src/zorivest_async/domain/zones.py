"""Time zones by name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from zorivest_async.errors import ConfigurationError, MissingDependencyError

__all__ = ["load_zone"]


def load_zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. The first time it reads a file: in a coroutine, call it in a thread.

    Raises:
        ConfigurationError: There is no such zone.
        MissingDependencyError: There is no database, as on a small container without the package ``tzdata``.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError):
        problem = ConfigurationError(f"there is no time zone {name!r}; name one such as 'America/New_York'")
    try:
        ZoneInfo("Etc/UTC")
    except KeyError:
        raise MissingDependencyError("there are no time zones here: pip install tzdata", name="tzdata") from None
    raise problem
