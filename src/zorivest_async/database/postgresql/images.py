"""Original bytes of images, which a server stores in chunks: a stream needs no more memory than one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from zorivest_async.database.postgresql.dialect import keys_of
from zorivest_async.database.postgresql.keys import CHUNK_BYTES
from zorivest_async.errors import RepositoryError, VaultDamagedError

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from zorivest_async.database.postgresql.keys import JournalKeys

__all__ = ["ChunkReader"]

ENDED: Final = "the transaction in which the image was streamed has ended; stream it again"
CHANGED: Final = "the value changed while it was read in pieces; read it again"

_SIZE: Final = text("SELECT sum(octet_length(data))::bigint, count(*) FROM image_chunks WHERE image_id = :number")
_CHUNK: Final = text("SELECT data FROM image_chunks WHERE image_id = :number AND n = :n")
_IS_THERE: Final = text("SELECT EXISTS (SELECT FROM images WHERE id = :number)")


class ChunkReader:
    """The original bytes of an image, read chunk by chunk within the transaction of a connection.

    Its bytes are in memory for one chunk only; before each part it is checked that the image is still there.

    Args:
        connection: The connection.
        number: The row number of the image.
        size: Its size, in bytes.
        count: The number of its chunks.
        start: Offset of the first byte to read.
    """

    def __init__(self, connection: AsyncConnection, number: int, size: int, count: int, start: int) -> None:
        self._connection = connection
        self._keys: JournalKeys = keys_of(connection.dialect)
        self._count = count
        self._number = number
        self._size = size
        self._place = min(start, size)
        self._chunk: tuple[int, bytes] | None = None

    @classmethod
    async def open(cls, connection: AsyncConnection, number: int, start: int) -> ChunkReader:
        """Open the bytes of an image for reading from an offset."""
        size, count = (await connection.execute(_SIZE, {"number": number})).one()
        if not count and keys_of(connection.dialect).binds:
            raise VaultDamagedError(None, "the chunks of an image are missing")
        return cls(connection, number, int(size or 0) - count * keys_of(connection.dialect).overhead, count, start)

    async def read(self, size_bytes: int) -> bytes:
        """Return the next bytes; none at the end.

        Args:
            size_bytes: Maximum number of bytes.

        Raises:
            RepositoryError: The transaction has ended, or the image was changed.
        """
        if self._connection.closed:
            raise RepositoryError(problem=ENDED)
        if self._chunk is not None and not await self._scalar(_IS_THERE, number=self._number):
            raise RepositoryError(problem=CHANGED)
        parts: list[bytes] = []
        left = min(size_bytes, self._size - self._place)
        while left > 0:
            number, offset = divmod(self._place, CHUNK_BYTES)
            part = (await self._chunk_of(number))[offset : offset + left]
            if not part:
                raise RepositoryError(problem=CHANGED)
            parts.append(part)
            self._place += len(part)
            left -= len(part)
        return b"".join(parts)

    async def _chunk_of(self, number: int) -> bytes:
        if self._chunk is None or self._chunk[0] != number:
            found = await self._scalar(_CHUNK, number=self._number, n=number)
            if found is None:
                if self._keys.binds and await self._scalar(_IS_THERE, number=self._number):
                    raise VaultDamagedError(None, "a chunk of an image is missing")
                raise RepositoryError(problem=CHANGED)
            is_last = number == self._count - 1
            self._chunk = number, self._keys.open_chunk(bytes(found), self._number, number, is_last=is_last)
        return self._chunk[1]

    async def _scalar(self, statement: TextClause, **parameters: int) -> Any:
        try:
            return (await self._connection.execute(statement, parameters)).scalar()
        except SQLAlchemyError:
            raise RepositoryError(problem=ENDED) from None

    async def aclose(self) -> None:
        """Let go of the last chunk."""
        self._chunk = None
