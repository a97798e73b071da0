"""Encrypted connections without this library: for the contenders, and to fill vaults quickly."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlcipher3 import dbapi2 as sqlcipher

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["PRAGMAS", "create_stock_engine", "open_raw"]

PRAGMAS: Final = (
    "PRAGMA cipher_compatibility = 4",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA wal_autocheckpoint = 1000",
    "PRAGMA journal_mode = WAL",
)
"""What the library sets on its own connections; the page size is SQLCipher's default, 4,096 bytes, on both sides."""


def open_raw(path: Path, key: bytes, *, isolation_level: str | None = None) -> sqlcipher.Connection:
    """Open a vault's file with the driver alone.

    Args:
        path: The file, which exists.
        key: 32 raw bytes.
        isolation_level: ``None`` for transactions that are begun by hand; ``""`` for the driver's own way.
    """
    connection = sqlcipher.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=isolation_level, check_same_thread=False
    )
    connection.set_key(f"x'{key.hex()}'".encode())
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


def _stock_module() -> AsyncAdapt_aiosqlite_dbapi:
    """Return aiosqlite as a module whose error classes are sqlcipher3's, without which SQLAlchemy wraps no error."""
    names = (
        "DatabaseError",
        "Error",
        "IntegrityError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
        "sqlite_version",
        "sqlite_version_info",
    )
    shim = SimpleNamespace(Connection=aiosqlite.Connection, **{name: getattr(sqlcipher, name) for name in names})
    return AsyncAdapt_aiosqlite_dbapi(cast("Any", shim), cast("Any", sqlcipher))


def create_stock_engine(path: Path, key: bytes, **options: Any) -> AsyncEngine:
    """Return ``sqlite+aiosqlite`` over an encrypted file, with the pool that SQLAlchemy gives to files."""

    async def connect() -> aiosqlite.Connection:
        opening = partial(open_raw, path, key, isolation_level="")
        connection = aiosqlite.Connection(opening, iter_chunk_size=64)
        cast("Any", connection)._thread.daemon = True  # noqa: SLF001 - as the stock dialect does for its own
        return await connection

    return create_async_engine(
        "sqlite+aiosqlite://",
        async_creator=connect,
        module=_stock_module(),
        poolclass=AsyncAdaptedQueuePool,
        **options,
    )
