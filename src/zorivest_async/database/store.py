"""Where a vault's connections come from: a file, or a place in memory, and the key to it.

Plain methods that block and may be called from any thread.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async.database import maintenance
from zorivest_async.database.cipher import ConnectionSettings, open_cipher, open_cipher_as, vault_uri
from zorivest_async.database.files import leftovers_of, remove_leftovers
from zorivest_async.database.lock import VaultLock
from zorivest_async.database.long_operation import Operation
from zorivest_async.database.migrations.upgrade import upgrade_file
from zorivest_async.database.models import SCHEMA_VERSION
from zorivest_async.database.vault_file import (
    bad_pages,
    check_schema,
    create_file,
    create_schema,
    derive_file_key,
    new_vault_key,
)
from zorivest_async.database.verifying import VerifyReport, verify
from zorivest_async.errors import (
    ConfigurationError,
    NotAVaultError,
    VaultBusyError,
    VaultClosedError,
    VaultDamagedError,
    VaultInUseError,
    VaultNotFoundError,
    WrongPassphraseError,
)
from zorivest_async.security import ApiKeyCipher, Credentials, KdfProfile, VaultKey, new_salt

if TYPE_CHECKING:
    from collections.abc import Generator
    from os import PathLike

__all__ = ["VaultStore"]

_STORE_AND_MAINTENANCE: Final = 2
"""Users of the lock while no connection is open."""

CHECK_INTERVAL_S: Final = 0.05
"""How often one who waits for another's maintenance looks whether he is still wanted."""


class _LockedConnection(sqlcipher.Connection):
    """A connection that lets go of the vault's lock when it is closed."""

    lock: VaultLock | None = None

    def close(self) -> None:
        super().close()
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.let_go()


