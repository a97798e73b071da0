"""Column types: aware datetimes, enums and tuples, stored as text.

Each type converts with functions that the row mapper also uses, so that the ORM and the repositories agree.
"""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from sqlalchemy import ColumnElement, DateTime, Dialect, Float, LargeBinary, Numeric, String, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.statements import opened_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.database.backend import Confidence

__all__ = [
    "Confidential",
    "ConfidentialBytes",
    "ConfidentialString",
    "ConfidentialText",
    "EnumText",
    "Float64",
    "ImageData",
    "Optionally",
    "StoredTime",
    "TagList",
    "UTCDateTime",
]


class _Processor(Protocol):
    def __call__(self, value: Any) -> Any: ...


def _confidence(dialect: Dialect) -> Confidence | None:
    """Return how a dialect stores confidential values; ``None`` if it stores them as they are."""
    return getattr(dialect, "confidence", None)


class Optionally:
    """Processor for nullable columns.

    Attributes:
        convert: The processor for columns that are not nullable, which is faster.
    """

    __slots__ = ("convert",)

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        self.convert = convert

    def __call__(self, value: Any) -> Any:
        """Convert a value, except ``None``."""
        return None if value is None else self.convert(value)


class UTCDateTime(TypeDecorator[datetime]):
    """Time, read as an aware time in UTC; each engine stores it in its own form.

    An aware value is converted; a naive one is taken as UTC.
    """

    impl = DateTime
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    def bind_processor(self, dialect: Dialect) -> _Processor:  # noqa: D102 - SQLAlchemy's signature
        return Optionally(BACKENDS[dialect.name].store_time)

    def result_processor(self, dialect: Dialect, coltype: object) -> _Processor:  # noqa: ARG002, D102
        return Optionally(BACKENDS[dialect.name].read_time)


class StoredTime(TypeDecorator[Any]):
    """Time in the form in which it was read from the database, to be compared with others as they are stored."""

    impl = DateTime
    cache_ok = True

    def __init__(self) -> None:
        super().__init__(timezone=True)

    def bind_processor(self, dialect: Dialect) -> None:  # noqa: ARG002, D102 - SQLAlchemy's signature
        return None


class Float64(Float[float], Numeric[float]):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Number, as a ``float``.

    Admin panels (sqladmin, starlette-admin) look for ``Numeric`` among the bases of a column's type, and SQLAlchemy's
    ``Float`` no longer derives from it since 2.1.
    """


class EnumText(TypeDecorator[StrEnum]):
    """Member of an enum, stored as its value; a CHECK constraint of the table refuses other values.

    Args:
        vocabulary: The enum.
        length: Length of the column, as in ``VARCHAR(3)``.
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


class Confidential(TypeDecorator[Any]):
    """Base of the types of columns that the owner of a server should not read.

    In a vault file, which is encrypted as a whole, they are stored as they are. A server stores them as bytes, of which
    the first says in what form the others are.

    Attributes:
        is_bytes: Whether its values are bytes, and no text.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = Text
    cache_ok = True
    is_bytes: ClassVar[bool] = False

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # noqa: D102 - SQLAlchemy's signature
        sealed = _confidence(dialect)
        return self.impl_instance if sealed is None else dialect.type_descriptor(LargeBinary())

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: D102 - SQLAlchemy's signature
        sealed = _confidence(dialect)
        if sealed is None:
            return self._encoder() or self.load_dialect_impl(dialect).bind_processor(dialect)
        return sealed.storing(self._encoder())

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: D102 - SQLAlchemy's signature
        sealed = _confidence(dialect)
        if sealed is None:
            return self._decoder() or self.load_dialect_impl(dialect).result_processor(dialect, coltype)
        return sealed.reading(self._decoder(), is_bytes=self.is_bytes)

    def encoded(self, value: Any) -> bytes:
        """Return a value as the bytes that are sealed."""
        encode = self._encoder()
        text = value if encode is None else encode(value)
        return text.encode() if isinstance(text, str) else bytes(text)

    def decoded(self, opened: bytes) -> Any:
        """Return the value of bytes that were sealed."""
        decode = self._decoder()
        value = opened if self.is_bytes else opened.decode()
        return value if decode is None else decode(value)

    def _encoder(self) -> _Processor | None:
        """Return what makes the text of a value; ``None`` if it is one."""
        return None

    def _decoder(self) -> _Processor | None:
        """Return what makes a value of its text; ``None`` if it is one."""
        return None


class ConfidentialString(Confidential):
    """Short text, as in ``VARCHAR``."""

    impl = String
    cache_ok = True


class ConfidentialText(Confidential):
    """Text of any length."""

    impl = Text
    cache_ok = True


class ConfidentialBytes(Confidential):
    """Bytes."""

    impl = LargeBinary
    cache_ok = True
    is_bytes = True


class ImageData(TypeDecorator[bytes]):
    """Original bytes of an image; a server stores them in chunks, in a table of their own."""

    impl = LargeBinary
    cache_ok = True

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:  # noqa: D102 - SQLAlchemy's
        return opened_image(column, type_=self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: D102 - SQLAlchemy's signature
        sealed = _confidence(dialect)
        if sealed is None:
            return self.load_dialect_impl(dialect).result_processor(dialect, coltype)
        return sealed.joining()


class TagList(Confidential):
    """Tuple of strings, stored as a JSON array; ``NULL`` is read as an empty tuple."""

    impl = Text
    cache_ok = True

    def _encoder(self) -> _Processor:
        return Optionally(lambda tags: json.dumps(list(tags), ensure_ascii=False))

    def _decoder(self) -> _Processor:
        def processor(value: Any) -> tuple[str, ...]:
            stored: Any = [] if value is None else json.loads(value)
            tags = cast("list[Any]", stored)
            if not isinstance(stored, list) or not all(isinstance(tag, str) for tag in tags):
                raise TypeError
            return tuple(tags)

        return processor
