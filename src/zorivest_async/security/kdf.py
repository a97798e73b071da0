"""Argon2id key derivation (RFC 9106) and the key of a vault.

SQLCipher keeps 16 bytes of salt at the start of its file. A vault uses them for Argon2id as well, so that the file and
the passphrase are enough to open it: byte 0 names the :class:`KdfProfile`, bytes 1 to 15 are random.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

from zorivest_async.errors import ConfigurationError
from zorivest_async.security.secret import MaskedSecret
from zorivest_async.security.tracebacks import sealed, sealed_init

__all__ = ["KEY_BYTES", "SALT_BYTES", "KdfProfile", "VaultKey", "argon2id", "new_salt", "require_profile"]

KEY_BYTES = 32
"""AES-256, SQLCipher's cipher."""

SALT_BYTES = 16
"""The salt at the start of a SQLCipher file; also the length RFC 9106 recommends."""

_SMALLEST_ARGON2_SALT_BYTES = 8


class KdfProfile(Enum):
    """Cost parameters of Argon2id, and so of a guess at the passphrase; the value is byte 0 of the salt.

    Attributes:
        time_cost: Passes over the memory.
        memory_kib: Memory, in kibibytes.
        parallelism: Lanes.
    """

    DEFAULT = (1, 3, 64 * 1024, 4)
    """RFC 9106's second recommended option, for machines without 2 GiB to spare; takes about 0.1 s."""

    STRONG = (2, 3, 256 * 1024, 4)
    """Four times the memory; takes about 0.5 s."""

    CHEAPEST = (127, 1, 8, 1)
    """The minimum of Argon2id, for tests that open many vaults; it does not protect the passphrase."""

    time_cost: int
    memory_kib: int
    parallelism: int

    @classmethod
    def of_salt(cls, salt: bytes) -> KdfProfile:
        """Return the profile that the first byte of a vault's salt names.

        Raises:
            LookupError: It names none.
        """
        for profile in cls:
            if profile.value == salt[0]:
                return profile
        raise LookupError("the first byte of the salt names no key derivation profile")

    def __new__(cls, number: int, time_cost: int, memory_kib: int, parallelism: int) -> Self:  # noqa: D102
        self = object.__new__(cls)
        self._value_ = number
        self.time_cost = time_cost
        self.memory_kib = memory_kib
        self.parallelism = parallelism
        return self


def new_salt(profile: KdfProfile = KdfProfile.DEFAULT) -> bytes:
    """Return a fresh 16-byte salt that names ``profile`` in its first byte."""
    require_profile(profile)
    return bytes([profile.value]) + os.urandom(SALT_BYTES - 1)


@sealed
def argon2id(passphrase: str, salt: bytes, profile: KdfProfile) -> bytes:
    """Derive a key with Argon2id, without a bound on concurrent derivations.

    Raises:
        ConfigurationError: As :func:`~zorivest_async.derive_key`.
    """
    if isinstance(passphrase, MaskedSecret):  # which would otherwise pass for the text of its mask
        passphrase = passphrase.reveal() if passphrase.is_known else ""
    if not isinstance(passphrase, str) or not passphrase:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError("the passphrase must be a non-empty string")
    if not isinstance(salt, bytes) or len(salt) < _SMALLEST_ARGON2_SALT_BYTES:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(
            f"the salt must have at least {_SMALLEST_ARGON2_SALT_BYTES} bytes, in an object of the type bytes"
        )
    require_profile(profile)
    try:
        secret = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:
        raise ConfigurationError("the passphrase must be text that UTF-8 can encode") from None
    try:
        return hash_secret_raw(
            secret,
            salt,
            time_cost=profile.time_cost,
            memory_cost=profile.memory_kib,
            parallelism=profile.parallelism,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )
    except HashingError as error:
        raise ConfigurationError(f"the key could not be derived: {error}") from error


def require_profile(profile: KdfProfile) -> None:
    """Check that an argument is a profile.

    Raises:
        ConfigurationError: It is not a ``KdfProfile``.
    """
    if not isinstance(profile, KdfProfile):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError("profile must be a KdfProfile, such as KdfProfile.STRONG")


@sealed_init
@dataclass(frozen=True, slots=True)
class VaultKey:
    """Raw key of one vault file.

    Attributes:
        key: 32 bytes.
        salt: The 16 bytes at the start of the file; ``None`` lets SQLCipher read them. A new file needs a salt.
    """

    key: bytes = field(repr=False)
    salt: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.key, bytes) or len(self.key) != KEY_BYTES:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"a key must have {KEY_BYTES} bytes, in an object of the type bytes")
        if self.salt is not None and len(self.salt) != SALT_BYTES:
            raise ConfigurationError(f"a salt must have {SALT_BYTES} bytes")

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    def raw_key_spec(self) -> bytearray:
        """Return SQLCipher's raw key, ``x'<64 hex key>[<32 hex salt>]'``, for the caller to zero after use.

        SQLCipher silently treats any other length as a passphrase, which is why the lengths are checked above.
        """
        spec = bytearray(b"x'")
        spec += self.key.hex().encode()
        if self.salt is not None:
            spec += self.salt.hex().encode()
        spec += b"'"
        return spec
