"""Where a vault's connections come from: a file, or a place in memory, and the key to it.

Plain methods that block and may be called from any thread.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Self

from zorivest_async.database import maintenance
from zorivest_async.database.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.vault_file import (
    check_schema,
    create_file,
    create_schema,
    derive_file_key,
    new_vault_key,
    read_salt,
)
from zorivest_async.errors import ConfigurationError, VaultClosedError
from zorivest_async.security import KdfProfile, VaultKey, new_salt

if TYPE_CHECKING:
    from os import PathLike

    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.maintenance import VerifyReport

__all__ = ["VaultStore"]


class VaultStore:
    """A vault's database and the key to it.

    Args:
        path: The file; ``None`` in memory.
        uri: What SQLite opens.
        key: The raw key and salt.
        keeper: A connection that keeps a database in memory alive while no other is open.
    """

    def __init__(self, path: Path | None, uri: str, key: VaultKey, keeper: sqlcipher.Connection | None = None) -> None:
        self.path = path
        self._uri = uri
        self._key = key
        self._keeper = keeper
        self._closed = False
        self._replacing_file = threading.Lock()

    @classmethod
    def open_file(
        cls,
        path: str | PathLike[str],
        passphrase: str | None,
        key: bytes | None,
        create: bool,
        profile: KdfProfile,
    ) -> Self:
        """Find the key of a vault file and check it, or create the file; Argon2 runs here, once.

        Raises:
            VaultError: There is no vault, or the key does not open it, or it cannot be created.
            ConfigurationError: The passphrase or the key cannot be one.
        """
        file = Path(path).absolute()
        if create and not file.exists():
            new = VaultKey(key, new_salt(profile)) if key is not None else new_vault_key(passphrase or "", profile)
            if create_file(file, new, create_schema):
                return cls(file, vault_uri(file), new)
        found = VaultKey(key, read_salt(file)) if key is not None else derive_file_key(file, passphrase or "")
        check_schema(file, found)
        return cls(file, vault_uri(file), found)

    @classmethod
    def in_memory(cls, settings: ConnectionSettings) -> Self:
        """Create a vault in memory, under a random key."""
        # The memdb VFS shares one database between the connections of a process that name it alike.
        uri = f"file:/zorivest-{secrets.token_hex(16)}?vfs=memdb"
        key = VaultKey(secrets.token_bytes(32), new_salt(KdfProfile.CHEAPEST))
        keeper = open_cipher(uri, key, settings)
        create_schema(keeper)
        return cls(None, uri, key, keeper)

    @property
    def key(self) -> VaultKey:
        """The raw key and salt."""
        return self._key

    @property
    def name(self) -> str:
        """The path, or ``":memory:"``."""
        return str(self.path or ":memory:")

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    def connect(self, settings: ConnectionSettings) -> sqlcipher.Connection:
        """Open a connection; waits while the file is being replaced.

        Raises:
            VaultClosedError: The store is closed.
        """
        with self._replacing_file:
            self.require_open()
            return open_cipher(self._uri, self._key, settings)

    def backup(self, destination: Path) -> None:
        """Copy the last committed state to a new file; see :func:`maintenance.backup`."""
        maintenance.backup(self.require_file(), self._key, destination)

    def rekey(self, passphrase: str, profile: KdfProfile) -> None:
        """Replace the file by a copy under a new passphrase; see :func:`maintenance.rekey`."""
        path, key = self.require_file(), new_vault_key(passphrase, profile)
        with self._replacing_file:
            maintenance.rekey(path, self._key, key)
            self._key = key

    def verify(self, settings: ConnectionSettings) -> VerifyReport:
        """Check everything; see :func:`maintenance.verify`."""
        with closing(self.connect(settings)) as raw:
            return maintenance.verify(raw)

    def close(self) -> None:
        """Open no further connections, and let go of a database in memory."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.close()

    def require_open(self) -> None:
        """Raise unless the store is open.

        Raises:
            VaultClosedError: It is closed.
        """
        if self._closed:
            raise VaultClosedError("the vault is closed")

    def require_file(self) -> Path:
        """Return the path.

        Raises:
            VaultClosedError: The store is closed.
            ConfigurationError: It is in memory.
        """
        self.require_open()
        if self.path is None:
            raise ConfigurationError("a vault in memory has no file")
        return self.path
