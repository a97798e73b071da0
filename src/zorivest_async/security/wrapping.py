"""Keys of journals on a server: random, wrapped under passphrases, with a key of its own for each purpose."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from zorivest_async.security.tracebacks import sealed, sealed_init

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_BYTES", "NONCE_BYTES", "TAG_BYTES", "WrappingKey", "aead", "associated", "new_journal_key", "sub_key"]

KEY_BYTES: Final = 32
"""AES-256."""

NONCE_BYTES: Final = 12
"""The recommended nonce length of AES-GCM (NIST SP 800-38D, section 8.2). Random nonces are safe for 2**32 encryptions
under one key (section 8.3)."""

TAG_BYTES: Final = 16
"""The length of AES-GCM's tag."""

WRAPPED: Final = b"\1"
"""Version of the form of a wrapped key."""

_LABEL: Final = "zorivest-async journal "
"""Beginning of HKDF's info (RFC 5869, section 3.2), which separates the keys of purposes."""


def new_journal_key() -> bytes:
    """Return a random key."""
    return os.urandom(KEY_BYTES)


def associated(*parts: object) -> bytes:
    """Return associated data: the text of each part after its length, so that no two sequences give the same bytes."""
    texts = [str(part).encode() for part in parts]
    return b"".join([len(text).to_bytes(4, "big") + text for text in texts])


@sealed
def sub_key(key: bytes, purpose: str) -> bytes:
    """Return the key of a purpose, derived with HKDF-SHA256."""
    # Importing these is slow; a vault does it in the thread that opens it.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=(_LABEL + purpose).encode()).derive(key)


@sealed
def aead(key: bytes) -> AESGCM:
    """Return AES-256-GCM under a key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see sub_key()

    return AESGCM(key)


@sealed_init
class WrappingKey:
    """The key that a passphrase derives, which wraps the random key of a journal.

    Args:
        derived: The 32 bytes of Argon2id.
    """

    __slots__ = ("_aead",)

    def __init__(self, derived: bytes) -> None:
        self._aead = aead(sub_key(derived, "wrapping"))

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    @sealed
    def wrap(self, key: bytes, journal: int, number: int, name: str) -> bytes:
        """Return a journal's key in the form in which it is stored.

        Args:
            key: The key.
            journal: The number of the journal.
            number: The number of the key.
            name: The name of the passphrase.
        """
        nonce = os.urandom(NONCE_BYTES)
        return WRAPPED + nonce + self._aead.encrypt(nonce, key, _about(journal, number, name))

    @sealed
    def unwrap(self, wrapped: bytes, journal: int, number: int, name: str) -> bytes | None:
        """Return a journal's key; ``None`` if this passphrase has not wrapped it."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see sub_key(), which has imported it

        if wrapped[:1] != WRAPPED or len(wrapped) != 1 + NONCE_BYTES + KEY_BYTES + TAG_BYTES:
            return None
        nonce = wrapped[1 : 1 + NONCE_BYTES]
        try:
            return self._aead.decrypt(nonce, wrapped[1 + NONCE_BYTES :], _about(journal, number, name))
        except InvalidTag:
            return None


def _about(journal: int, number: int, name: str) -> bytes:
    return associated("journal key", journal, number, name)
