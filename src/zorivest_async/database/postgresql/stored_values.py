"""Confidential values in statements of SQLAlchemy's, where nothing but the value itself is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["StoredValues"]


class StoredValues:
    """How SQLAlchemy's statements store and read confidential values; see ``Confidence`` for the methods.

    Args:
        keys: The keys of the journal; ``None`` for the library's own statements, whose plans convert the values.
    """

    def __init__(self, keys: JournalKeys | None) -> None:
        self._keys = keys

    def storing(self, encode: Callable[[Any], Any] | None, /) -> Callable[[Any], Any] | None:  # noqa: D102
        keys = self._keys
        if keys is None:
            return encode

        def store(value: Any) -> Any:
            if value is None:
                return None
            text = value if encode is None else encode(value)
            return keys.seal(text.encode() if isinstance(text, str) else text, "", None)

        return store

    def reading(self, decode: Callable[[Any], Any] | None, /, *, is_bytes: bool) -> Callable[[Any], Any] | None:  # noqa: D102
        keys = self._keys
        if keys is None:
            return decode

        def read(stored: Any) -> Any:
            value = stored
            if stored is not None:
                opened = keys.open(stored, "", None)
                value = opened if is_bytes else opened.decode()
            return value if decode is None else decode(value)

        return read

    def joining(self) -> Callable[[Any], Any] | None:  # noqa: D102
        keys = self._keys
        if keys is None:
            return None

        def join(chunks: Any) -> Any:
            last = len(chunks or ()) - 1
            return b"".join(
                [
                    keys.open_chunk(each, None, number, is_last=number == last)
                    for number, each in enumerate(chunks or ())
                ]
            )

        return join
