"""Connections and engines over a vault file, for :class:`~zorivest_async.Vault` and for your own use."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async._opening import Opening
from zorivest_async.database.sqlcipher.answer import Mailbox
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, Durability, require_count
from zorivest_async.database.sqlcipher.dialect import add_functions
from zorivest_async.database.sqlcipher.driver import CipherConnection
from zorivest_async.database.sqlcipher.driver_errors import TryAgainError
from zorivest_async.database.sqlcipher.echo import QUIET
from zorivest_async.database.sqlcipher.failures import vault_error_of
from zorivest_async.database.sqlcipher.long_operation import Operation, run_operation
from zorivest_async.database.sqlcipher.paths import as_path, is_there, require_plain_companions, resolved
from zorivest_async.database.sqlcipher.pool import VaultPool
from zorivest_async.database.sqlcipher.process import current
from zorivest_async.database.sqlcipher.write_latch import WriteLatch
from zorivest_async.errors import VaultForkedError, VaultInUseError, VaultNotFoundError
from zorivest_async.security import Credentials, KdfProfile, VaultKey, require_profile
from zorivest_async.security.tracebacks import sealed
from zorivest_async.vault.file_format import check_key, create_file, derive_file_key, new_vault_key
from zorivest_async.vault.held import OPEN_BY_ANOTHER_NAME, HeldConnection, open_held, share_file
from zorivest_async.vault.identity import FileWatch, required_file
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from os import PathLike


__all__ = ["create_encrypted_connection", "create_engine_over", "create_vault_engine"]

STANDALONE_BUSY_TIMEOUT_MS: Final = 5_000
"""The default of :mod:`sqlite3`: outside an engine a statement is not retried."""


class _EngineFile:
    """The vault file of a separate engine or connection: it is looked up when the first connection is opened.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opening = threading.Lock()
        self._lock: VaultLock | None = None
        self._watch: FileWatch | None = None

    def connect(self, key: VaultKey, settings: ConnectionSettings) -> HeldConnection:
        """Open a connection.

        Raises:
            VaultReplacedError: The file was replaced while another connection was open.
            TryAgainError: Another process is replacing the file, or has an earlier file of this name open.
            VaultInUseError: Another process has the file open by another name.
            VaultError: It is missing, or has more than one name, or the key does not open it.
        """
        try:
            with self.held() as (lock, watch):
                return open_held(watch.path, key, settings, lock, watch)
        except VaultInUseError as error:
            if error.problem == OPEN_BY_ANOTHER_NAME:
                raise
            raise TryAgainError(error) from error

    @contextmanager
    def held(
        self, timeout_s: float = 0.0, check: Callable[[], None] | None = None
    ) -> Generator[tuple[VaultLock, FileWatch]]:
        """Hold the lock of the file during the block; without an open connection, the file is looked up again.

        Args:
            timeout_s: Maximum wait for a process that replaces the file, in seconds.
            check: Called while waiting; an exception ends the wait.
        """
        with self._opening:
            path, lock, watch = resolved(Path(self.path)), self._lock, self._watch
            if lock is None or watch is None or not lock.retain():
                is_missing = not is_there(path)
                require_plain_companions(path)
                if is_missing:
                    raise VaultNotFoundError(path, "there is no vault here")
                lock = VaultLock(path, timeout_s, check)
                try:
                    share_file(path, lock)
                    watch = FileWatch(path, required_file(path))
                except BaseException:
                    lock.let_go()
                    raise
                self._lock, self._watch = lock, watch
        try:
            yield lock, watch
        finally:
            lock.let_go()


