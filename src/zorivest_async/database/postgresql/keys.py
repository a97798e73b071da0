"""Keys of a journal: the form in which confidential values, their hashes and their words are sent to a server."""

from __future__ import annotations

import hmac
from typing import Final, Protocol

from zorivest_async.database.postgresql.schema import CLEAR
from zorivest_async.errors import VaultDamagedError

__all__ = ["CHUNK_BYTES", "ClearKeys", "JournalKeys"]

CHUNK_BYTES: Final = 256 * 1024
"""Size of each chunk of an image except the last, in bytes, before it is sealed."""

STRANGE: Final = (
    "a value that should be stored in clear is in another form; it was damaged, or written by a later release"
)


class JournalKeys(Protocol):
    """What a journal's confidential values are stored with.

    A value has a label, its table and column as in ``"trades.notes"``, and the key of its row.
    """

    @property
    def overhead(self) -> int:
        """Number of bytes that a stored value has more than the value."""
        ...

    @property
    def binds(self) -> bool:
        """Whether a stored value is bound to its row, whose key must be known before it is stored."""
        ...

    def seal(self, value: bytes, label: str, key: object, /) -> bytes:
        """Return the stored form of a value."""
        ...

    def open(self, stored: bytes, label: str, key: object, /) -> bytes:
        """Return the value of a stored form.

        Raises:
            VaultDamagedError: It was not stored there with these keys.
        """
        ...

    def seal_chunk(self, chunk: bytes, key: object, number: int, /, *, is_last: bool) -> bytes:
        """Return the stored form of a chunk of an image."""
        ...

    def open_chunk(self, stored: bytes, key: object, number: int, /, *, is_last: bool) -> bytes:
        """Return the chunk of a stored form; see :meth:`open`."""
        ...

    def hashes(self, label: str, text: str, /) -> list[bytes]:
        """Return the hashes that equal values may be stored with; new ones are stored with the first."""
        ...

    def indexed(self, word: str, /) -> list[str]:
        """Return what the search index has for a word."""
        ...

    def asked(self, word: str, /, *, is_beginning: bool) -> str:
        """Return the operand of a ``tsquery`` for a word, or for the beginning of one.

        Raises:
            InvalidQueryError: The index cannot answer it.
        """
        ...


class ClearKeys:
    """The keys of a journal that is stored in clear; see :class:`JournalKeys` for the methods.

    Args:
        hash_key: The key of hashes, which the server can read, too. It makes hashes of journals differ.
    """

    __slots__ = ("_hash_key",)

    def __init__(self, hash_key: bytes) -> None:
        self._hash_key = hash_key

    @property
    def overhead(self) -> int:  # noqa: D102
        return len(CLEAR)

    @property
    def binds(self) -> bool:  # noqa: D102
        return False

    def seal(self, value: bytes, label: str, key: object, /) -> bytes:  # noqa: ARG002, D102
        return CLEAR + value

    def open(self, stored: bytes, label: str, key: object, /) -> bytes:  # noqa: ARG002, D102
        if stored[:1] != CLEAR:
            raise VaultDamagedError(None, STRANGE)
        return stored[1:]

    def seal_chunk(self, chunk: bytes, key: object, number: int, /, *, is_last: bool) -> bytes:  # noqa: ARG002, D102
        return CLEAR + chunk

    def open_chunk(self, stored: bytes, key: object, number: int, /, *, is_last: bool) -> bytes:  # noqa: ARG002, D102
        return self.open(stored, "", key)

    def hashes(self, label: str, text: str, /) -> list[bytes]:  # noqa: D102
        return [hash_of(self._hash_key, label, text)]

    def indexed(self, word: str, /) -> list[str]:  # noqa: D102
        return [word]

    def asked(self, word: str, /, *, is_beginning: bool) -> str:  # noqa: D102
        return f"'{word}':*" if is_beginning else f"'{word}'"


def hash_of(key: bytes, label: str, text: str) -> bytes:
    """Return the keyed hash of a value, HMAC-SHA256; the label has no NUL, so that no two pairs give the same bytes."""
    return hmac.digest(key, f"{label}\0{text}".encode(), "sha256")
