"""Keys: from a passphrase to the raw key of the file, and from that to the cipher of the API keys in it."""

from zorivest_async.security.api_keys import ApiKeyCipher
from zorivest_async.security.credentials import Credentials
from zorivest_async.security.kdf import SALT_BYTES, KdfProfile, VaultKey, derive_key, new_salt

__all__ = ["SALT_BYTES", "ApiKeyCipher", "Credentials", "KdfProfile", "VaultKey", "derive_key", "new_salt"]
