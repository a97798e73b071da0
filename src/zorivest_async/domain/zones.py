"""Time zones by name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from zorivest_async.errors import InvalidQueryError, MissingDependencyError

__all__ = ["load_zone"]


def load_zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database. The first call for a zone reads a file: call it in a thread.

    Raises:
        InvalidQueryError: There is no such zone; the name may have come from a request.
        MissingDependencyError: There is no database, as in a small container without the package ``tzdata``.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError, TypeError):
        problem = InvalidQueryError(
            problem="there is no such time zone; name one of the IANA database, such as 'America/New_York'"
        )
    try:
        ZoneInfo("Etc/UTC")
    except KeyError:
        raise MissingDependencyError("the time zone database is missing: pip install tzdata", name="tzdata") from None
    raise problem
