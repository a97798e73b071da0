"""Times as asyncpg takes and gives them, over all years that Python knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncpg

__all__ = ["read_time", "set_codecs", "store_time"]

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def store_time(value: datetime) -> datetime:
    """Return the aware time in UTC; a naive time is UTC."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def read_time(stored: Any) -> datetime:
    """Return the aware time of a driver value, or of its ISO text in a page token."""
    if isinstance(stored, str):
        return store_time(datetime.fromisoformat(stored))
    if not isinstance(stored, datetime):
        raise TypeError
    return stored


async def set_codecs(connection: asyncpg.Connection[Any]) -> None:
    """Make a connection read and write times exactly: asyncpg's own codec takes those of year 9999 for infinity."""
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=_encoded, decoder=_decoded, format="tuple"
    )


def _encoded(value: datetime) -> tuple[int]:
    return ((store_time(value) - _EPOCH) // _MICROSECOND,)


def _decoded(stored: tuple[int]) -> datetime:
    return _EPOCH + timedelta(microseconds=stored[0])
