"""Reading a BLOB in pieces, through SQLite's incremental I/O (https://sqlite.org/c3ref/blob_open.html)."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

from zorivest_async.database.driver import CipherConnection
from zorivest_async.database.failures import result_code
from zorivest_async.errors import RepositoryError, VaultDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["BlobReader"]


class BlobReader:
    """One BLOB, open for reading on its connection's thread, within the connection's transaction.

    Args:
        connection: The connection.
        driver: The aiosqlite connection under it.
        blob: The driver's BLOB.
    """

    def __init__(self, connection: AsyncConnection, driver: Any, blob: Any) -> None:
        self._connection = connection
        self._driver = driver
        self._blob = blob

    @classmethod
    async def open(cls, connection: AsyncConnection, table: str, column: str, row: int, start: int = 0) -> BlobReader:
        """Open the BLOB in a row, over this library's dialect or ``sqlite+aiosqlite``.

        Args:
            connection: The connection.
            table: Its table.
            column: Its column.
            row: Its row number.
            start: Where to begin, in bytes; past the end there is nothing to read.
        """
        driver: Any = (await connection.get_raw_connection()).driver_connection
        raw = driver._conn  # noqa: SLF001 - aiosqlite has no public way to its connection
        opened: list[Any] = []

        def open_blob() -> Any:
            if hasattr(raw, "blobopen"):
                blob = raw.blobopen(table, column, row, readonly=True)
            else:
                blob = raw.open_blob(table, column, row, True)  # sqlcipher3 has kept an older name
            opened.append(blob)
            blob.seek(min(start, len(blob)))
            return blob

        try:
            return cls(connection, driver, await _on_thread(connection, driver, open_blob))
        except asyncio.CancelledError:
            # While it is open, SQLite does not forget that it was interrupted, and the ROLLBACK would be, too.
            if opened and isinstance(driver, CipherConnection):
                driver.post(opened.pop().close)
            raise

    async def read(self, size_bytes: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        return bytes(await _on_thread(self._connection, self._driver, lambda: self._blob.read(size_bytes)))

    async def aclose(self) -> None:
        """Close the BLOB, where damage has not closed its connection."""
        if not self._connection.invalidated:
            await _on_thread(self._connection, self._driver, self._blob.close)


async def _on_thread(connection: AsyncConnection, driver: Any, function: Callable[[], Any]) -> Any:
    try:
        return await driver._execute(function)  # noqa: SLF001 - aiosqlite's own cursors do the same
    except Exception as error:
        if result_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            await connection.invalidate()  # it reads nothing any more
            raise VaultDamagedError from error
        raise RepositoryError(problem="the value changed while it was read in pieces; read it again") from error
