"""Sealed values: AES-256-GCM under a journal's key, bound to the journal, the column and the row.

A server cannot read a sealed value, change it, or move it to another place: it would not authenticate there.
"""

from __future__ import annotations

import hmac
import os
from typing import TYPE_CHECKING, Final

from zorivest_async.database.postgresql.keys import hash_of
from zorivest_async.errors import InvalidQueryError, VaultDamagedError
from zorivest_async.security.tracebacks import sealed
from zorivest_async.security.wrapping import NONCE_BYTES, TAG_BYTES, aead, associated, sub_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["SEALED", "SealedKeys"]

SEALED: Final = b"\1"
"""First byte, the version, of a sealed value."""

_NUMBER_BYTES: Final = 4
"""Length of the number of the key, which follows the version."""

_HEAD_BYTES: Final = 1 + _NUMBER_BYTES + NONCE_BYTES

_WORD_BYTES: Final = 7
"""Length of the hash of a word: 56 bits."""

LONGEST_BEGINNING: Final = 8
"""Maximum length of the beginning of a word that the search finds."""

KNOWN_WORDS: Final = 10_000
"""Maximum number of words whose hashes are kept: most words of a text are in others, too."""

OFF: Final = "this journal has no search index; run 'zorivest server reindex' to make one"
WHOLE_WORDS: Final = (
    "the search of this journal finds whole words: end the query with a space; 'zorivest server reindex' can make an "
    "index that has the beginnings of words, too"
)
LONG_BEGINNING: Final = (
    f"the search of this journal finds beginnings of at most {LONGEST_BEGINNING} letters: end the query with a space"
)

_IMAGE: Final = "images.data"

DAMAGED: Final = (
    "a sealed value does not authenticate: the server, or another program, has changed it or moved it from its row; "
    "restore the database from a backup"
)
STRANGE: Final = "a value of a sealed journal is not sealed, or under a key that the journal does not have"


class _Keys:
    """The keys of purposes, derived from one key of the journal."""

    __slots__ = ("fields", "hashes", "images", "words")

    @sealed
    def __init__(self, key: bytes) -> None:
        self.fields: AESGCM = aead(sub_key(key, "fields"))
        self.images: AESGCM = aead(sub_key(key, "images"))
        self.hashes = sub_key(key, "hashes")
        self.words = sub_key(key, "words")


