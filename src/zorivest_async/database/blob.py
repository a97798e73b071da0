"""Reading a BLOB in pieces, through SQLite's incremental I/O (https://sqlite.org/c3ref/blob_open.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from zorivest_async.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiosqlite
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["BlobReader"]

_T = TypeVar("_T")


class BlobReader:
    """One BLOB, open for reading on its connection's thread, within the connection's transaction."""

    def __init__(self, driver: aiosqlite.Connection) -> None:
        self._driver = driver
        self._blob: Any = None

    @classmethod
    async def open(cls, connection: AsyncConnection, table: str, column: str, row: int) -> BlobReader:
        """Open the BLOB in a row; over this library's dialect or ``sqlite+aiosqlite``."""
        reader = cls((await connection.get_raw_connection()).driver_connection)

        def open_blob() -> Any:
            raw: Any = reader._driver._conn  # noqa: SLF001 - aiosqlite has no public way to its connection
            # sqlcipher3 has kept the method's older name.
            return (
                raw.blobopen(table, column, row, readonly=True)
                if hasattr(raw, "blobopen")
                else raw.open_blob(table, column, row, True)
            )

        reader._blob = await reader._on_thread(open_blob)
        return reader

    async def read(self, size_bytes: int) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        blob = self._blob
        return await self._on_thread(lambda: blob.read(size_bytes))

    async def aclose(self) -> None:
        """Close the BLOB."""
        blob = self._blob
        await self._on_thread(blob.close)

    async def _on_thread(self, function: Callable[[], _T]) -> _T:
        try:
            return await self._driver._execute(function)  # noqa: SLF001 - aiosqlite's own cursors do the same
        except Exception as error:
            raise RepositoryError(
                "ImageAttachment", problem="the image changed while it was read; read it again"
            ) from error
