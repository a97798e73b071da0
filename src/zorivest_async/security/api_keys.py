"""Cipher for data-provider API keys inside the vault, so that a query or an export never shows one in plaintext."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Final, Self

from zorivest_async.errors import ConfigurationError, VaultDamagedError
from zorivest_async.security.tracebacks import sealed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["ApiKeyCipher"]

_PREFIX: Final = "ENC:2:"
"""``ENC:`` alone was the prefix of tokens that were not bound to a provider; those are refused."""

_LABEL: Final = b"zorivest-async provider API keys v2"
"""HKDF's info (RFC 5869, section 3.2): it separates this key from other keys that are derived from the vault's."""

_KEY_BYTES: Final = 32
"""AES-256."""

_NONCE_BYTES: Final = 12
"""The recommended nonce length of AES-GCM (NIST SP 800-38D, section 8.2). Random nonces are safe for 2**32 encryptions
under one key (section 8.3)."""


class ApiKeyCipher:
    """AES-256-GCM cipher under a key derived from the vault's, with the provider's name as associated data.

    A token that was encrypted for one provider does not decrypt for another, so a token that was copied into another
    row never sends a key to the wrong provider.

    Args:
        vault_key: The 32 raw bytes that open the vault.
    """

    __slots__ = ("_aead",)

    _aead: AESGCM

    @sealed
    def __init__(self, vault_key: bytes) -> None:
        self.use(vault_key)

    @sealed
    def use(self, vault_key: bytes) -> None:
        """Switch to another key, also for all objects that already share this cipher."""
        # Importing these is slow. A vault makes its cipher in the thread that opens it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_LABEL).derive(vault_key)
        self._aead = AESGCM(derived)

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        raise TypeError("a cipher is not pickled")

    @sealed
    def encrypt(self, api_key: str, *, provider_name: str) -> str:
        """Return ``ENC:2:`` and, in URL-safe base64, a random nonce, the ciphertext and its tag.

        Raises:
            ConfigurationError: UTF-8 cannot encode the API key.
        """
        nonce = os.urandom(_NONCE_BYTES)
        try:
            plaintext = api_key.encode()
        except UnicodeEncodeError:  # which carries the text
            raise ConfigurationError("the API key must be text that UTF-8 can encode") from None
        token = nonce + self._aead.encrypt(nonce, plaintext, provider_name.encode())
        return _PREFIX + base64.urlsafe_b64encode(token).decode()

    @sealed
    def decrypt(self, stored: object, *, provider_name: str) -> str:
        """Return the API key that :meth:`encrypt` was given for this provider.

        Raises:
            VaultDamagedError: It was not encrypted for this provider under this vault's key.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see use(), which has imported it

        if not isinstance(stored, str) or not stored.startswith(_PREFIX):
            problem = "a stored API key is not in the form that binds it to its provider; save it again"
            raise VaultDamagedError(None, problem)
        try:
            token = base64.b64decode(stored.removeprefix(_PREFIX), b"-_", validate=True)
            return self._aead.decrypt(token[:_NONCE_BYTES], token[_NONCE_BYTES:], provider_name.encode()).decode()
        except (InvalidTag, ValueError):
            problem = "a stored API key does not authenticate: it was damaged, or stored for a provider of another name"
            raise VaultDamagedError(None, f"{problem}; save it again") from None
