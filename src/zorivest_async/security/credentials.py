"""Credentials of a vault: a passphrase or a raw key."""

from __future__ import annotations

from dataclasses import dataclass, field

from zorivest_async.errors import ConfigurationError
from zorivest_async.security.kdf import KdfProfile, VaultKey, argon2id
from zorivest_async.security.secret import MaskedSecret

__all__ = ["Credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A passphrase or a raw key, hidden from reprs, pickles and tracebacks.

    The constructor checks nothing, so that a caller can delete its own arguments before an error is raised.

    Attributes:
        passphrase: The passphrase, or ``None``.
        key: The raw key, or ``None``.
    """

    passphrase: str | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled")

    def require_one(self) -> None:
        """Check that exactly one of passphrase and key is given.

        Raises:
            ConfigurationError: Both or none are given, or the passphrase is empty or not a string.
        """
        if (self.passphrase is None) == (self.key is None):
            raise ConfigurationError("give exactly one of passphrase and key")
        if self.passphrase == "":
            raise ConfigurationError("the passphrase must not be empty")
        if not _may_be_passphrase(self.passphrase):
            raise ConfigurationError("the passphrase must be a string")
        if self.key is not None:
            VaultKey(self.key)

    def vault_key(self, salt: bytes) -> VaultKey:
        """Return the key of a file with this salt; for a passphrase, it runs Argon2 with the profile of the salt.

        Raises:
            ConfigurationError: The passphrase or the key is invalid.
        """
        if self.key is not None:
            return VaultKey(self.key, salt)
        return VaultKey(argon2id(self.passphrase or "", salt, KdfProfile.of_salt(salt)), salt)


def _may_be_passphrase(value: object) -> bool:
    """Return whether an argument has a valid type; a separate function, to keep the value out of tracebacks."""
    return value is None or isinstance(value, str | MaskedSecret)
