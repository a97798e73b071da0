"""Images of trades, reports and plans."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from os import PathLike
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import Delete, String, bindparam, cast, delete, exists, insert, select

from zorivest_async.database.blob import BlobReader
from zorivest_async.database.repositories.base import Repository, decoded, window
from zorivest_async.database.rows import RowMapper
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import IMAGES, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.domain.entities import ImageAttachment, ImageInfo
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.errors import ForeignKeyError, NotFoundError, ValidationError
from zorivest_async.images import ImageOffload, ImagePolicy, thumbnail_fits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from zorivest_async.database.repositories.base import Source

__all__ = ["SqlAlchemyImageRepository", "delete_images_of"]

_OWNERS = {
    ImageOwnerType.TRADE: TRADES.c.exec_id,
    ImageOwnerType.REPORT: cast(TRADE_REPORTS.c.id, String),
    ImageOwnerType.PLAN: cast(TRADE_PLANS.c.id, String),
}
_OF_OWNER = (IMAGES.c.owner_type == bindparam("owner_type")) & (IMAGES.c.owner_id == bindparam("owner_id"))
_OF_ID = IMAGES.c.id == bindparam("image_id")

_DATA = Statement(select(IMAGES.c.data).where(_OF_ID))
_THUMBNAIL = Statement(select(IMAGES.c.thumbnail, IMAGES.c.width, IMAGES.c.height).where(_OF_ID))
_DELETE_OF_OWNER = Statement(delete(IMAGES).where(_OF_OWNER))

_LARGEST_BLOB_BYTES = 2**31 - 1
"""SQLite's upper bound (https://sqlite.org/limits.html), and the most that a driver can be asked to read at once."""


def delete_images_of(owner_type: ImageOwnerType) -> Delete:
    """Return the statement that deletes the images of the owner ``:owner_id``."""
    return delete(IMAGES).where(IMAGES.c.owner_type == owner_type, IMAGES.c.owner_id == bindparam("owner_id"))


@cache
def _insert_for(owner_type: ImageOwnerType) -> str:
    """Return the statement that inserts an image if its owner exists; its last parameter is the owner's identifier."""
    mapper = SqlAlchemyImageRepository.mapper
    values = select(*(bindparam(name, type_=column.type) for name, column in mapper.columns.items()))
    guarded = values.where(exists().where(_OWNERS[owner_type] == bindparam("owner")))
    return Statement(insert(mapper.table).from_select([c.name for c in mapper.columns.values()], guarded)).text


