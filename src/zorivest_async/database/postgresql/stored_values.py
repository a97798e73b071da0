"""Confidential values in statements of SQLAlchemy's, where nothing but the value itself is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from zorivest_async.errors import NotOnThisBackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["Stored", "StoredValues", "Unopened", "UnopenedChunks", "refuse"]

_BOUND: Final = (
    "a sealed value is bound to its row, which a statement does not tell; use a repository, or objects of uow.session"
)


class Stored(bytes):
    """The stored form of a value, which was sealed before."""

    __slots__ = ()


class Unopened(bytes):
    """A sealed value that was read without its row's key.

    Attributes:
        keys: The keys of the journal.
    """

    keys: JournalKeys


class UnopenedChunks(list[bytes]):
    """The sealed chunks of an image.

    Attributes:
        keys: The keys of the journal.
    """

    def __init__(self, chunks: Iterable[bytes], keys: JournalKeys) -> None:
        super().__init__(chunks)
        self.keys = keys


def refuse() -> NotOnThisBackendError:
    """Return the error for a value of a sealed journal in a statement that does not tell its row."""
    return NotOnThisBackendError("a confidential value in a statement of your own", _BOUND)


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
            if value is None or isinstance(value, Stored):
                return value
            if keys.binds:
                raise refuse()
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
                if keys.binds:
                    unopened = Unopened(stored)
                    unopened.keys = keys
                    return unopened
                opened = keys.open(stored, "", None)
                value = opened if is_bytes else opened.decode()
            return value if decode is None else decode(value)

        return read

    def joining(self) -> Callable[[Any], Any] | None:  # noqa: D102
        keys = self._keys
        if keys is None:
            return None

        def join(chunks: Any) -> Any:
            found = chunks or ()
            if keys.binds:
                return UnopenedChunks(found, keys)
            last = len(found) - 1
            return b"".join(
                [keys.open_chunk(each, None, number, is_last=number == last) for number, each in enumerate(found)]
            )

        return join
