"""The vault: one encrypted file, its engines, and the state that its units of work share.

It has more than 500 lines because it documents all that a vault does; the work itself is done elsewhere.
"""

from __future__ import annotations

import asyncio
import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Self

from zorivest_async._finishing import finish, start_unstoppable
from zorivest_async._opening import Opening
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, Durability, require_count
from zorivest_async.database.sqlcipher.long_operation import (
    Operation,
    ProgressCallback,
    require_callback,
    run_operation,
)
from zorivest_async.database.sqlcipher.paths import as_path
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.database.sqlcipher.write_latch import WriteLatch
from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
from zorivest_async.errors import NotOnThisBackendError, UnitOfWorkError
from zorivest_async.images import ImageOffload, ImagePolicy, require_policy
from zorivest_async.security import Credentials, KdfProfile, require_profile
from zorivest_async.vault.previews import make_previews
from zorivest_async.vault.server import Encryption, ServerOpening, ServerStore
from zorivest_async.vault.store import AnyStore, VaultStore
from zorivest_async.vault.thumbnails import make_thumbnail
from zorivest_async.vault.turns import turns_for, warn_unclosed
from zorivest_async.vault.verifying_sealed import verify_sealed

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine

    from zorivest_async.vault.adopt_report import AdoptReport
    from zorivest_async.vault.verify_report import VerifyReport

__all__ = ["Vault"]


