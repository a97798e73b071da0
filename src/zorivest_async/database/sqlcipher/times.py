"""Stored form of times: UTC text ``2024-03-08 14:30:00.000000``, as of SQLAlchemy's ``DateTime`` on SQLite."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["from_text", "to_text"]

_LENGTH = len("2024-03-08 14:30:00.000000")


def to_text(value: datetime) -> str:
    """Return the stored text of a time; stored texts sort like times."""
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.isoformat(" ", "microseconds")[:_LENGTH]


def from_text(stored: str) -> datetime:
    """Return the aware time of a stored text."""
    return datetime.fromisoformat(stored + "+00:00")
