"""Keys: derivation of the file's key from a passphrase, and the cipher of the API keys in it."""

from zorivest_async.security.api_keys import ApiKeyCipher
from zorivest_async.security.credentials import Credentials
from zorivest_async.security.kdf import SALT_BYTES, KdfProfile, VaultKey, argon2id, new_salt, require_profile

__all__ = [
    "SALT_BYTES",
    "ApiKeyCipher",
    "Credentials",
    "KdfProfile",
    "VaultKey",
    "argon2id",
    "new_salt",
    "require_profile",
]
