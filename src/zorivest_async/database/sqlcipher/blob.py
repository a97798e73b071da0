"""Reader of a BLOB in chunks, through SQLite's incremental I/O (https://sqlite.org/c3ref/blob_open.html)."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.lent import LentConnection
from zorivest_async.database.sqlcipher.aiosqlite_internals import raw_of, run_on_thread
from zorivest_async.database.sqlcipher.driver import CipherConnection
from zorivest_async.database.sqlcipher.failures import result_code
from zorivest_async.errors import RepositoryError, VaultDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["BlobReader"]

ENDED: Final = "the transaction in which the image was streamed has ended; stream it again"
"""Message for a read after a commit or a rollback."""


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
            table: The table of the BLOB.
            column: The column of the BLOB.
            row: The row number.
            start: Offset of the first byte to read; past the end there is nothing to read.
        """
        driver: Any = (await connection.get_raw_connection()).driver_connection

        def open_blob() -> Any:
            if isinstance(driver, CipherConnection):
                blob = driver.open_blob(table, column, row)
            else:
                blob = raw_of(driver).blobopen(table, column, row, readonly=True)
            blob.seek(min(start, len(blob)))
            return blob

        try:
            reader = cls(connection, driver, await _on_thread(connection, driver, open_blob))
        except asyncio.CancelledError:
            # While the BLOB is open, the interrupt stays in effect, and would interrupt the ROLLBACK, too.
            if isinstance(driver, CipherConnection):
                driver.post(driver.close_blobs)
            raise
        # The library's own driver closes its BLOBs itself.
        if isinstance(connection, LentConnection) and not isinstance(driver, CipherConnection):
            connection.closed_with_it(reader)
        return reader

    async def read(self, size_bytes: int) -> bytes:
        """Return the next bytes; none at the end.

        Args:
            size_bytes: Maximum number of bytes.

        Raises:
            RepositoryError: The transaction has ended, or the row was changed.
            VaultDamagedError: A page does not authenticate.
        """
        if self._connection.closed:
            raise RepositoryError(problem=ENDED)
        return bytes(await _on_thread(self._connection, self._driver, lambda: self._blob.read(size_bytes)))

    async def aclose(self) -> None:
        """Close the BLOB, unless the end of its transaction, or a damaged page, has closed it already."""
        if self._connection.closed or self._connection.invalidated:
            return
        driver, blob = self._driver, self._blob
        close = partial(driver.close_blob, blob) if isinstance(driver, CipherConnection) else blob.close
        await _on_thread(self._connection, driver, close)


async def _on_thread(connection: AsyncConnection, driver: Any, function: Callable[[], Any]) -> Any:
    try:
        return await run_on_thread(driver, function)
    except Exception as error:
        if result_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            await connection.invalidate()  # it reads nothing any more
            raise VaultDamagedError from error
        raise RepositoryError(problem="the value changed while it was read in pieces; read it again") from error
