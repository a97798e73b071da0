"""The vault: one encrypted file, the engines over it, and whatever its units of work share."""

from __future__ import annotations

import asyncio
import warnings
import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from anyio import to_thread

from zorivest_async.database.cipher import ConnectionSettings, Durability
from zorivest_async.database.connection import create_engine_over
from zorivest_async.database.finishing import finish
from zorivest_async.database.long_operation import ProgressCallback, run_operation
from zorivest_async.database.store import VaultStore
from zorivest_async.database.turns import TurnQueue, WriteQueue
from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
from zorivest_async.errors import ConfigurationError, UnitOfWorkError
from zorivest_async.images import ImageOffload, ImagePolicy
from zorivest_async.opening import Opening
from zorivest_async.security import Credentials, KdfProfile
from zorivest_async.upkeep import VaultUpkeep

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["Vault"]


class Vault(VaultUpkeep):
    """A trading journal in one encrypted file.

    Get one from :meth:`open` or :meth:`in_memory`; close it with ``async with`` or :meth:`aclose`. A vault may be used
    by all tasks of the event loop that opened it, each with units of work of its own: one of them writes at a time, in
    order of arrival, and readers see the last committed state without waiting. On another event loop (a second
    ``asyncio.run``, another thread's) it raises :class:`~zorivest_async.UnitOfWorkError`.

    Example:
        >>> async with Vault.open("journal.vault", passphrase="correct horse battery staple") as vault:
        ...     async with vault.unit_of_work(read_only=True) as uow:
        ...         await uow.trades.list_all()
        []
    """

    def __init__(self, store: VaultStore, settings: ConnectionSettings, *, readers: int, images: ImagePolicy) -> None:
        self._store = store
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._write_queue = WriteQueue(settings.busy_timeout_s)
        self._read_turns: TurnQueue = TurnQueue(readers, settings.busy_timeout_s)
        self._image_offload = ImageOffload(images)
        self._engine = create_engine_over(store.connect, settings, pool_size=1)
        if store.path is None:
            self._read_engine = self._engine.execution_options(sqlcipher_read_only=True)
        else:
            reading = replace(settings, read_only=True)
            self._read_engine = create_engine_over(store.connect, reading, pool_size=readers)
        self._unclosed = weakref.finalize(self, _warn_unclosed, store.name)

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
        progress: ProgressCallback | None = None,
    ) -> Opening[Vault]:
        """Open a vault, or create it: ``async with Vault.open(...) as vault`` or ``vault = await Vault.open(...)``.

        The key is derived once, in a thread; connections then open in about a millisecond each, when first needed.
        A new file appears complete or not at all, readable by its owner alone. A vault that an older release wrote is
        upgraded, all of it or nothing, and stays beside the new one as ``<name>.v<version>.backup``; ``create=False``
        does not keep it from that. Cancellation stops the work within half a second and leaves nothing behind; once an
        upgraded vault is being given its name, that is finished first.

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
            progress: Called with each :class:`~zorivest_async.Progress` of an upgrade, on the event loop.

        Raises:
            ConfigurationError: Not exactly one of ``passphrase`` and ``key``, an empty passphrase, a setting that
                cannot work.
            VaultInUseError: Somebody went on changing the passphrase, restoring or upgrading for the busy timeout.
            VaultBusyError: Another program held the file for the busy timeout.
            VaultNotFoundError: There is no file and ``create=False``, or no folder.
            WrongPassphraseError: The passphrase or key does not open the vault.
            NotAVaultError: The path is a folder or another program's file.
            NotEncryptedError: The file is a plaintext SQLite database.
            VaultVersionError: A newer release wrote the vault.
            VaultUpgradeError: An older release wrote the vault, and upgrading it failed; it is as it was.
            VaultDamagedError: Part of the file does not authenticate.
            MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.
        """
        credentials = Credentials(passphrase, key)
        del passphrase, key  # a traceback may show local variables
        credentials.require_one()
        if readers < 1:
            raise ConfigurationError("readers must be at least 1")
        settings = ConnectionSettings(durability=durability, busy_timeout_s=busy_timeout_s)
        policy = images if images is not None else ImagePolicy()

        async def open_vault() -> Vault:
            open_file = partial(VaultStore.open_file, path, credentials=credentials, create=create)
            opening = partial(open_file, profile=profile, timeout_s=busy_timeout_s)
            store = await run_operation(opening, progress, discard=VaultStore.close)
            return cls(store, settings, readers=readers, images=policy)

        return Opening(open_vault)

    @classmethod
    def in_memory(cls, *, busy_timeout_s: float = 30.0, images: ImagePolicy | None = None) -> Opening[Vault]:
        """Open a fresh vault that lives in memory, encrypted under a random key, until it is closed: for tests.

        It has one connection: units of work take turns, those that only read among them.

        Args:
            busy_timeout_s: How long a unit of work waits for its turn, in seconds.
            images: Limits on images; the default is :class:`~zorivest_async.ImagePolicy`'s.

        Raises:
            ConfigurationError: ``busy_timeout_s`` is negative.
            MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.
        """
        settings = ConnectionSettings(busy_timeout_s=busy_timeout_s, journal_mode="MEMORY")
        policy = images if images is not None else ImagePolicy()

        async def open_vault() -> Vault:
            store = await to_thread.run_sync(VaultStore.in_memory, settings)
            return cls(store, settings, readers=1, images=policy)

        return Opening(open_vault)

    @property
    def path(self) -> Path | None:
        """The file; ``None`` for a vault in memory."""
        return self._store.path

    @property
    def engine(self) -> AsyncEngine:
        """The writing engine, for SQL of your own; it has one connection, which the writing unit of work holds.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._store.require_open()
        return self._engine

    @property
    def read_engine(self) -> AsyncEngine:
        """The reading engine, for SQL of your own; its connections refuse writes.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._store.require_open()
        return self._read_engine

    def unit_of_work(self, *, read_only: bool = False) -> SqlAlchemyUnitOfWork:
        """Return a unit of work; enter it in the task that will use it.

        Args:
            read_only: Read a consistent state, the last committed one, without waiting for the writer.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._store.require_open()
        return SqlAlchemyUnitOfWork(
            self._read_engine if read_only else self._engine,
            api_key_cipher=self._store.api_key_cipher,
            images=self._image_offload,
            turns=self._read_turns if read_only and self._store.path is not None else self._write_queue,
            check_usable=self._require_usable,
        )

    async def aclose(self) -> None:
        """Close the vault: wait for images at work, close idle connections; again, it does nothing.

        Units of work that are still open keep their connection until they end. Finishes even when its task is
        cancelled. Where the event loop that opened the vault has ended, another one may close it.

        Raises:
            UnitOfWorkError: Another event loop opened the vault, and can still use it.
        """
        if not self._loop.is_closed() and asyncio.get_running_loop() is not self._loop and self._unclosed.alive:
            raise UnitOfWorkError("this vault was opened on another event loop, which can still use it; close it there")
        if self._unclosed.detach() is not None:
            await finish(self._close())

    async def _close(self) -> None:
        await self._image_offload.aclose()
        await to_thread.run_sync(self._store.close)
        await self._dispose_engines()

    def __repr__(self) -> str:
        return f"<Vault {self._store.name!r} {'closed' if self._store.closed else 'open'}>"

    def __reduce__(self) -> str:
        raise TypeError("a vault is not pickled")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _warn_unclosed(name: str) -> None:
    warnings.warn(
        f"vault {name!r} was not closed; use 'async with' or 'await vault.aclose()'", ResourceWarning, stacklevel=2
    )
