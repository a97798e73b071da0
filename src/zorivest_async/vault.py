"""The vault: one encrypted file, the engines over it, and whatever its units of work share."""

from __future__ import annotations

import asyncio
import secrets
import threading
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from anyio import to_thread

from zorivest_async.database import maintenance
from zorivest_async.database.cipher import ConnectionSettings, Durability, open_cipher, vault_uri
from zorivest_async.database.connection import create_engine_over
from zorivest_async.database.finishing import finish
from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
from zorivest_async.database.vault_file import (
    check_schema,
    create_file,
    create_schema,
    derive_file_key,
    new_vault_key,
    read_salt,
)
from zorivest_async.database.write_queue import WriteQueue
from zorivest_async.errors import ConfigurationError, UnitOfWorkError, VaultClosedError
from zorivest_async.images import ImageOffload, ImagePolicy
from zorivest_async.security import ApiKeyCipher, KdfProfile, VaultKey, new_salt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from os import PathLike
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlcipher3 import dbapi2 as sqlcipher

    from zorivest_async.database.maintenance import VerifyReport

__all__ = ["Vault"]


class Vault:
    """A trading journal in one encrypted file.

    Get one from :meth:`open` or :meth:`in_memory`; close it with ``async with`` or :meth:`aclose`. A vault may be used
    by all tasks of the event loop that opened it, each with units of work of its own: one of them writes at a time, in
    order of arrival, and readers see the last committed state without waiting.
    """

    def __init__(
        self,
        path: Path | None,
        uri: str,
        key: VaultKey,
        settings: ConnectionSettings,
        *,
        readers: int,
        images: ImagePolicy,
        keeper: sqlcipher.Connection | None = None,
    ) -> None:
        self._path, self._uri, self._key, self._keeper = path, uri, key, keeper
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._replacing_file = threading.Lock()
        self._write_queue = WriteQueue(settings.busy_timeout_s)
        self._image_offload = ImageOffload(images)
        self._api_key_cipher = ApiKeyCipher(key.key)
        self._engine = self._create_engine(settings, pool_size=1)
        self._read_engine = self._engine
        if keeper is None:
            self._read_engine = self._create_engine(replace(settings, read_only=True), pool_size=readers)
        self._unclosed = weakref.finalize(self, _warn_unclosed, str(path or ":memory:"))

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        passphrase: str | None = None,
        key: bytes | None = None,
        create: bool = True,
        profile: KdfProfile = KdfProfile.DEFAULT,
        durability: Durability = "full",
        readers: int = 4,
        busy_timeout_s: float = 30.0,
        images: ImagePolicy | None = None,
    ) -> _Opening:
        """Open a vault, or create it: ``async with Vault.open(...) as vault`` or ``vault = await Vault.open(...)``.

        The key is derived once, in a thread; connections then open in about a millisecond each, when first needed.
        A new file appears complete or not at all, readable by its owner alone.

        Args:
            path: The file.
            passphrase: Any non-empty text; composed and decomposed spellings (NFC, NFD) are the same.
            key: 32 raw bytes instead of a passphrase.
            create: Make the vault if there is no file.
            profile: What a guess at the passphrase of a new vault costs; an existing one names its own.
            durability: ``"full"`` (default): what was committed survives a power failure. ``"normal"``: the last
                commits may not; faster.
            readers: Most read-only units of work at a time.
            busy_timeout_s: How long a writer waits for its turn, and for other processes, in seconds.
            images: Limits on images; the default is :class:`~zorivest_async.ImagePolicy`'s.

        Raises:
            ConfigurationError: Not exactly one of ``passphrase`` and ``key``, an empty passphrase, a setting that
                cannot work.
            VaultNotFoundError: There is no file and ``create=False``, or no folder.
            WrongPassphraseError: The passphrase or key does not open the vault.
            NotAVaultError: The path is a folder or another program's file.
            NotEncryptedError: The file is a plaintext SQLite database.
            VaultVersionError: A newer release wrote the vault.
            VaultDamagedError: Part of the file does not authenticate.
            MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.
        """
        if (passphrase is None) == (key is None):
            raise ConfigurationError("give exactly one of passphrase and key")
        if passphrase == "":
            raise ConfigurationError("the passphrase must not be empty")
        if readers < 1:
            raise ConfigurationError("readers must be at least 1")
        settings = ConnectionSettings(durability=durability, busy_timeout_s=busy_timeout_s)
        policy = images if images is not None else ImagePolicy()

        async def open_vault() -> Vault:
            file, vault_key = await to_thread.run_sync(_unlock, path, passphrase, key, create, profile)
            return cls(file, vault_uri(file), vault_key, settings, readers=readers, images=policy)

        return _Opening(open_vault)

    @classmethod
    def in_memory(cls, *, busy_timeout_s: float = 30.0, images: ImagePolicy | None = None) -> _Opening:
        """Open a fresh vault that lives in memory, encrypted under a random key, until it is closed: for tests.

        It has one connection: units of work take turns, those that only read among them.

        Args:
            busy_timeout_s: How long a unit of work waits for its turn, in seconds.
            images: Limits on images; the default is :class:`~zorivest_async.ImagePolicy`'s.
        """
        settings = ConnectionSettings(busy_timeout_s=busy_timeout_s, journal_mode="MEMORY")
        policy = images if images is not None else ImagePolicy()

        async def open_vault() -> Vault:
            # The memdb VFS shares one database between the connections of a process that name it alike.
            uri = f"file:/zorivest-{secrets.token_hex(16)}?vfs=memdb"
            key = VaultKey(secrets.token_bytes(32), new_salt(KdfProfile.CHEAPEST))
            keeper = await to_thread.run_sync(_create_in_memory, uri, key, settings)
            return cls(None, uri, key, settings, readers=1, images=policy, keeper=keeper)

        return _Opening(open_vault)

    @property
    def path(self) -> Path | None:
        """The file; ``None`` for a vault in memory."""
        return self._path

    @property
    def engine(self) -> AsyncEngine:
        """The writing engine, for SQL of your own; it has one connection, which the writing unit of work holds.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._require_open()
        return self._engine

    @property
    def read_engine(self) -> AsyncEngine:
        """The reading engine, for SQL of your own; its connections refuse writes.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._require_open()
        return self._read_engine

    def unit_of_work(self, *, read_only: bool = False) -> SqlAlchemyUnitOfWork:
        """Return a unit of work; enter it in the task that will use it.

        Args:
            read_only: Read a consistent state, the last committed one, without waiting for the writer.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._require_open()
        return SqlAlchemyUnitOfWork(
            self._read_engine if read_only else self._engine,
            api_key_cipher=self._api_key_cipher,
            images=self._image_offload,
            write_queue=self._write_queue if not read_only or self._keeper is not None else None,
            check_usable=self._require_usable,
        )

    async def backup(self, destination: str | PathLike[str]) -> None:
        """Copy the last committed state to a new file, which the same passphrase opens, while others go on.

        The copy is verified before it gets its name. Finishes even when its task is cancelled.

        Args:
            destination: Where; nothing must be there.

        Raises:
            ConfigurationError: The vault is in memory.
            VaultError: Something is there already, or the folder cannot be written to.
            VaultFullError: The disk is full.
            VaultDamagedError: The copy does not verify, so it was thrown away.
            VaultClosedError: The vault is closed.
        """
        path = self._require_file()
        await finish(to_thread.run_sync(maintenance.backup, path, self._key, Path(destination)))

    async def rekey(self, passphrase: str, *, profile: KdfProfile = KdfProfile.DEFAULT) -> None:
        """Change the passphrase: a copy under the new one is made, verified, and takes the vault's place in one step.

        Needs space for the copy, and nobody else using the vault; units of work that begin meanwhile wait. Backups made
        earlier still open with the old passphrase. Finishes even when its task is cancelled.

        Args:
            passphrase: The new one.
            profile: What a guess at it costs.

        Raises:
            VaultInUseError: A unit of work, or another process, holds the vault; nothing has changed.
            ConfigurationError: The passphrase is empty, or the vault is in memory.
            VaultFullError: The disk is full; nothing has changed.
            VaultClosedError: The vault is closed.
        """
        path = self._require_file()
        key = await to_thread.run_sync(new_vault_key, passphrase, profile)
        await self._write_queue.acquire()
        try:
            await finish(self._replace_file(path, key))
        finally:
            self._write_queue.release()

    async def _replace_file(self, path: Path, key: VaultKey) -> None:
        await self._dispose_engines()

        def replace_file() -> None:
            with self._replacing_file:
                maintenance.rekey(path, self._key, key)
                self._key = key

        await to_thread.run_sync(replace_file)
        self._api_key_cipher = ApiKeyCipher(key.key)

    async def verify(self) -> VerifyReport:
        """Check every page, structure and reference, and return what is wrong.

        Pages are authenticated as they are on the disk, after a checkpoint. What nothing inside the file can show: that
        it was replaced by an older copy of itself. Reading goes on meanwhile; so does writing.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._require_open()
        return await to_thread.run_sync(lambda: maintenance.verify(self._connect(self._settings)))

    async def aclose(self) -> None:
        """Close the vault: wait for images at work, close idle connections; again, it does nothing.

        Units of work that are still open keep their connection until they end. Finishes even when its task is
        cancelled.
        """
        if not self._closed:
            self._closed = True
            self._unclosed.detach()
            await finish(self._close())

    async def _close(self) -> None:
        await self._image_offload.aclose()
        await self._dispose_engines()
        if self._keeper is not None:
            await to_thread.run_sync(self._keeper.close)

    async def _dispose_engines(self) -> None:
        await self._engine.dispose()
        if self._read_engine is not self._engine:
            await self._read_engine.dispose()

    def _create_engine(self, settings: ConnectionSettings, *, pool_size: int) -> AsyncEngine:
        # A weak reference, so that the engines do not keep a forgotten vault alive and unreported.
        vault = weakref.ref(self)

        def connect() -> sqlcipher.Connection:
            owner = vault()
            if owner is None or owner._closed:  # noqa: SLF001 - its own closure
                raise VaultClosedError("the vault is closed")
            return owner._connect(settings)  # noqa: SLF001

        return create_engine_over(connect, settings, pool_size=pool_size)

    def _connect(self, settings: ConnectionSettings) -> sqlcipher.Connection:
        with self._replacing_file:
            return open_cipher(self._uri, self._key, settings)

    def _require_open(self) -> None:
        if self._closed:
            raise VaultClosedError("the vault is closed")

    def _require_usable(self) -> None:
        self._require_open()
        if asyncio.get_running_loop() is not self._loop:
            raise UnitOfWorkError("this vault was opened on another event loop; open it on the one that uses it")

    def _require_file(self) -> Path:
        self._require_open()
        if self._path is None:
            raise ConfigurationError("a vault in memory has no file")
        return self._path

    def __repr__(self) -> str:
        return f"<Vault {str(self._path or ':memory:')!r} {'closed' if self._closed else 'open'}>"

    def __reduce__(self) -> str:
        raise TypeError("a vault is not pickled")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


