"""Connections and engines over a vault file, for :class:`~zorivest_async.Vault` and for users who want their own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from anyio import to_thread
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from zorivest_async.database.cipher import ConnectionSettings, Durability, open_cipher, vault_uri
from zorivest_async.database.driver import CipherConnection
from zorivest_async.database.echo import QUIET
from zorivest_async.database.vault_file import check_key, create_file, derive_file_key, new_vault_key
from zorivest_async.domain.tracebacks import sealed
from zorivest_async.security import Credentials, KdfProfile, VaultKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from sqlcipher3 import dbapi2 as sqlcipher

__all__ = ["create_encrypted_connection", "create_engine_over", "create_vault_engine"]

STANDALONE_BUSY_TIMEOUT_MS: Final = 5_000
"""The default of :mod:`sqlite3`: outside an engine nobody tries again."""


def create_engine_over(
    connect: Callable[[ConnectionSettings], sqlcipher.Connection], settings: ConnectionSettings, *, pool_size: int
) -> AsyncEngine:
    """Return an engine whose connections come from ``connect``, called on each connection's own thread."""

    async def connect_in_thread() -> CipherConnection:
        return await CipherConnection(
            partial(connect, settings), begin_statement=settings.begin_statement, busy_timeout_s=settings.busy_timeout_s
        )

    return create_async_engine(
        "sqlite+aiosqlcipher://",
        async_creator=connect_in_thread,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=settings.busy_timeout_s,
        pool_use_lifo=True,  # the last one used has what it read in its cache, and its thread in the processor's
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

    :class:`~zorivest_async.Vault` makes two of these; use this one for an engine of your own. Nothing is opened before
    the first statement. A transaction begins with ``BEGIN IMMEDIATE``, or with ``BEGIN`` where ``read_only``.

    Args:
        path: The vault.
        key: Its 32-byte raw key, as :func:`~zorivest_async.derive_key` gives it.
        read_only: Refuse writes; readers never wait for the writer.
        durability: ``"full"`` (default) or ``"normal"``, as in :meth:`Vault.open <zorivest_async.Vault.open>`.
        pool_size: Most connections at once. Default: 1 for writing, as SQLite has one writer, and 4 for reading.
        busy_timeout_s: How long to wait for a pooled connection, and for another process's write lock, in seconds.

    Raises:
        ConfigurationError: A setting cannot work.

    The first statement raises :class:`~zorivest_async.WrongPassphraseError` where the key does not open the file,
    :class:`~zorivest_async.VaultNotFoundError` where there is none, and
    :class:`~zorivest_async.MissingDependencyError` where the driver cannot encrypt or has the WAL-reset bug.

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
    uri, vault_key = vault_uri(path), VaultKey(key)
    size = pool_size if pool_size is not None else (4 if read_only else 1)
    return create_engine_over(partial(open_cipher, uri, vault_key), settings, pool_size=size)


async def create_encrypted_connection(
    path: str | PathLike[str], passphrase: str, *, create: bool = True, profile: KdfProfile = KdfProfile.DEFAULT
) -> CipherConnection:
    """Open one encrypted connection, outside any engine; ``await connection.close()`` when done with it.

    The file has a vault's format but, where it is new, no tables. As in :mod:`aiosqlite` and :mod:`sqlite3`, a
    transaction opens with the first change and lasts until ``commit()`` or ``rollback()``.

    Not safe to share between tasks within a transaction. Cancelling a statement interrupts it; ``commit``, ``rollback``
    and ``close`` finish first.

    Args:
        path: The file.
        passphrase: Any non-empty text; Argon2id derives the key from it, in a thread.
        create: Make the file if it is missing.
        profile: What a guess at the passphrase of a new file costs; an existing file names its own.

    Raises:
        VaultError: The file is missing, is another program's, is plaintext, or the passphrase does not open it.
        ConfigurationError: The passphrase is empty.
        MissingDependencyError: The driver has no SQLCipher, or a SQLite with the WAL-reset bug.

    Example:
        >>> connection = await create_encrypted_connection("notes.db", "correct horse battery staple")
        >>> await connection.execute_fetchall("SELECT count(*) FROM sqlite_master")
        [(0,)]
        >>> await connection.close()
    """
    credentials = Credentials(passphrase)
    del passphrase  # a traceback may show local variables
    file, settings = Path(path), ConnectionSettings()

    def find_key() -> VaultKey:
        if create and not file.exists():
            key = new_vault_key(credentials, profile)
            if create_file(file, key, _leave_empty):
                return key
        key = derive_file_key(file, credentials)
        check_key(file, key)
        return key

    key = await to_thread.run_sync(find_key)

    def connect() -> sqlcipher.Connection:
        raw = open_cipher(vault_uri(file), key, settings)
        raw.execute(f"PRAGMA busy_timeout = {STANDALONE_BUSY_TIMEOUT_MS}")
        raw.isolation_level = "IMMEDIATE"
        return raw

    return await CipherConnection(connect)


def _leave_empty(_raw: sqlcipher.Connection) -> None:
    pass