class SqlAlchemyImageRepository(Repository[ImageAttachment]):
    """Stores images with their thumbnails.

    Args:
        source: As for every repository.
        offload: Where images are decoded. A vault's unit of work brings the vault's; the default is one of its own.
    """

    mapper: ClassVar = RowMapper(ImageAttachment, IMAGES)
    _info_mapper: ClassVar = RowMapper(ImageInfo, IMAGES)
    _of_owner = Statement(mapper.select.where(_OF_OWNER).order_by(IMAGES.c.id.desc()))
    _infos_of_owner = window(_info_mapper.select.where(_OF_OWNER).order_by(IMAGES.c.id.desc()))

    def __init__(self, source: Source, offload: ImageOffload | None = None) -> None:
        super().__init__(source)
        self._offload = offload if offload is not None else ImageOffload(ImagePolicy())

    async def save(
        self, owner_id: str | int, image: ImageAttachment, *, owner_type: ImageOwnerType = ImageOwnerType.TRADE
    ) -> int:
        """Insert an image as it is, undecoded, and return its row number.

        Args:
            owner_id: The owner's identifier, which replaces the entity's own.
            image: The image; :meth:`attach` is for bytes that have not been looked at yet.
            owner_type: What the owner is; replaces the entity's own.

        Raises:
            ForeignKeyError: There is no such owner.
        """
        owned = replace(image, owner_type=owner_type, owner_id=str(owner_id))
        result = await self._execute_sql(
            _insert_for(owned.owner_type), (*self._row(owned, self.mapper.fields), owned.owner_id), owned.id
        )
        if not result.rowcount:
            raise ForeignKeyError(
                "ImageAttachment", owned.owner_id, f"there is no such {owned.owner_type} to attach it to"
            )
        return result.lastrowid

    async def attach(
        self,
        owner_type: ImageOwnerType,
        owner_id: str | int,
        source: bytes | bytearray | memoryview | str | PathLike[str],
        *,
        caption: str | None = None,
    ) -> int:
        """Check an image, make its thumbnail, insert both and return the row number.

        Decoding happens in the vault's threads and before this method's first statement, so that no write lock is held
        meanwhile, unless an earlier statement of the unit of work took it. A cancelled task does not wait for it.

        Args:
            owner_type: What the image explains.
            owner_id: The owner's identifier.
            source: PNG, JPEG, WebP or GIF: its bytes, or the path of a file.
            caption: Free text.

        Raises:
            ImageError: The image is too large, of another format or damaged.
            OSError: There is no file at that path (``FileNotFoundError``), or it cannot be read.
            ForeignKeyError: There is no such owner.
            ValidationError: The caption or the owner cannot be right.

        Example:
            >>> async with vault.unit_of_work() as uow:
            ...     number = await uow.images.attach(ImageOwnerType.TRADE, "0001", "entry.png", caption="entry")
            ...     (await uow.images.get_info(number)).mime_type
            'image/png'
        """
        if isinstance(source, str | PathLike):
            data = await self._offload.read_file(source)
        elif isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source)
        else:
            raise ValidationError("ImageAttachment", "data", f"must be bytes or a path, not {type(source).__name__}")
        image = await self._offload.process(data)
        attachment = ImageAttachment(
            data,
            owner_type,
            str(owner_id),
            thumbnail=image.thumbnail,
            mime_type=image.mime_type,
            caption=caption,
            width=image.width,
            height=image.height,
        )
        return await self.save(attachment.owner_id, attachment, owner_type=attachment.owner_type)

    async def get(self, image_id: int) -> ImageAttachment | None:
        """Return an image with its original bytes, or ``None``."""
        found = await self._fetch(self.mapper.get, key=image_id)
        return found[0] if found else None

    async def get_info(self, image_id: int) -> ImageInfo | None:
        """Return an image without its original bytes, which are not read, or ``None``."""
        rows = await self._fetch_rows(self._info_mapper.get, key=image_id)
        return self._info_mapper.to_entity(rows[0]) if rows else None

    async def get_for_trade(self, exec_id: str) -> list[ImageAttachment]:
        """Return the images of a trade with their original bytes, newest first."""
        return await self.get_for_owner(ImageOwnerType.TRADE, exec_id)

    async def get_for_owner(self, owner_type: ImageOwnerType, owner_id: str | int) -> list[ImageAttachment]:
        """Return the images of an owner with their original bytes, newest first; :meth:`list_for_owner` is cheaper."""
        return await self._fetch(self._of_owner, owner_type=owner_type, owner_id=str(owner_id))

    async def list_for_owner(
        self, owner_type: ImageOwnerType, owner_id: str | int, limit: int | None = 100, offset: int = 0
    ) -> list[ImageInfo]:
        """Return the images of an owner with their thumbnails, newest first; originals are not read.

        ``limit=None`` is for all of them.
        """
        owner = {"owner_type": owner_type, "owner_id": str(owner_id)}
        rows = await self._fetch_rows(self._infos_of_owner, **owner, **self._window(limit, offset))
        return await decoded(self._info_mapper, rows)

    async def get_thumbnail(self, image_id: int, max_size: int = 200) -> bytes:
        """Return a WebP thumbnail, upright and without metadata.

        The stored one is returned where its longest side is what was asked for; else one is made from the original, in
        the vault's threads. A cancelled task does not wait for it.

        Args:
            image_id: Row number of the image.
            max_size: Longest side, in pixels, at least 1; a smaller original is not enlarged.

        Raises:
            NotFoundError: There is no such image.
            ConfigurationError: ``max_size`` is not a whole number of at least 1.
            CorruptImageError: The original cannot be decoded.
            ImageTooLargeError: The original is beyond the limits that the vault has now.
            UnsupportedImageError: The original is not an image.
        """
        stored = await self._stored_thumbnail(image_id, max_size)
        return stored or await self._offload.thumbnail(await self.get_full_data(image_id), max_size)

    async def _stored_thumbnail(self, image_id: int, max_size: int) -> bytes | None:
        rows = await self._fetch_rows(_THUMBNAIL, image_id=image_id)
        if not rows:
            raise NotFoundError("ImageAttachment", image_id)
        thumbnail, width, height = rows[0]
        if thumbnail is not None and thumbnail_fits(thumbnail, max_size, width, height):
            return bytes(thumbnail)
        return None

    async def get_full_data(self, image_id: int) -> bytes:
        """Return the original, byte for byte.

        Raises:
            NotFoundError: There is no such image.
        """
        data = await self._scalar(_DATA, image_id=image_id)
        if data is None:
            raise NotFoundError("ImageAttachment", image_id)
        return bytes(data)

    async def stream(
        self, image_id: int, chunk_size: int = 256 * 1024, *, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield the original or a part of it in chunks, each read in one hand-off, and never all of it held in memory.

        Leave no write to the same image between the chunks. Use :func:`contextlib.aclosing` where you may stop early.

        Args:
            image_id: Row number of the image.
            chunk_size: Of each chunk but the last, in bytes.
            start: The first byte, counted from 0.
            stop: The byte after the last; ``None`` for the end. Past the end there is nothing.

        Raises:
            NotFoundError: There is no such image.
            InvalidQueryError: ``chunk_size`` is not a positive whole number, ``start`` or ``stop`` is negative.
        """
        self._require_count("chunk_size", chunk_size, minimum=1)
        self._require_count("start", start, minimum=0)
        if stop is not None:
            self._require_count("stop", stop, minimum=0)
        if not await self._scalar(self.mapper.exists, key=image_id):
            raise NotFoundError("ImageAttachment", image_id)
        connection = await self._channel.connection()
        left = max((_LARGEST_BLOB_BYTES if stop is None else min(stop, _LARGEST_BLOB_BYTES)) - start, 0)
        blob = await BlobReader.open(connection, IMAGES.name, "data", image_id, start)
        try:
            while left and (chunk := await blob.read(min(chunk_size, left))):
                left -= len(chunk)
                yield chunk
        finally:
            await blob.aclose()

    async def delete(self, image_id: int) -> bool:
        """Delete an image and return whether there was one."""
        return bool((await self._execute(self.mapper.delete, key=image_id)).rowcount)

    async def delete_for_owner(self, owner_type: ImageOwnerType, owner_id: str | int) -> int:
        """Delete all images of an owner and return how many there were."""
        return (await self._execute(_DELETE_OF_OWNER, owner_type=owner_type, owner_id=str(owner_id))).rowcount