class _Opening:
    """A vault that is about to be opened: await it for the vault, or enter it to have the vault closed on leaving."""

    def __init__(self, open_vault: Callable[[], Coroutine[Any, Any, Vault]]) -> None:
        self._open_vault = open_vault
        self._vault: Vault | None = None

    def __await__(self) -> Generator[Any, None, Vault]:
        return self._open_vault().__await__()

    async def __aenter__(self) -> Vault:
        self._vault = await self
        return self._vault

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._vault is not None:
            await self._vault.aclose()


def _unlock(
    path: str | PathLike[str], passphrase: str | None, key: bytes | None, create: bool, profile: KdfProfile
) -> tuple[Path, VaultKey]:
    file = Path(path).absolute()
    if create and not file.exists():
        new_key = VaultKey(key, new_salt(profile)) if key is not None else new_vault_key(passphrase or "", profile)
        if create_file(file, new_key, create_schema):
            return file, new_key
    vault_key = VaultKey(key, read_salt(file)) if key is not None else derive_file_key(file, passphrase or "")
    check_schema(file, vault_key)
    return file, vault_key


def _create_in_memory(uri: str, key: VaultKey, settings: ConnectionSettings) -> sqlcipher.Connection:
    keeper = open_cipher(uri, key, settings)
    create_schema(keeper)
    return keeper


def _warn_unclosed(name: str) -> None:
    warnings.warn(
        f"vault {name!r} was not closed; use 'async with' or 'await vault.aclose()'", ResourceWarning, stacklevel=2
    )
