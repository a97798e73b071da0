"""What a vault is opened with, on its way from the caller to Argon2."""

from __future__ import annotations

from dataclasses import dataclass, field

from zorivest_async.errors import ConfigurationError
from zorivest_async.security.kdf import KdfProfile, VaultKey, derive_key

__all__ = ["Credentials"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A passphrase or a raw key, which no repr, pickle or traceback shows.

    Making one checks nothing, so that a function can forget its own arguments before anything is raised.

    Attributes:
        passphrase: The passphrase.
        key: The raw key instead.
    """

    passphrase: str | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled")

    def require_one(self) -> None:
        """Check that a vault is to be opened with one thing, and not with nothing.

        Raises:
            ConfigurationError: It is not.
        """
        if (self.passphrase is None) == (self.key is None):
            raise ConfigurationError("give exactly one of passphrase and key")
        if self.passphrase == "":
            raise ConfigurationError("the passphrase must not be empty")

    def vault_key(self, salt: bytes) -> VaultKey:
        """Return the key of a file with this salt; for a passphrase, Argon2 runs here, as the salt names it.

        Raises:
            ConfigurationError: The passphrase or the key cannot be one.
        """
        if self.key is not None:
            return VaultKey(self.key, salt)
        return VaultKey(derive_key(self.passphrase or "", salt, KdfProfile.of_salt(salt)), salt)