class VaultStore:
    """A vault's database and the key to it.

    Args:
        path: The file; ``None`` in memory.
        uri: What SQLite opens.
        key: The raw key and salt.
        lock: The file's lock, which is let go of when the store and its last connection are closed, or forgotten; by
            default one that locks nothing, for a database in memory.
        keeper: A connection that keeps a database in memory alive while no other is open.

    Attributes:
        path: The file; ``None`` in memory.
        api_key_cipher: Encrypts API keys under the present key.
    """

    def __init__(
        self,
        path: Path | None,
        uri: str,
        key: VaultKey,
        lock: VaultLock | None = None,
        keeper: sqlcipher.Connection | None = None,
    ) -> None:
        self.path = path
        self._uri = uri
        self._key = key
        self.api_key_cipher = ApiKeyCipher(key.key)
        self._lock = lock or VaultLock(None)
        self._keeper = keeper
        self._closed = False
        self._replacing_file = threading.Lock()
        self._maintaining = threading.Lock()

    @classmethod
    def open_file(
        cls,
        path: str | PathLike[str],
        operation: Operation | None = None,
        *,
        credentials: Credentials,
        create: bool,
        profile: KdfProfile,
        timeout_s: float = 0.0,
    ) -> Self:
        """Find the key of a vault file and check it, or create the file; Argon2 runs here, once.

        Args:
            path: The file; a symbolic link stands for what it leads to.
            operation: Tells when to stop waiting.
            credentials: What opens it.
            create: Make the vault if there is no file.
            profile: What a guess at a new vault's passphrase costs.
            timeout_s: How long to wait for one who makes, replaces or upgrades the vault, in seconds.

        Raises:
            VaultInUseError: The wait was too long.
            VaultError: There is no vault, or the key does not open it, or it cannot be created.
            ConfigurationError: The passphrase or the key cannot be one.
        """
        operation = operation or Operation()
        file = Path(path).resolve()
        if file.is_dir():
            raise NotAVaultError(file, "this is a folder, not a vault")
        new: VaultKey | None = None
        if not file.exists():
            if not create:
                raise VaultNotFoundError(file)
            new = new_vault_key(credentials, profile)
        lock = VaultLock(file, timeout_s, operation.check)
        try:
            made = new is not None and _create(file, new, lock)
            _remove_leftovers(file, lock)
            lock.share()
            if new is not None and made:
                return cls(file, vault_uri(file), new, lock)
            found = derive_file_key(file, credentials)
            lock.change_once(
                lambda: _is_old(file, found, lock, operation, timeout_s),
                lambda: upgrade_file(file, found, SCHEMA_VERSION, operation),
            )
            lock.share()
            operation.check()
            return cls(file, vault_uri(file), found, lock)
        except BaseException:
            lock.let_go()
            raise

    @classmethod
    def in_memory(cls, settings: ConnectionSettings) -> Self:
        """Create a vault in memory, under a random key."""
        # The memdb VFS shares one database between the connections of a process that name it alike.
        uri = f"file:/zorivest-{secrets.token_hex(16)}?vfs=memdb"
        key = VaultKey(secrets.token_bytes(32), new_salt(KdfProfile.CHEAPEST))
        keeper = open_cipher(uri, key, settings)
        create_schema(keeper)
        return cls(None, uri, key, keeper=keeper)

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
            VaultInUseError: Somebody else is replacing the file.
            WrongPassphraseError: Somebody else has replaced it.
        """
        with self._replacing_file:
            self.require_open()
            self._lock.share()
            raw = open_cipher_as(_LockedConnection, self._uri, self._key, settings)
            self._lock.retain()
            raw.lock = self._lock
            return raw

    def backup(self, destination: Path, operation: Operation) -> None:
        """Copy the last committed state to a new file; see :func:`maintenance.backup`."""
        path = self.require_file()
        with self._maintenance(operation):
            maintenance.backup(path, self._key, destination, operation)

    def rekey(self, credentials: Credentials, profile: KdfProfile, operation: Operation) -> None:
        """Replace the file by a copy under a new passphrase; see :func:`maintenance.rekey`."""
        path, key = self.require_file(), new_vault_key(credentials, profile)
        with self._maintenance(operation) as lock, self._replacing_file:
            if lock.users > _STORE_AND_MAINTENANCE:
                # Connections of this very vault would not be safe while the lock is given up to be taken alone.
                raise VaultInUseError(path)
            with lock.taken():
                remove_leftovers(path)
                maintenance.rekey(path, self._key, key, operation)
                self._key = key
                self.api_key_cipher.use(key.key)

    def verify(self, settings: ConnectionSettings, operation: Operation) -> VerifyReport:
        """Check everything; see :func:`verifying.verify`."""
        with self._maintenance(operation):
            try:
                return verify(partial(self.connect, settings), self.path, operation)
            except (VaultDamagedError, WrongPassphraseError):  # which was right when the vault was opened
                return VerifyReport(("the vault cannot be opened", *bad_pages(self._uri, self._key)), 0)

    @contextmanager
    def _maintenance(self, operation: Operation) -> Generator[VaultLock]:
        """Wait for other work on the whole file, and hold the file's lock for the length of the block."""
        while not self._maintaining.acquire(timeout=CHECK_INTERVAL_S):
            operation.check()
        try:
            with self._replacing_file:
                self.require_open()
                self._lock.retain()
            try:
                yield self._lock
            finally:
                self._lock.let_go()
        finally:
            self._maintaining.release()

    def close(self) -> None:
        """Open no further connections, and let go of a database in memory."""
        with self._replacing_file:
            closed, self._closed = self._closed, True
        if not closed:
            self._lock.let_go()
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


def _create(file: Path, key: VaultKey, lock: VaultLock) -> bool:
    made = False

    def make() -> None:
        nonlocal made
        made = create_file(file, key, create_schema)

    lock.change_once(lambda: not file.exists(), make)
    return made


def _is_old(file: Path, key: VaultKey, lock: VaultLock, operation: Operation, timeout_s: float) -> bool:
    lock.share()
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return check_schema(file, key) < SCHEMA_VERSION
        except VaultBusyError:  # somebody recovers the vault, or was the last to close it
            if time.monotonic() >= deadline:
                raise
            operation.check()


def _remove_leftovers(file: Path, lock: VaultLock) -> None:
    if leftovers_of(file):
        with suppress(VaultInUseError):  # somebody is at work, or has the vault open; there will be another time
            lock.take()
            remove_leftovers(file)
