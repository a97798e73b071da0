"""The vaults that the workloads use: made by this library, filled with the driver alone, which is fast."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from benchmarks.connecting import open_raw
from benchmarks.screenshots import draw_screenshots
from benchmarks.trades import ACCOUNT, INSERT_TRADE, NEW_ACCOUNT, exec_id_of, make_trades, rows_of
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from sqlcipher3 import dbapi2 as sqlcipher

__all__ = ["IMAGE_BYTES", "KEY", "PASSPHRASE", "Vaults", "remove_new"]

KEY: Final = bytes(range(32))
PASSPHRASE: Final = "a passphrase of throw-away vaults"  # noqa: S105
IMAGE_BYTES: Final = 1_000_000

_INSERT_IMAGE: Final = (
    "INSERT INTO images (owner_type, owner_id, thumbnail, mime_type, width, height, file_size, created_at, data)"
    " VALUES ('trade', ?, ?, 'image/png', 3840, 2160, ?, '2024-03-08 14:30:00.000000', ?)"
)
_THUMBNAIL_BYTES: Final = 2_500
"""What a stored thumbnail of a chart has, about."""

_TABLES: Final = (
    "SELECT sql FROM sqlite_master WHERE tbl_name IN ('accounts', 'trades') AND type IN ('table', 'index')"
    " AND sql IS NOT NULL ORDER BY type DESC"
)
_INSERT_ACCOUNT: Final = (
    "INSERT INTO accounts (account_id, name, account_type, created_at)"
    " VALUES (?, ?, 'broker', '2020-01-02 14:30:00.000000')"
)

_SALT_BYTES: Final = 16


class Vaults:
    """A folder of vaults and screenshots, made when first asked for.

    Args:
        folder: Keep them here and use again what is here; by default they go into a temporary folder, and away.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._temporary = None if folder is not None else tempfile.TemporaryDirectory(prefix="benchmarks-")
        self.folder = folder if folder is not None else Path(str(self._temporary and self._temporary.name))
        self.folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    async def journal(self, trades: int) -> Path:
        """Return a vault with so many trades."""

        def fill(connection: sqlcipher.Connection) -> None:
            connection.executemany(INSERT_TRADE, rows_of(make_trades(trades)))

        return await self._make(f"journal-{trades}.vault", fill)

    async def gallery(self, images: int) -> Path:
        """Return a vault with a trade, the first, that has so many images of 1 MB."""

        def fill(connection: sqlcipher.Connection) -> None:
            connection.executemany(INSERT_TRADE, rows_of(make_trades(1)))
            _add_images(connection, images)

        return await self._make(f"gallery-{images}.vault", fill)

    async def sized(self, megabytes: int) -> Path:
        """Return a vault of a size: mostly images, as journals are."""

        def fill(connection: sqlcipher.Connection) -> None:
            connection.executemany(INSERT_TRADE, rows_of(make_trades(10_000)))
            _add_images(connection, megabytes)

        return await self._make(f"sized-{megabytes}.vault", fill)

    def copy(self, path: Path) -> Path:
        """Return a copy of a vault, which must not be open in this process: closing it would drop SQLite's locks."""
        return _copy(path, path.with_suffix(".copy"))

    def own(self, path: Path, name: str, *, plain: bool) -> Path:
        """Return a new copy of a vault that nothing else uses, or a new plain file of its tables."""
        own = _copy(path, path.with_suffix(f".{name}"))
        if not plain:
            return own
        _remove(own.with_suffix(".plain-copy"))
        return self.plain(own, own.with_suffix(".plain-copy"))

    def plain(self, path: Path, plain: Path) -> Path:
        """Return a file of the standard library's SQLite with the same trades and indexes, unencrypted."""
        if not plain.exists():
            with closing(open_raw(path, KEY)) as vault:
                tables = [sql for (sql,) in vault.execute(_TABLES)]
                (trades,) = vault.execute("SELECT count(*) FROM trades").fetchone()
            unfinished = plain.with_suffix(".unfinished-plain")
            unfinished.unlink(missing_ok=True)
            with closing(sqlite3.connect(unfinished)) as connection, connection:
                for sql in tables:
                    connection.execute(sql)
                for account in (ACCOUNT, NEW_ACCOUNT):
                    connection.execute(_INSERT_ACCOUNT, (account.account_id, account.name))
                connection.executemany(INSERT_TRADE, rows_of(make_trades(trades)))
            unfinished.rename(plain)
        return plain

    async def locked(self) -> tuple[Path, bytes]:
        """Return an empty vault that :data:`PASSPHRASE` opens, and its salt."""
        path = self.folder / "passphrase.vault"
        if not path.exists():
            async with Vault.open(path, passphrase=PASSPHRASE):
                pass
        return path, path.read_bytes()[:_SALT_BYTES]  # nothing in this process has it open

    async def screenshots(self, count: int, kind: str) -> list[bytes]:
        """Return so many different 4K screenshots, as ``"png"`` or ``"jpeg"`` files."""
        return await asyncio.to_thread(draw_screenshots, self.folder, count, kind)

    async def _make(self, name: str, fill: Callable[[sqlcipher.Connection], None]) -> Path:
        path = self.folder / name
        if not path.exists():
            unfinished = path.with_suffix(".unfinished")
            unfinished.unlink(missing_ok=True)
            async with Vault.open(unfinished, key=KEY) as vault, vault.unit_of_work() as uow:
                await uow.accounts.save(ACCOUNT)
                await uow.accounts.save(NEW_ACCOUNT)
                await uow.commit()
            await asyncio.to_thread(_fill, unfinished, fill)
            unfinished.rename(path)
        return path


def _copy(path: Path, copy: Path) -> Path:
    _remove(copy)
    shutil.copyfile(path, copy)
    return copy


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _fill(path: Path, fill: Callable[[sqlcipher.Connection], None]) -> None:
    with closing(open_raw(path, KEY)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        fill(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _add_images(connection: sqlcipher.Connection, count: int) -> None:
    data = os.urandom(IMAGE_BYTES)  # as incompressible as a PNG file
    row = (exec_id_of(0), os.urandom(_THUMBNAIL_BYTES), IMAGE_BYTES, data)
    connection.executemany(_INSERT_IMAGE, (row for _ in range(count)))


def remove_new(path: Path) -> None:
    """Remove what a workload has saved, and empty the WAL, so that the next one finds what this one found."""
    with closing(open_raw(path, KEY)) as connection:
        connection.execute("DELETE FROM images WHERE caption = 'new' OR owner_id LIKE 'N%'")
        connection.execute("DELETE FROM trades WHERE account_id = ?", (NEW_ACCOUNT.account_id,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