class SealedKeys:
    """The keys of a sealed journal; see :class:`~zorivest_async.database.postgresql.keys.JournalKeys`.

    Args:
        journal: The number of the journal.
        keys: The keys by their number; several while they are being replaced. New values are sealed with the last one.
        search: What the search index has of texts: their ``"words"``, also the beginnings of words (``"prefixes"``), or
            nothing (``"off"``).
    """

    __slots__ = ("_beginnings", "_current", "_head", "_journal", "_keys", "_known", "_order", "_refusal", "_search")

    @sealed
    def __init__(self, journal: int, keys: Mapping[int, bytes], search: str) -> None:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - importing it is slow, as the keys do

        self._journal = journal
        self._search = search
        self._refusal = InvalidTag
        self._beginnings: dict[str, bytes] = {}
        self._known: dict[str, list[str]] = {}
        self._keys = {number: _Keys(key) for number, key in keys.items()}
        newest = max(keys)
        self._current = self._keys[newest]
        self._head = SEALED + newest.to_bytes(_NUMBER_BYTES, "big")
        self._order = [self._keys[number] for number in sorted(keys, reverse=True)]

    @property
    def overhead(self) -> int:  # noqa: D102
        return _HEAD_BYTES + TAG_BYTES

    @property
    def binds(self) -> bool:  # noqa: D102
        return True

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled")

    def _about(self, label: str, key: object, *more: object) -> bytes:
        beginning = self._beginnings.get(label)
        if beginning is None:
            beginning = self._beginnings[label] = associated("value", self._journal, label)
        # A comparison takes True for the number 1.
        text = str(int(key) if isinstance(key, bool) else key).encode()
        about = beginning + len(text).to_bytes(4, "big") + text
        return about + associated(*more) if more else about

    def seal(self, value: bytes, label: str, key: object, /) -> bytes:  # noqa: D102
        nonce = os.urandom(NONCE_BYTES)
        return self._head + nonce + self._current.fields.encrypt(nonce, value, self._about(label, key))

    def open(self, stored: bytes, label: str, key: object, /) -> bytes:  # noqa: D102
        about = self._about(label, key)
        if not stored.startswith(self._head):
            return self._opened(stored, about, is_image=False)
        try:
            return self._current.fields.decrypt(stored[1 + _NUMBER_BYTES : _HEAD_BYTES], stored[_HEAD_BYTES:], about)
        except (self._refusal, ValueError):  # a nonce that was cut has another length
            raise VaultDamagedError(None, DAMAGED) from None

    def seal_chunk(self, chunk: bytes, key: object, number: int, /, *, is_last: bool) -> bytes:  # noqa: D102
        nonce = os.urandom(NONCE_BYTES)
        about = self._about(_IMAGE, key, number, int(is_last))
        return self._head + nonce + self._current.images.encrypt(nonce, chunk, about)

    def open_chunk(self, stored: bytes, key: object, number: int, /, *, is_last: bool) -> bytes:  # noqa: D102
        return self._opened(stored, self._about(_IMAGE, key, number, int(is_last)), is_image=True)

    def _opened(self, stored: bytes, about: bytes, *, is_image: bool) -> bytes:
        keys: _Keys | None = self._current
        if not stored.startswith(self._head):
            is_sealed = stored[:1] == SEALED and len(stored) >= self.overhead
            keys = self._keys.get(int.from_bytes(stored[1 : 1 + _NUMBER_BYTES], "big")) if is_sealed else None
        if keys is None:
            raise VaultDamagedError(None, STRANGE)
        cipher = keys.images if is_image else keys.fields
        try:
            return cipher.decrypt(stored[1 + _NUMBER_BYTES : _HEAD_BYTES], stored[_HEAD_BYTES:], about)
        except (self._refusal, ValueError):  # a nonce that was cut has another length
            raise VaultDamagedError(None, DAMAGED) from None

    def hashes(self, label: str, text: str, /) -> list[bytes]:  # noqa: D102
        return [hash_of(keys.hashes, label, text) for keys in self._order]

    def indexed(self, word: str, /) -> list[str]:  # noqa: D102
        found = self._known.get(word)
        if found is None:
            if len(self._known) >= KNOWN_WORDS:
                self._known.clear()
            found = self._known[word] = self._indexed(word)
        return found

    def _indexed(self, word: str) -> list[str]:
        if self._search == "off":
            return []
        found = [self._word(word)]
        if self._search == "prefixes":
            found += [self._beginning(word[:length]) for length in range(1, min(len(word), LONGEST_BEGINNING) + 1)]
        return found

    def asked(self, word: str, /, *, is_beginning: bool) -> str:  # noqa: D102
        if self._search == "off":
            raise InvalidQueryError("Search", problem=OFF)
        if not is_beginning:
            return f"'{self._word(word)}'"
        if self._search != "prefixes":
            raise InvalidQueryError("Search", problem=WHOLE_WORDS)
        if len(word) > LONGEST_BEGINNING:
            raise InvalidQueryError("Search", problem=LONG_BEGINNING)
        return f"'{self._beginning(word)}'"

    def _word(self, word: str) -> str:
        return hmac.digest(self._current.words, b"word\0" + word.encode(), "sha256")[:_WORD_BYTES].hex()

    def _beginning(self, letters: str) -> str:
        return hmac.digest(self._current.words, b"beginning\0" + letters.encode(), "sha256")[:_WORD_BYTES].hex()
