"""Store of a vault: the database file, or a database in memory, with its key, its lock and its identity.

The methods block and may be called from any thread. The one that is called for the first time imports what only it
needs: backups, upgrades and the like are a third of the library, and few programs need all of them.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeAlias

from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.driver_errors import TryAgainError
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.database.sqlcipher.paths import is_there, require_plain_companions, resolved
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.errors import (
    ConfigurationError,
    NotOnThisBackendError,
    VaultBusyError,
    VaultClosedError,
    VaultDamagedError,
    VaultForkedError,
    VaultInUseError,
    VaultNotFoundError,
    VaultReplacedError,
    WrongPassphraseError,
)
from zorivest_async.security import ApiKeyCipher, Credentials, KdfProfile, VaultKey, new_salt
from zorivest_async.vault.connecting import create_engine_over
from zorivest_async.vault.file_format import (
    bad_pages,
    check_schema,
    create_file,
    create_schema,
    derive_file_key,
    new_vault_key,
)
from zorivest_async.vault.held import open_held, share_file
from zorivest_async.vault.identity import FileWatch, required_file
from zorivest_async.vault.lock import VaultLock
from zorivest_async.vault.server import ServerStore
from zorivest_async.vault.sidecars import remove_spent_journal, spent_journal_of
from zorivest_async.vault.verify_report import CHEAPEST_NOTE, VerifyReport
from zorivest_async.vault.work_folder import remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Generator
    from os import PathLike

    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.sqlcipher.write_latch import WriteLatch

__all__ = ["AnyStore", "VaultStore"]

_STORE_AND_MAINTENANCE: Final = 2
"""Number of users of the lock while no connection is open."""

CONNECT_SLICE_S: Final = 0.02
"""How long a connection waits on its thread while the file is replaced; its driver retries between slices."""

REPLACING: Final = (
    "this vault was changing its passphrase for the whole busy timeout; try again, or open it with a longer one"
)

CHECK_INTERVAL_S: Final = 0.05
"""Interval at which an operation that waits for another one checks for a stop."""


class VaultStore:
    """A vault's database and its key.

    Args:
        path: The file; ``None`` in memory.
        uri: The URI that SQLite opens.
        key: The raw key and salt.
        settings: Settings of its connections.
        lock: The file's lock, which is released when the store and its last connection are closed or garbage-collected;
            by default one that locks nothing, for a database in memory.
        keeper: A connection that keeps a database in memory alive while no other is open.
        watch: The identity of the file; ``None`` in memory.

    Attributes:
        path: The file; ``None`` in memory.
        api_key_cipher: Encrypts API keys under the present key.
    """

    def __init__(
        self,
        path: Path | None,
        uri: str,
        key: VaultKey,
        settings: ConnectionSettings,
        *,
        lock: VaultLock | None = None,
        keeper: sqlcipher.Connection | None = None,
        watch: FileWatch | None = None,
    ) -> None:
        self.path = path
        self._uri = uri
        self._key = key
        self._settings = settings
        self.api_key_cipher = ApiKeyCipher(key.key)
        self._lock = lock or VaultLock(None)
        self._keeper = keeper
        self._watch = watch
        self._process = current()
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
        settings: ConnectionSettings | None = None,
    ) -> Self:
        """Derive and check the key of a vault file, or create the file; it runs Argon2 once.

        Args:
            path: The file; symbolic links are followed.
            operation: Stops the wait on request.
            credentials: The passphrase or the key.
            create: Create the vault if the file does not exist.
            profile: Cost profile of the key derivation of a new vault.
            settings: Settings of its connections. Their busy timeout is also the maximum wait for a process that
                creates, replaces or upgrades the vault; by default it does not wait.

        Raises:
            VaultInUseError: The wait was too long, or another process has an earlier file of this name open.
            VaultForkedError: The parent process had the file open when it forked.
            VaultError: The vault does not exist, the key does not open it, it cannot be created, or it has two names.
            ConfigurationError: The passphrase or the key is invalid.
        """
        operation = operation or Operation()
        settings = settings or ConnectionSettings(busy_timeout_s=0.0)
        timeout_s = settings.busy_timeout_s
        _ = BACKENDS["sqlite"]  # imported in this thread, and not by the first unit of work on the event loop
        file = resolved(Path(path))
        new: VaultKey | None = None
        is_new = not is_there(file)
        require_plain_companions(file)
        if is_new:
            if not create:
                raise VaultNotFoundError(file)
            new = new_vault_key(credentials, profile, operation.check)
        lock = VaultLock(file, timeout_s, operation.check)
        try:
            made = new is not None and _create(file, new, lock)
            _remove_leftovers(file, lock)
            share_file(file, lock)
            watch = FileWatch(file, required_file(file))
            if new is not None and made:
                return cls(file, vault_uri(file), new, settings, lock=lock, watch=watch)
            found = derive_file_key(file, credentials, operation.check)

            def is_old() -> bool:
                lock.share()
                watch.file = required_file(file)
                return _is_old(file, found, operation, timeout_s)

            def upgrade() -> None:
                from zorivest_async.vault.upgrade import upgrade_file  # noqa: PLC0415 - see above

                upgrade_file(file, found, SCHEMA_VERSION, operation)
                watch.file = required_file(file)
                lock.record(watch.file[1])

            lock.change_once(is_old, upgrade)
            lock.share()
            operation.check()
            return cls(file, vault_uri(file), found, settings, lock=lock, watch=watch)
        except BaseException:
            lock.let_go()
            raise

    @classmethod
    def in_memory(cls, settings: ConnectionSettings) -> Self:
        """Create a vault in memory, under a random key."""
        _ = BACKENDS["sqlite"]  # as above
        # The memdb VFS shares one database between the connections of a process that use the same name.
        uri = f"file:/zorivest-{secrets.token_hex(16)}?vfs=memdb"
        key = VaultKey(secrets.token_bytes(32), new_salt(KdfProfile.CHEAPEST))
        keeper = open_cipher(uri, key, settings)
        create_schema(keeper)
        return cls(None, uri, key, settings, keeper=keeper)

    @property
    def name(self) -> str:
        """The path, or ``":memory:"``."""
        return str(self.path or ":memory:")

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    def create_engines(self, readers: int, write_latch: WriteLatch) -> tuple[AsyncEngine, AsyncEngine]:
        """Return the engine that writes, and the one that reads; in memory, both have the same connection."""
        settings = self._settings
        engine = create_engine_over(self.connect, settings, pool_size=1, write_latch=write_latch)
        if self.path is None:
            return engine, engine.execution_options(sqlcipher_read_only=True)
        return engine, create_engine_over(self.connect, replace(settings, read_only=True), pool_size=readers)

    def connect(self, settings: ConnectionSettings) -> sqlcipher.Connection:
        """Open a connection.

        It does not wait for long, as its thread cannot be interrupted; the driver retries.

        Raises:
            VaultClosedError: The store is closed.
            TryAgainError: The file is being replaced, by the vault itself or by another process.
            VaultReplacedError: The file was moved, deleted or replaced.
            WrongPassphraseError: Another process has replaced the file.
        """
        if not self._replacing_file.acquire(timeout=CONNECT_SLICE_S):
            self.require_open()
            raise TryAgainError(VaultBusyError(self.path, REPLACING))
        try:
            self.require_open()
            try:
                self._lock.share(wait=False)
            except VaultInUseError as error:
                raise TryAgainError(error) from error
            return self._open(settings)
        finally:
            self._replacing_file.release()

    def _open(self, settings: ConnectionSettings) -> sqlcipher.Connection:
        if self.path is None or self._watch is None:
            return open_cipher(self._uri, self._key, settings)
        return open_held(self.path, self._key, settings, self._lock, self._watch)

    def backup(self, destination: Path, operation: Operation) -> None:
        """Copy the last committed state to a new file; see :func:`maintenance.backup`."""
        from zorivest_async.vault import maintenance  # noqa: PLC0415 - see above

        path = self.require_file()
        with self._maintenance(operation):
            maintenance.backup(path, self._key, destination, operation)

    def rekey(self, credentials: Credentials, profile: KdfProfile | None, operation: Operation) -> None:
        """Replace the file with a copy under a new passphrase; see :func:`maintenance.rekey`.

        Args:
            credentials: The new passphrase.
            profile: Cost profile of the key derivation; ``None`` keeps the profile of the file's salt.
            operation: As there.
        """
        from zorivest_async.vault import maintenance  # noqa: PLC0415 - see above

        path, key = self.require_file(), new_vault_key(credentials, profile or self._profile, operation.check)
        with self._maintenance(operation) as lock, self._replacing_file:
            if lock.users > _STORE_AND_MAINTENANCE:
                # Connections of this vault would be unsafe while the lock is released to be taken exclusively.
                raise VaultInUseError(path)
            with lock.taken():
                remove_spent_journal(path)
                maintenance.rekey(path, self._key, key, operation, partial(self._use_key, key, path))

    def _use_key(self, key: VaultKey, path: Path) -> None:
        """Switch to the file that has just replaced the vault."""
        self._key = key
        if self._watch is not None:
            self._watch.file = required_file(path)
            self._lock.record(self._watch.file[1])
        self.api_key_cipher.use(key.key)

    def verify(self, operation: Operation) -> VerifyReport:
        """Verify the vault; see :func:`verifying.verify`."""
        from zorivest_async.vault.verifying import verify  # noqa: PLC0415 - see above

        settings = self._settings
        with self._maintenance(operation) as lock:
            with self._replacing_file:
                lock.share()
            try:
                report = verify(partial(self._open, settings), self.path, operation)
            except (VaultDamagedError, WrongPassphraseError):  # the passphrase was right when the vault was opened
                with operation.detachable():
                    report = VerifyReport(("the vault cannot be opened", *bad_pages(self._uri, self._key)), 0)
        cheap = self.path is not None and self._profile is KdfProfile.CHEAPEST
        return replace(report, notes=(*report.notes, CHEAPEST_NOTE)) if cheap else report

    @property
    def _profile(self) -> KdfProfile:
        """The profile of the file's salt."""
        return KdfProfile.DEFAULT if self._key.salt is None else KdfProfile.of_salt(self._key.salt)

    @contextmanager
    def _maintenance(self, operation: Operation) -> Generator[VaultLock]:
        """Wait for other maintenance of the file, and hold the file's lock during the block."""
        while not self._maintaining.acquire(timeout=CHECK_INTERVAL_S):
            operation.check()
        try:
            with self._replacing_file:
                self.require_open()
                if self._watch is not None:
                    self._watch.require_there()
                self._lock.retain()
            try:
                yield self._lock
            finally:
                self._lock.let_go()
        finally:
            self._maintaining.release()

    def close(self) -> None:
        """Refuse further connections, and release a database in memory.

        Raises:
            VaultForkedError: The vault was opened before the process forked, and belongs to the parent.
        """
        self.require_process()
        with self._replacing_file:
            closed, self._closed = self._closed, True
        if not closed:
            self._lock.let_go()
        if self._keeper is not None:
            self._keeper.close()

    def require_open(self) -> None:
        """Raise unless the store is open.

        Raises:
            VaultForkedError: It was opened before the process forked.
            VaultClosedError: It is closed.
            VaultReplacedError: Its file was found moved, deleted or replaced.
        """
        if self._process.left_behind:
            raise VaultForkedError
        if self._closed:
            raise VaultClosedError("the vault is closed")
        if self._watch is not None and self._watch.ended:
            raise VaultReplacedError(self.path)

    def require_process(self) -> None:
        """Raise in a child.

        Raises:
            VaultForkedError: The store was opened before the process forked.
        """
        if current() is not self._process:
            raise VaultForkedError

    def of_file(self, _operation: str) -> Self:
        """Return the store, for an operation on its file.

        Raises:
            ConfigurationError: It is in memory.
        """
        self.require_file()
        return self

    def of_server(self, operation: str) -> NoReturn:
        """Refuse an operation on a journal of a server.

        Raises:
            NotOnThisBackendError: Always.
        """
        raise NotOnThisBackendError(operation, "a vault file has one passphrase; change it with rekey()")

    def of_database(self, _operation: str) -> Self:
        """Return the store, for an operation on its database, which may be in memory."""
        return self

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


AnyStore: TypeAlias = VaultStore | ServerStore
"""What a vault is stored in: a file or memory, or a journal on a server."""


def _create(file: Path, key: VaultKey, lock: VaultLock) -> bool:
    made = False

    def make() -> None:
        nonlocal made
        made = create_file(file, key, create_schema)

    lock.change_once(lambda: not file.exists(), make)
    return made


def _is_old(file: Path, key: VaultKey, operation: Operation, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return check_schema(file, key) < SCHEMA_VERSION
        except VaultBusyError:  # another process recovers the vault, or is the last to close it
            if time.monotonic() >= deadline:
                raise
            operation.check()


def _remove_leftovers(file: Path, lock: VaultLock) -> None:
    """Remove leftovers of dead processes, including a second link to the vault if one died while naming it."""
    remove_leftovers(file.parent)
    if spent_journal_of(file) is not None:
        with suppress(VaultInUseError):  # another process has the vault open; a later opening removes them
            lock.take()
            remove_spent_journal(file)
