"""Encryption of data-provider API keys inside the vault, so that a query or an export never meets one in the clear."""

from __future__ import annotations

import base64
from typing import Self

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zorivest_async.domain.tracebacks import sealed
from zorivest_async.errors import VaultDamagedError

__all__ = ["ApiKeyCipher"]

_PREFIX = "ENC:"
_LABEL = b"zorivest-async provider API keys v1"
"""HKDF's info (RFC 5869, section 3.2): it keeps this key apart from any other that is derived from the vault's."""

_FERNET_KEY_BYTES = 32


class ApiKeyCipher:
    """Fernet under a key derived from the vault's.

    Args:
        vault_key: The 32 raw bytes that open the vault.
    """

    __slots__ = ("_fernet",)

    _fernet: Fernet

    @sealed
    def __init__(self, vault_key: bytes) -> None:
        self.use(vault_key)

    @sealed
    def use(self, vault_key: bytes) -> None:
        """Work under another key from now on, for those as well who have this cipher already."""
        derived = HKDF(algorithm=SHA256(), length=_FERNET_KEY_BYTES, salt=None, info=_LABEL).derive(vault_key)
        self._fernet = Fernet(base64.urlsafe_b64encode(derived))

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        raise TypeError("a cipher is not pickled")

    @sealed
    def encrypt(self, api_key: str) -> str:
        """Return ``ENC:`` and a Fernet token."""
        return _PREFIX + self._fernet.encrypt(api_key.encode()).decode()

    @sealed
    def decrypt(self, stored: str) -> str:
        """Return the API key that :meth:`encrypt` was given.

        Raises:
            VaultDamagedError: The text does not authenticate under this vault's key.
        """
        try:
            return self._fernet.decrypt(stored.removeprefix(_PREFIX).encode()).decode()
        except InvalidToken:
            raise VaultDamagedError(None, "a stored API key does not authenticate; save it again") from None
