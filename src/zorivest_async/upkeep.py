"""What is done to the whole file of a vault: backing up, changing its passphrase, restoring, adopting, verifying."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zorivest_async.database.adopt import adopt
from zorivest_async.database.finishing import finish
from zorivest_async.database.long_operation import ProgressCallback, run_operation
from zorivest_async.database.restoring import restore
from zorivest_async.errors import UnitOfWorkError
from zorivest_async.images import ImagePolicy
from zorivest_async.security import Credentials, KdfProfile

if TYPE_CHECKING:
    from os import PathLike

    from sqlalchemy.ext.asyncio import AsyncEngine

    from zorivest_async.database.adopt_report import AdoptReport
    from zorivest_async.database.cipher import ConnectionSettings
    from zorivest_async.database.store import VaultStore
    from zorivest_async.database.turns import WriteQueue
    from zorivest_async.database.verifying import VerifyReport

__all__ = ["VaultUpkeep"]


class VaultUpkeep:
    """The part of :class:`~zorivest_async.Vault` that works on whole files, in threads, for as long as that takes."""

    _loop: asyncio.AbstractEventLoop
    _store: VaultStore
    _settings: ConnectionSettings
    _write_queue: WriteQueue
    _engine: AsyncEngine
    _read_engine: AsyncEngine

    async def backup(self, destination: str | PathLike[str], *, progress: ProgressCallback | None = None) -> None:
        """Copy the last committed state to a new file, which the same passphrase opens, while others go on.

        The copy is read back before it gets its name. Cancellation stops the work within half a second and leaves
        nothing behind; once the copy is being given its name, that is finished first.

        Args:
            destination: Where; nothing must be there.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            ConfigurationError: The vault is in memory.
            VaultError: Something is there already, or the folder cannot be written to.
            VaultFullError: The disk is full.
            VaultDamagedError: A page of the vault, or of the copy, cannot be read, so the copy was thrown away.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault.
        """
        self._require_usable()
        self._store.require_file()
        await run_operation(partial(self._store.backup, Path(destination)), progress)

    async def rekey(
        self, passphrase: str, *, profile: KdfProfile = KdfProfile.DEFAULT, progress: ProgressCallback | None = None
    ) -> None:
        """Change the passphrase: a copy under the new one is made, read back, and takes the vault's place in one step.

        Needs space for the copy, and nobody else using the vault; units of work that begin meanwhile wait. Backups made
        earlier still open with the old passphrase. Cancellation stops the work within half a second, and nothing has
        changed; once the copy is taking the vault's place, that is finished first.

        Args:
            passphrase: The new one.
            profile: What a guess at it costs.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            VaultInUseError: A unit of work, another vault object or another process holds the vault; nothing changed.
            ConfigurationError: The passphrase is empty, or the vault is in memory.
            VaultFullError: The disk is full; nothing has changed.
            VaultDamagedError: A page of the vault, or of the copy, cannot be read; nothing has changed.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault.
        """
        credentials = Credentials(passphrase)
        del passphrase  # a traceback may show local variables
        self._require_usable()
        self._store.require_file()
        await self._write_queue.acquire()
        try:
            await finish(self._dispose_engines())
            await run_operation(partial(self._store.rekey, credentials, profile), progress)
        finally:
            self._write_queue.release()

    @classmethod
    async def restore(
        cls,
        backup: str | PathLike[str],
        path: str | PathLike[str],
        *,
        passphrase: str | None = None,
        key: bytes | None = None,
        progress: ProgressCallback | None = None,
    ) -> None:
        """Put a copy of a backup in the place of a vault, which nobody may have open and which need not exist.

        The backup is only read, together with a WAL beside it. The copy is read back before it takes the place, in one
        step: the old vault opens until then, the new one from then on. Cancellation stops the work within half a second
        and changes nothing; once the copy is taking the place, that is finished first.

        Args:
            backup: The backup.
            path: The vault, whatever state it is in.
            passphrase: What opens the backup, and the vault from now on.
            key: 32 raw bytes instead.
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            VaultInUseError: Somebody has the vault open, or changes the backup.
            VaultError: The backup does not open, as in :meth:`Vault.open`, or the folder cannot be written to.
            ConfigurationError: As in :meth:`Vault.open`; the two are the same file.
        """
        credentials = Credentials(passphrase, key)
        del passphrase, key  # a traceback may show local variables
        credentials.require_one()
        await run_operation(partial(restore, Path(backup), Path(path), credentials), progress)

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
        """Make a new vault out of a plaintext SQLite file with the journal's tables, and report every conversion.

        The file is only read, in one consistent state; delete it yourself when the vault has proved itself. Row numbers
        are kept. Cancellation stops the work and leaves nothing behind; once the vault is being given its name, that is
        finished first.

        Args:
            plaintext_path: The plaintext file.
            path: The vault; nothing must be there.
            passphrase: What will open the vault.
            key: 32 raw bytes instead.
            profile: What a guess at the passphrase costs.
            images: How thumbnails are made; the default is :class:`~zorivest_async.ImagePolicy`'s.
            skip_invalid: Leave out rows that cannot be right and report them. Otherwise one such row is enough for an
                :class:`~zorivest_async.AdoptionError`, which has the report, and there is no vault.
            progress: Called with each :class:`~zorivest_async.Progress`, in rows, on the event loop.

        Raises:
            AdoptionError: Rows cannot be right; no vault was made.
            NotAVaultError: The file is no plaintext SQLite database, or has none of a journal's tables.
            VaultDamagedError: The file is damaged; no vault was made.
            VaultNotFoundError: There is no such file, or no folder for the vault.
            VaultError: Something is at ``path`` already, or the folder cannot be written to.
            ConfigurationError: As in :meth:`Vault.open`.
        """
        credentials = Credentials(passphrase, key)
        del passphrase, key  # a traceback may show local variables
        credentials.require_one()
        policy = images if images is not None else ImagePolicy()
        work = partial(adopt, Path(plaintext_path), Path(path), policy=policy, skip_invalid=skip_invalid)
        return await run_operation(partial(work, credentials=credentials, profile=profile), progress)

    async def verify(self, *, progress: ProgressCallback | None = None) -> VerifyReport:
        """Check every page, structure, reference and the search index, and return what is wrong.

        Pages are authenticated as they are on the disk, after a checkpoint. What nothing inside the file can show: that
        it was replaced by an older copy of itself. Reading goes on meanwhile; so does writing. Cancellation ends the
        wait within half a second; :meth:`rekey` waits for a check of pages that is still going on.

        Args:
            progress: Called with each :class:`~zorivest_async.Progress`, on the event loop.

        Raises:
            VaultFullError: There is no space for the checkpoint.
            VaultBusyError: A program that does not know the vault's lock holds the file.
            VaultError: The file could not be read, for a reason that says nothing about what is in it.
            VaultClosedError: The vault is closed.
            UnitOfWorkError: Another event loop opened the vault.
        """
        self._require_usable()
        return await run_operation(partial(self._store.verify, self._settings), progress)

    def _require_usable(self) -> None:
        self._store.require_open()
        if asyncio.get_running_loop() is not self._loop:
            raise UnitOfWorkError("this vault was opened on another event loop; open it on the loop that uses it")

    async def _dispose_engines(self) -> None:
        await self._engine.dispose()
        if self._read_engine.pool is not self._engine.pool:
            await self._read_engine.dispose()