class Vault:
    """A trading journal in one encrypted file.

    Open it with :meth:`open` or :meth:`in_memory`; close it with ``async with`` or :meth:`aclose`. All tasks of the
    event loop that opened it may use it, each with its own units of work: one of them writes at a time, in order of
    arrival, and readers see the last committed state without waiting. On another event loop (a second ``asyncio.run``,
    another thread's) it raises :class:`~zorivest_async.UnitOfWorkError`.

    Example:
        >>> async with Vault.open("journal.vault", passphrase="correct horse battery staple") as vault:
        ...     async with vault.unit_of_work(read_only=True) as uow:
        ...         await uow.trades.list_all()
        []
    """

    def __init__(self, store: AnyStore, *, readers: int, busy_timeout_s: float, images: ImagePolicy) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._write_latch = WriteLatch()
        self._engine, self._read_engine = store.create_engines(readers, self._write_latch)
        self._has_readers = self._read_engine.pool is not self._engine.pool
        self._write_queue, self._read_turns = turns_for(readers, busy_timeout_s, has_readers=self._has_readers)
        self._image_offload = ImageOffload(images, self._write_queue.is_held_here)
        self._thumbnail_places = asyncio.Semaphore(max(readers // 2, 1))
        self._closing: asyncio.Task[None] | None = None
        self._unclosed = weakref.finalize(self, warn_unclosed, store.name, current())

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

        The key is derived once, in a thread; each connection then opens in about a millisecond, when it is first
        needed. A process derives two keys at a time, because each takes the profile's memory; others wait in order of
        arrival. A new file appears complete or not at all, and only its owner can read it. A vault of an older release
        is upgraded, all of it or nothing, also with ``create=False``; the old file stays beside it as
        ``<name>.v<version>.backup``. Cancellation stops the work within half a second and leaves nothing behind; once
        an upgraded vault is being moved to its path, it finishes that first.

        Args:
            path: The file.
            passphrase: Any non-empty text; composed and decomposed spellings (NFC, NFD) are equal.
            key: 32 raw bytes instead of a passphrase.
            create: Create the vault if the file does not exist.
            profile: What a guess at the passphrase of a new vault costs; an existing vault has its own profile.
            durability: ``"full"`` (default): every commit survives a power failure. ``"normal"``: the last commits may
                be lost in one; it is faster.
            readers: Maximum number of read-only units of work at a time.
            busy_timeout_s: How long a writer waits for its turn, and for other processes, in seconds.
            images: Limits on images; the default is :class:`~zorivest_async.ImagePolicy`'s.
            progress: Called with each :class:`~zorivest_async.Progress` of an upgrade, on the event loop.

        Raises:
            ConfigurationError: There is not exactly one of ``passphrase`` and ``key``, the passphrase is empty, or a
                setting is invalid.
            VaultInUseError: Another process or task changed the passphrase, restored or upgraded the vault for the
                whole busy timeout.
            VaultBusyError: Another program held the file for the whole busy timeout.
            VaultNotFoundError: The file does not exist and ``create=False``, or the parent directory does not exist.
            VaultError: The file cannot be opened; the error says why (permissions, a read-only file system, too many
                open files, a path that is too long).
            WrongPassphraseError: The passphrase or key does not open the vault.
            NotAVaultError: The path is a directory, a named pipe, a device or another program's file.
            NotEncryptedError: The file is a plaintext SQLite database.
            VaultVersionError: A newer release wrote the vault.
            VaultUpgradeError: An older release wrote the vault, and its upgrade failed; the vault is unchanged.
            VaultDamagedError: Part of the file does not authenticate.
            MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.
        """
        credentials = Credentials(passphrase, key)
        del passphrase, key  # a traceback may show local variables
        credentials.require_one()
        file = as_path(path)
        require_profile(profile)
        require_count(readers, "readers")
        settings = ConnectionSettings(durability=durability, busy_timeout_s=busy_timeout_s)
        policy = require_policy(images)
        require_callback(progress)

        async def open_vault() -> Vault:
            open_file = partial(VaultStore.open_file, file, credentials=credentials, create=create)
            opening = partial(open_file, profile=profile, settings=settings)
            store = await run_operation(opening, progress, discard=VaultStore.close)
            return cls(store, readers=readers, busy_timeout_s=busy_timeout_s, images=policy)

        return Opening(open_vault)

    @classmethod
    def in_memory(cls, *, busy_timeout_s: float = 30.0, images: ImagePolicy | None = None) -> Opening[Vault]:
        """Open a new vault in memory, encrypted under a random key, for tests; it is deleted when it is closed.

        It has one connection, so units of work take turns, including read-only ones.

        Args:
            busy_timeout_s: How long a unit of work waits for its turn, in seconds.
            images: Limits on images; the default is :class:`~zorivest_async.ImagePolicy`'s.

        Raises:
            ConfigurationError: ``busy_timeout_s`` is negative.
            MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.
        """
        settings = ConnectionSettings(busy_timeout_s=busy_timeout_s, journal_mode="MEMORY")
        policy = require_policy(images)

        async def open_vault() -> Vault:
            store = await run_operation(lambda _operation: VaultStore.in_memory(settings), discard=VaultStore.close)
            return cls(store, readers=1, busy_timeout_s=busy_timeout_s, images=policy)

        return Opening(open_vault)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        journal: str = "main",
        passphrase: str | None = None,
        encryption: Encryption = "sealed",
        create: bool = True,
        profile: KdfProfile = KdfProfile.DEFAULT,
        pooler: bool = False,
        durability: Durability = "full",
        readers: int = 4,
        busy_timeout_s: float = 30.0,
        images: ImagePolicy | None = None,
        insecure_tls: bool = False,
    ) -> Opening[Vault]:
        """Open a journal on a PostgreSQL server, with the extra ``postgresql``; use it like a vault in a file.

        One unit of work writes in a journal at a time, whatever process it is in; different journals do not wait for
        one another. A lost connection is opened again with the next transaction. Cancellation closes what was opened.

        Args:
            url: ``postgresql://role:password@host:port,host:port/database?target_session_attrs=primary``.
            journal: The name of the journal, at most 200 characters.
            passphrase: Wraps the key of API keys, which are not stored without one; the first one that a journal is
                opened with becomes the journal's.
            encryption: ``"server"`` stores all but API keys in clear, for those who trust the server and its backups.
                ``"sealed"``, the default, is refused, as it is not in this release.
            create: Create the journal if it does not exist; never the schema, which ``zorivest server`` creates.
            profile: What a guess at the first passphrase of a journal costs.
            pooler: Prepare each statement again, for pgbouncer in transaction mode.
            durability: ``"normal"``: the last commits may be lost in a crash of the server.
            readers: Maximum number of read-only units of work at a time, each with a connection.
            busy_timeout_s: How long a turn, a connection and the answer to a commit are waited for, in seconds.
            images: As for :meth:`open`.
            insecure_tls: Allow an ``sslmode`` other than ``verify-full``, the default unless the host is this machine.

        Raises:
            ConfigurationError: The URL or a setting is invalid, or ``sslmode`` is insecure.
            NotOnThisBackendError: ``encryption="sealed"``.
            WrongPassphraseError: The passphrase does not open the journal.
            VaultNotFoundError: There is no such database, or no such journal and ``create=False``.
            VaultAccessError: The server refuses the role; :class:`VaultVersionError` without this release's schema.
            VaultUnreachableError: No server answers in time; :class:`VaultBusyError` if it has no free connection.
        """
        credentials = None if passphrase is None else Credentials(passphrase)
        del passphrase  # a traceback may show local variables
        require_count(readers, "readers")
        policy = require_policy(images)
        opening = ServerOpening.of(
            url, journal=journal, encryption=encryption, credentials=credentials, create=create, profile=profile,
            has_pooler=pooler, durability=durability, busy_timeout_s=busy_timeout_s, insecure_tls=insecure_tls,
        )  # fmt: skip
        del url

        async def open_vault() -> Vault:
            store = await opening.open()
            return cls(store, readers=readers, busy_timeout_s=busy_timeout_s, images=policy)

        return Opening(open_vault)

    @property
    def path(self) -> Path | None:
        """The file; ``None`` for a vault in memory."""
        return self._store.path

    @property
    def engine(self) -> AsyncEngine:
        """The writing engine, for your own SQL; it has one connection, which the writing unit of work holds.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._store.require_open()
        return self._engine

    @property
    def read_engine(self) -> AsyncEngine:
        """The reading engine, for your own SQL; its connections refuse writes.

        SQLCipher runs ``PRAGMA rekey`` on such a connection, too, and encrypts the file with a key that no passphrase
        gives. Never send it, on any connection: use :meth:`rekey`.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._store.require_open()
        return self._read_engine

    def unit_of_work(self, *, read_only: bool = False) -> SqlAlchemyUnitOfWork:
        """Return a unit of work; enter it in the task that will use it.

        Args:
            read_only: Read the last committed state, without waiting for the writer.

        Raises:
            VaultClosedError: The vault is closed.
        """
        self._store.require_open()
        return SqlAlchemyUnitOfWork(
            self._read_engine if read_only else self._engine,
            api_key_cipher=self._store.api_key_cipher,
            images=self._image_offload,
            turns=self._read_turns if read_only and self._has_readers else self._write_queue,
            check_usable=self._require_usable,
        )

    async def thumbnail(self, image_id: int, max_size: int = 400) -> bytes:
        """Return a WebP thumbnail, upright, in sRGB and without metadata; it holds no connection while it decodes.

        It reads in a unit of work of its own, which ends first, and thumbnails use half of the readers at most. By
        default it returns the stored preview, and decodes nothing; larger ones are made from the original, and so is
        one of 201 to 400 px if ``verify(previews=True)`` has not made the preview of an older image. The originals in
        memory are bounded, as in ``attach``. Tasks are served in order of arrival; a cancelled one returns at once.

        Args:
            image_id: Row number of the image.
            max_size: Longest side, in pixels, at least 1; a smaller original is not enlarged.

        Raises:
            NotFoundError: There is no such image.
            InvalidQueryError: ``max_size`` is not a whole number of at least 1.
            ImageError: The original cannot be decoded, or exceeds the vault's present limits.
            ValidationError: Another program has stored a value that no release writes.
            VaultBusyError: All readers were in use for the whole busy timeout.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault, or this task would wait for itself.
        """
        self._require_usable()
        reading = partial(self.unit_of_work, read_only=True)
        return await make_thumbnail(image_id, max_size, reading, self._thumbnail_places, self._image_offload)

    async def backup(self, destination: str | PathLike[str], *, progress: ProgressCallback | None = None) -> None:
        """Copy the last committed state to a new file, which the same passphrase opens; reads and writes continue.

        The copy is read back before it is moved to its path. Cancellation stops the work within half a second and
        leaves nothing behind; once the copy is being moved to its path, it finishes that first.

        Args:
            destination: The file to create; the path must not exist.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            ConfigurationError: The vault is in memory.
            NotOnThisBackendError: The vault is on a server.
            VaultError: The path already exists, or the parent directory cannot be written.
            VaultFullError: The disk is full, a quota is exceeded, or the copy would be too large.
            VaultDamagedError: A page of the vault, or of the copy, cannot be read; the copy was deleted.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault.
        """
        self._require_usable()
        store = self._store.of_file("backup")
        file = as_path(destination, "destination")
        require_callback(progress)
        await run_operation(partial(store.backup, file), progress)

    async def rekey(
        self, passphrase: str, *, profile: KdfProfile | None = None, progress: ProgressCallback | None = None
    ) -> None:
        """Change the passphrase: make a copy under the new one, read it back, and replace the vault in one step.

        On a server it replaces the passphrase that opened the vault, and rewrites no value.

        It needs space for the copy. No other process or vault object may use the vault; units of work that begin
        meanwhile wait. Earlier backups still open with the old passphrase. Cancellation stops the work within half a
        second and changes nothing; once the copy is replacing the vault, it finishes that first.

        Args:
            passphrase: The new passphrase.
            profile: What a guess at the passphrase costs; ``None`` (default) keeps the vault's own profile.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            VaultInUseError: A unit of work, another vault object or another process uses the vault; it is unchanged.
            VaultError: The disk failed during an earlier commit; open the vault again.
            ConfigurationError: The passphrase is empty, or the vault is in memory.
            NotOnThisBackendError: The vault is on a server.
            VaultFullError: The disk is full; the vault is unchanged.
            VaultDamagedError: A page of the vault, or of the copy, cannot be read; the vault is unchanged.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault.
        """
        credentials = Credentials(passphrase)
        del passphrase  # a traceback may show local variables
        self._require_usable()
        if isinstance(self._store, ServerStore):
            credentials.require_one()
            if profile is not None:
                raise NotOnThisBackendError("another profile", "the profile belongs to the journal, and stays")
            await self._store.passphrases.replace(credentials)
            return
        store = self._store.of_file("rekey")
        credentials.require_one()
        if profile is not None:
            require_profile(profile)
        require_callback(progress)
        self._write_latch.require()
        await self._write_queue.acquire()
        try:
            await finish(self._dispose_engines())
            await run_operation(partial(store.rekey, credentials, profile), progress)
        finally:
            self._write_queue.release()

    async def add_passphrase(self, passphrase: str, name: str) -> None:
        """Have another passphrase open this journal of a server, too.

        Args:
            passphrase: The new passphrase.
            name: Its name, which the server can read, at most 200 characters.

        Raises:
            ConfigurationError: The passphrase or the name is invalid, another passphrase has the name, or the vault was
                opened without a passphrase.
            NotOnThisBackendError: The vault is a file.
            VaultError: The server cannot be reached.
            VaultClosedError: The vault is closed.
        """
        credentials = Credentials(passphrase)
        del passphrase  # a traceback may show local variables
        self._require_usable()
        store = self._store.of_server("add_passphrase")
        credentials.require_one()
        await store.passphrases.add(credentials, name)

    async def passphrases(self) -> list[str]:
        """Return the names of the passphrases of this journal of a server, in the order of their addition.

        Raises:
            NotOnThisBackendError: The vault is a file.
            VaultError: The server cannot be reached.
            VaultClosedError: The vault is closed.
        """
        self._require_usable()
        return await self._store.of_server("passphrases").passphrases.names()

    async def revoke_passphrase(self, name: str) -> None:
        """Have a passphrase open this journal of a server no longer; vaults that it has opened stay open.

        A person who has the passphrase, and a copy of what the server stored before, can still read that copy.

        Args:
            name: The name of the passphrase.

        Raises:
            ConfigurationError: There is no such passphrase, or it is the last one.
            NotOnThisBackendError: The vault is a file.
            VaultError: The server cannot be reached.
            VaultClosedError: The vault is closed.
        """
        self._require_usable()
        await self._store.of_server("revoke_passphrase").passphrases.revoke(name)

    @classmethod
    async def restore(
        cls,
        backup: str | PathLike[str],
        path: str | PathLike[str],
        *,
        passphrase: str | None = None,
        key: bytes | None = None,
        allow_changed_schema: bool = False,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Replace a vault with a copy of a backup; the vault must not be open, and need not exist.

        The backup is only read, together with a WAL beside it. The copy is read back, and then replaces the vault in
        one step; until that begins, cancellation changes nothing.

        Args:
            backup: The backup.
            path: The vault, in any state.
            passphrase: The passphrase of the backup, which also opens the restored vault.
            key: 32 raw bytes instead.
            allow_changed_schema: Restore a backup whose schema is not the library's, because it has your own triggers
                or constraints. The default refuses it, as they can change what is stored and what is read.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            VaultInUseError: Another process or task has the vault open, or changes the backup.
            VaultSchemaError: The schema of the backup is not the library's; the error names the differences.
            VaultError: The backup does not open, as in :meth:`Vault.open`, or the parent directory cannot be written.
            ConfigurationError: As in :meth:`Vault.open`, or both paths are the same file.
        """
        credentials = Credentials(passphrase, key)
        del passphrase, key  # a traceback may show local variables
        credentials.require_one()
        source, target = as_path(backup, "backup"), as_path(path)
        require_callback(progress)

        def work(operation: Operation) -> None:
            from zorivest_async.vault.restoring import restore  # noqa: PLC0415 - in the thread, as few programs need it

            restore(source, target, credentials, operation, allow_changed_schema=allow_changed_schema)

        await run_operation(work, progress)

    @classmethod
    async def adopt(
        cls,
        plaintext_path: str | PathLike[str],
        path: str | PathLike[str],
        *,
        passphrase: str | None = None,
        key: bytes | None = None,
        profile: KdfProfile = KdfProfile.DEFAULT,
        images: ImagePolicy | None = None,
        skip_invalid: bool = False,
        progress: ProgressCallback | None = None,
    ) -> AdoptReport:
        """Create a vault from a plaintext SQLite file with a journal's tables, and report every conversion.

        The file is only read, in one consistent state; delete it yourself once you trust the vault. Row numbers are
        kept. Until the vault is moved to its path, cancellation leaves nothing behind.

        Args:
            plaintext_path: The plaintext file.
            path: The vault to create; the path must not exist.
            passphrase: The passphrase of the vault.
            key: 32 raw bytes instead.
            profile: What a guess at the passphrase costs.
            images: How thumbnails are made; the default is :class:`~zorivest_async.ImagePolicy`'s.
            skip_invalid: Leave out invalid rows and report them. By default, a single invalid row raises an
                :class:`~zorivest_async.AdoptionError`, which has the report, and no vault is created.
            progress: Called with each :class:`~zorivest_async.Progress`, in rows, on the event loop.

        Raises:
            AdoptionError: The file has invalid rows; no vault was created.
            NotAVaultError: The file is not a plaintext SQLite database, or has no tables of a journal.
            VaultDamagedError: The file is damaged; no vault was created.
            VaultNotFoundError: The file, or the parent directory of the vault, does not exist.
            VaultError: The path already exists, or the parent directory cannot be written.
            ConfigurationError: As in :meth:`Vault.open`.
        """
        credentials = Credentials(passphrase, key)
        del passphrase, key  # a traceback may show local variables
        credentials.require_one()
        source, target, policy = as_path(plaintext_path, "plaintext_path"), as_path(path), require_policy(images)
        require_profile(profile)
        require_callback(progress)

        def work(operation: Operation) -> AdoptReport:
            from zorivest_async.vault.adopt import adopt  # noqa: PLC0415 - in the thread, as few programs need it

            return adopt(
                source,
                target,
                operation,
                credentials=credentials,
                profile=profile,
                policy=policy,
                skip_invalid=skip_invalid,
            )

        return await run_operation(work, progress)

    async def verify(self, *, previews: bool = False, progress: ProgressCallback | None = None) -> VerifyReport:
        """Check every page, structure and reference, the schema and the search index, and return the problems.

        A change of the library's part of the schema is a problem, for example a view instead of a table, or a missing
        trigger. An addition that affects what is stored, for example your own trigger, is one of the report's
        ``notes``. A key derivation profile that is only for tests is a note, too; such a vault is sound.

        Pages are authenticated as they are on the disk, after a checkpoint. The check cannot detect that the file, or a
        page of it, was replaced by an older copy of itself. Reads and writes continue meanwhile. Cancellation ends the
        wait within half a second; :meth:`rekey` waits for a check of pages that is still running.

        In a sealed journal of a server, every sealed value is read, and must authenticate at its place.

        Args:
            previews: Make the missing previews of images afterwards, as older releases stored none; not if there are
                problems. Each is committed by itself, so that cancellation keeps those that were made.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            VaultFullError: There is no space for the checkpoint, or for a preview.
            VaultBusyError: A program that does not use the vault's lock holds the file.
            VaultError: The file could not be read, for a reason that shows no damage, such as a permission.
            NotOnThisBackendError: The vault is a journal in clear on a server.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault.
        """
        self._require_usable()
        require_callback(progress)
        reading, operation = partial(self.unit_of_work, read_only=True), Operation(progress)
        if isinstance(self._store, ServerStore) and self._store.keys.binds:
            report = await verify_sealed(reading, self._store.keys, operation)
        else:
            report = await run_operation(self._store.of_database("verify").verify, progress)
        if not previews or not report.ok:
            return report
        made, notes = await make_previews(reading, self.unit_of_work, self._image_offload, operation)
        return replace(report, previews=made, notes=(*report.notes, *notes))

    async def aclose(self) -> None:
        """Close the vault: wait for images in progress, and close idle connections. Calling it again does nothing.

        Units of work that are still open keep their connection until they end. It finishes even when every task is
        cancelled, as at the end of ``asyncio.run``. If it failed, or its event loop ended first, call it again. After
        the event loop that opened the vault has ended, another one may close it.

        In a forked child it closes nothing, as the vault belongs to the parent, and raises.

        Raises:
            UnitOfWorkError: Another event loop opened the vault, and can still use it.
            VaultForkedError: The vault was opened before the process forked.
        """
        self._store.require_process()
        loop = asyncio.get_running_loop()
        if not self._loop.is_closed() and loop is not self._loop and self._unclosed.alive:
            raise UnitOfWorkError("this vault was opened on another event loop, which can still use it; close it there")
        if self._unclosed.alive:
            closing = self._closing
            if closing is None or closing.done() or closing.get_loop() is not loop:
                self._closing = closing = start_unstoppable(self._close())
            await finish(closing)

    async def _close(self) -> None:
        await self._image_offload.aclose()
        await run_operation(lambda _operation: self._store.close())
        await self._dispose_engines()
        self._unclosed.detach()

    def _require_usable(self) -> None:
        self._store.require_open()
        if asyncio.get_running_loop() is not self._loop:
            raise UnitOfWorkError("this vault was opened on another event loop; open it on the loop that uses it")

    async def _dispose_engines(self) -> None:
        await self._engine.dispose()
        if self._read_engine.pool is not self._engine.pool:
            await self._read_engine.dispose()

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
