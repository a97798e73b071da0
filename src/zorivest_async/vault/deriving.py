"""Key derivation, with a maximum number of concurrent derivations in a process.

Each derivation takes tens or hundreds of megabytes while it runs. Without a bound, many concurrent logins would exhaust
the memory. The functions block: call them in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.database.sqlcipher.process import current
from zorivest_async.security import KdfProfile, VaultKey, argon2id
from zorivest_async.security.tracebacks import sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.security import Credentials

__all__ = ["derive_key", "file_key"]


@sealed
def derive_key(passphrase: str, salt: bytes, profile: KdfProfile = KdfProfile.DEFAULT) -> bytes:
    """Derive the 32-byte key of a vault with Argon2id, version 1.3.

    It takes the time and memory of ``profile`` and releases the interpreter's lock meanwhile: call it in a thread, not
    on an event loop. :class:`~zorivest_async.Vault` does so, once for each opening. A process derives at most two keys
    at a time; other threads wait in order of arrival.

    Args:
        passphrase: Any non-empty text. It is normalised to NFC, so that the same letters typed on another system give
            the same key.
        salt: At least 8 bytes (RFC 9106, section 3.1); a vault's has 16.
        profile: Cost profile. A vault names its own in the first byte of its salt.

    Raises:
        ConfigurationError: The passphrase is empty, or is not text that UTF-8 can encode; the salt is too short; an
            argument has the wrong type; or there is not enough memory for the profile.

    Example:
        >>> len(derive_key("correct horse", b"0123456789abcdef", KdfProfile.CHEAPEST))
        32
    """
    with current().derivations.place():
        return argon2id(passphrase, salt, profile)


def file_key(credentials: Credentials, salt: bytes, check: Callable[[], object] = lambda: None) -> VaultKey:
    """Return the key of a file with this salt; for a passphrase, it runs Argon2 with the profile of the salt.

    Args:
        credentials: The passphrase or the key.
        salt: The first 16 bytes of the file.
        check: Called while waiting for other derivations of this process; an exception ends the wait.

    Raises:
        ConfigurationError: The passphrase or the key is invalid.
    """
    if credentials.passphrase is None:
        return credentials.vault_key(salt)
    with current().derivations.place(check):
        return credentials.vault_key(salt)