def create_engine_over(
    connect: Callable[[ConnectionSettings], sqlcipher.Connection],
    settings: ConnectionSettings,
    *,
    pool_size: int,
    write_latch: WriteLatch | None = None,
) -> AsyncEngine:
    """Return an engine whose connections come from ``connect``, called on each connection's own thread."""
    process = current()
    latch = write_latch or WriteLatch()
    mailbox: Mailbox | None = None  # of the loop that opens connections, which share it

    def connect_with_functions() -> sqlcipher.Connection:
        raw = connect(settings)
        try:
            add_functions(raw)
        except BaseException:
            raw.close()
            raise
        return raw

    async def connect_in_thread() -> CipherConnection:
        nonlocal mailbox
        if current() is not process:
            raise VaultForkedError
        loop = asyncio.get_running_loop()
        if mailbox is None or mailbox.loop is not loop:
            mailbox = Mailbox(loop)
        connection = CipherConnection(
            connect_with_functions, begin_statement=settings.begin_statement, busy_timeout_s=settings.busy_timeout_s
        )
        connection.write_latch = latch
        connection.mailbox = mailbox
        connection.shares_syncs = settings.durability == "full" and not settings.read_only
        return await connection

    return create_async_engine(
        "sqlite+aiosqlcipher://",
        async_creator=connect_in_thread,
        poolclass=VaultPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=settings.busy_timeout_s,
        pool_use_lifo=True,  # the last used connection has warm caches: its pages', and its thread's in the processor
        **QUIET,
    )


@sealed
def create_vault_engine(
    path: str | PathLike[str],
    key: bytes,
    *,
    read_only: bool = False,
    durability: Durability = "full",
    pool_size: int | None = None,
    busy_timeout_s: float = 30.0,
) -> AsyncEngine:
    """Return an :class:`~sqlalchemy.ext.asyncio.AsyncEngine` over an existing vault file.

    :class:`~zorivest_async.Vault` makes two such engines; use this function for a separate one. It opens no connection
    before the first statement. A transaction begins with ``BEGIN IMMEDIATE``, or with ``BEGIN`` if ``read_only``.

    Args:
        path: The vault.
        key: Its 32-byte raw key, as :func:`~zorivest_async.derive_key` returns it.
        read_only: Refuse writes; readers never wait for the writer.
        durability: ``"full"`` (default) or ``"normal"``, as in :meth:`Vault.open <zorivest_async.Vault.open>`.
        pool_size: Maximum number of connections. Default: 1 for writing, as SQLite has one writer, and 4 for reading.
        busy_timeout_s: Maximum wait for a pooled connection, and for another process's write lock, in seconds.

    Raises:
        ConfigurationError: An argument is invalid, or has the wrong type.

    The first statement raises :class:`~zorivest_async.WrongPassphraseError` if the key does not open the file,
    :class:`~zorivest_async.VaultNotFoundError` if there is no file, :class:`~zorivest_async.VaultError` if it has a
    second name (a hard link, a mount of the file alone), and :class:`~zorivest_async.MissingDependencyError` if the
    driver cannot encrypt or has the WAL-reset bug. Later, a statement that begins a transaction raises
    :class:`~zorivest_async.VaultReplacedError` if the file was moved, deleted or replaced. In a forked child, every
    call raises :class:`~zorivest_async.VaultForkedError`. While a connection is open, it shares the vault's lock.

    Example:
        >>> from sqlalchemy import text
        >>> from zorivest_async import Vault
        >>> key = bytes(range(32))
        >>> await (await Vault.open("journal.vault", key=key)).aclose()
        >>> engine = create_vault_engine("journal.vault", key, read_only=True)
        >>> async with engine.connect() as connection:
        ...     (await connection.execute(text("SELECT count(*) FROM trades"))).scalar_one()
        0
        >>> await engine.dispose()
    """
    settings = ConnectionSettings(read_only=read_only, durability=durability, busy_timeout_s=busy_timeout_s)
    name, vault_key = as_path(path), VaultKey(key)
    size = pool_size if pool_size is not None else (4 if read_only else 1)
    require_count(size, "pool_size")
    file = _EngineFile(name.absolute())
    return create_engine_over(partial(file.connect, vault_key), settings, pool_size=size)


