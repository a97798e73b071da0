"""Column types: what the tables hold as text, Python sees as aware datetimes, enums and tuples.

Each type converts with plain functions that the row codec uses as well, so that the ORM and the repositories agree.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, cast

from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EnumText", "Optionally", "TagList", "UTCDateTime"]


class _Processor(Protocol):
    def __call__(self, value: Any) -> Any: ...


class Optionally:
    """A processor for columns that may hold ``NULL``.

    Attributes:
        convert: The one for those that may not, which is faster.
    """

    __slots__ = ("convert",)

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self.convert = convert

    def __call__(self, value: Any) -> Any:
        """Convert a value, and leave ``None`` alone."""
        return None if value is None else self.convert(value)


_LENGTH = len("2024-03-08 14:30:00.000000")


class UTCDateTime(TypeDecorator[datetime]):
    """A moment, stored as UTC text ``2024-03-08 14:30:00.000000``: the form of SQLAlchemy's own SQLite ``DateTime``.

    Reads back aware, in UTC. An aware value is converted; a naive one is taken as UTC.
    """

    impl = DateTime
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Processor:  # noqa: ARG002, D102 - SQLAlchemy's signature
        return Optionally(self.to_text)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Processor:  # noqa: ARG002, D102
        return Optionally(self.from_text)

    @staticmethod
    def to_text(value: datetime) -> str:
        """Return the stored form; its text order is the order of time."""
        if value.tzinfo is not None and value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        return value.isoformat(" ", "microseconds")[:_LENGTH]

    @staticmethod
    def from_text(stored: str) -> datetime:
        """Return the moment, aware."""
        return datetime.fromisoformat(stored + "+00:00")


class EnumText(TypeDecorator[StrEnum]):
    """A member of a closed vocabulary, stored as its value; a CHECK of the table keeps strangers out.

    Args:
        vocabulary: The enum.
        length: Of the column, as in ``VARCHAR(3)``.
    """

    impl = String
    cache_ok = True

    def __init__(self, vocabulary: type[StrEnum], length: int) -> None:
        super().__init__(length)
        self.vocabulary = vocabulary

    def bind_processor(self, dialect: Dialect) -> _Processor:  # noqa: ARG002, D102 - SQLAlchemy's signature
        return Optionally(str.__str__)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Processor:  # noqa: ARG002, D102
        return Optionally({str(member): member for member in self.vocabulary}.__getitem__)


class TagList(TypeDecorator[tuple[str, ...]]):
    """A tuple of strings, stored as a JSON array; ``NULL`` reads back as no tags."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> _Processor:  # noqa: ARG002, D102 - SQLAlchemy's signature
        return Optionally(lambda tags: json.dumps(list(tags), ensure_ascii=False))

    def result_processor(self, dialect: Dialect, coltype: object) -> _Processor:  # noqa: ARG002, D102
        def processor(value: Any) -> tuple[str, ...]:
            stored: Any = [] if value is None else json.loads(value)
            tags = cast("list[Any]", stored)
            if not isinstance(stored, list) or not all(isinstance(tag, str) for tag in tags):
                raise TypeError
            return tuple(tags)

        return processor