def create_encrypted_connection(
    path: str | PathLike[str], passphrase: str, *, create: bool = True, profile: KdfProfile = KdfProfile.DEFAULT
) -> Opening[CipherConnection]:
    """Open one encrypted connection, outside any engine.

    Use ``async with create_encrypted_connection(...) as connection``, or ``connection = await
    create_encrypted_connection(...)`` and finally ``await connection.close()``.

    The file has a vault's format; a new one has no tables. As in :mod:`aiosqlite` and :mod:`sqlite3`, a transaction
    begins with the first change and lasts until ``commit()`` or ``rollback()``.

    The connection is an :class:`aiosqlite.Connection`, and its errors are those of :mod:`aiosqlite` and
    :mod:`sqlite3`, with three differences. Rows of ``row_factory = aiosqlite.Row`` are ``sqlcipher3``'s, which have the
    same methods. ``backup()`` accepts only an encrypted connection. The schema is not trusted (``PRAGMA
    trusted_schema`` is off), so your own functions work in statements, but not in indexes, views or triggers (``unsafe
    use of ...``).

    If the file is moved, deleted or replaced, statements that begin a transaction, and ``commit``, raise
    :class:`~zorivest_async.VaultReplacedError`. In a forked child, every call raises
    :class:`~zorivest_async.VaultForkedError`.

    Not safe to share between tasks within a transaction. Cancelling a statement interrupts it; ``commit``, ``rollback``
    and ``close`` finish first.

    Args:
        path: The file.
        passphrase: Any non-empty text; Argon2id derives the key from it, in a thread.
        create: Create the file if it does not exist.
        profile: Cost profile of the key derivation of a new file; an existing file names its own.

    Raises:
        VaultError: The file does not exist, is another program's, is plaintext, has a second name, cannot be opened
            (the error says why), or the passphrase does not open it.
        VaultInUseError: Another process is replacing the file, or has an earlier file of this name open.
        VaultBusyError: Another program held the file for 30 seconds.
        VaultForkedError: The parent process had the file open when it forked.
        ConfigurationError: The passphrase is empty; an argument has the wrong type; or asyncio's event loop does not
            run.
        MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.

    Example:
        >>> async with create_encrypted_connection("notes.db", "correct horse battery staple") as connection:
        ...     await connection.execute_fetchall("SELECT count(*) FROM sqlite_master")
        [(0,)]
    """
    credentials = Credentials(passphrase)
    del passphrase  # a traceback may show local variables
    credentials.require_one()
    require_profile(profile)
    return Opening(partial(_connected, as_path(path), credentials, create=create, profile=profile))


async def _connected(path: Path, credentials: Credentials, *, create: bool, profile: KdfProfile) -> CipherConnection:
    settings = ConnectionSettings()
    file = _EngineFile(as_path(path))

    def find_key(operation: Operation) -> VaultKey:
        file.path = name = resolved(file.path)
        is_new = not is_there(name)
        require_plain_companions(name)
        if create and is_new:
            key = new_vault_key(credentials, profile, operation.check)
            if create_file(name, key, _leave_empty):
                return key
        with file.held(settings.busy_timeout_s, operation.check):
            key = derive_file_key(name, credentials, operation.check)
            check_key(name, key)
            return key

    key = await run_operation(find_key)

    def connect() -> sqlcipher.Connection:
        raw = file.connect(key, settings)
        raw.execute(f"PRAGMA busy_timeout = {STANDALONE_BUSY_TIMEOUT_MS}")
        raw.isolation_level = "IMMEDIATE"
        return raw

    try:
        return await CipherConnection(connect, busy_timeout_s=settings.busy_timeout_s)
    except sqlcipher.OperationalError as error:  # another process held the file
        raise vault_error_of(error, file.path) from error


def _leave_empty(_raw: sqlcipher.Connection) -> None:
    pass
