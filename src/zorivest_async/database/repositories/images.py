"""Repository of images of trades, reports and plans."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import String, bindparam, cast, delete, exists, insert, select

from zorivest_async.database.aggregates import IMAGE
from zorivest_async.database.mapping import RowCodec, RowMapper
from zorivest_async.database.repositories.base import Repository, decoded, window
from zorivest_async.database.repositories.previews import PictureSource, PreviewRepository, require_kind
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import IMAGES, TRADE_PLANS, TRADE_REPORTS, TRADES
from zorivest_async.domain.entities import ImageAttachment, ImageInfo
from zorivest_async.domain.enums import ImageOwnerType
from zorivest_async.errors import (
    ForeignKeyError,
    InvalidQueryError,
    NotFoundError,
    ReadOnlyError,
)
from zorivest_async.images import ImageOffload, ImagePolicy, notes_of
from zorivest_async.images.policy import PREVIEW_PX

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from os import PathLike

    from zorivest_async.database.repositories.base import Source
    from zorivest_async.images import ImageNote

__all__ = ["OWNER_KEYS", "SqlAlchemyImageRepository"]

OWNER_KEYS = {
    ImageOwnerType.TRADE: TRADES.c.exec_id,
    ImageOwnerType.REPORT: TRADE_REPORTS.c.id,
    ImageOwnerType.PLAN: TRADE_PLANS.c.id,
}
"""What the owner of an image is found by."""

_AS_TEXT = {kind: key if isinstance(key.type, String) else cast(key, String) for kind, key in OWNER_KEYS.items()}
"""The same as an image has it: a number in decimal."""

_OF_OWNER = (IMAGES.c.owner_type == bindparam("owner_type")) & (IMAGES.c.owner_id == bindparam("owner_id"))
_OF_ID = IMAGES.c.id == bindparam("image_id")

_NUMBER = Statement(select(IMAGES.c.id).where(_OF_ID))
_DATA = Statement(select(IMAGES.c.data).where(_OF_ID))
_DELETE_OF_OWNER = Statement(delete(IMAGES).where(_OF_OWNER))

_LARGEST_BLOB_BYTES = 2**31 - 1
"""SQLite's maximum size of a BLOB (https://sqlite.org/limits.html), and the maximum of one read of the driver."""


@cache
def _insert_for(owner_type: ImageOwnerType) -> Statement:
    """Return the statement that inserts an image if its owner exists.

    Its parameters are the fields, the preview and the owner's identifier.
    """
    mapper = SqlAlchemyImageRepository.mapper
    columns = [*mapper.columns.values(), IMAGES.c.preview]
    values = select(*(bindparam(f"new_{column.name}", type_=column.type) for column in columns))
    guarded = values.where(exists().where(_AS_TEXT[owner_type] == bindparam("owner")))
    insertion = insert(mapper.table).from_select([column.name for column in columns], guarded)
    return Statement(insertion.returning(mapper.key_column))


class SqlAlchemyImageRepository(Repository[ImageAttachment]):
    """Repository of images with their thumbnails.

    Args:
        source: As for every repository.
        offload: Thread offload for decoding. A vault's unit of work passes the vault's; the default is a separate one.
    """

    mapper: ClassVar = IMAGE.mapper
    _info_mapper: ClassVar = RowMapper(ImageInfo, IMAGES)
    _of_owner = Statement(mapper.select.where(_OF_OWNER).order_by(IMAGES.c.id.desc()))
    _infos_of_owner = window(_info_mapper.select.where(_OF_OWNER).order_by(IMAGES.c.id.desc()))

    def __init__(self, source: Source | Repository[Any], offload: ImageOffload | None = None) -> None:
        super().__init__(source)
        self._offload = offload if offload is not None else ImageOffload(ImagePolicy())

    @property
    def _info_codec(self) -> RowCodec[ImageInfo]:
        return self._info_mapper.for_backend[self._channel.backend]

    async def save(
        self, owner_id: str | int, image: ImageAttachment, *, owner_type: ImageOwnerType = ImageOwnerType.TRADE
    ) -> int:
        """Insert an image without checking or decoding it, and return its row number.

        Args:
            owner_id: The owner's identifier, which replaces the entity's.
            image: The image; use :meth:`attach` for unchecked bytes.
            owner_type: The kind of the owner, which replaces the entity's.

        Raises:
            ForeignKeyError: The owner is not stored.
        """
        return await self._save(replace(image, owner_type=owner_type, owner_id=_owner_text(owner_id)), None)

    async def _save(self, owned: ImageAttachment, preview: bytes | None) -> int:
        result = await self._execute_row(
            _insert_for(owned.owner_type), (*self._row(owned, self.mapper.fields), preview, owned.owner_id), owned.id
        )
        if not result.rows:
            raise ForeignKeyError(
                "ImageAttachment",
                owned.owner_id,
                f"its {owned.owner_type} is not stored; save the {owned.owner_type} first",
            )
        number: int = result.rows[0][0]
        return number

    async def attach(
        self,
        owner_type: ImageOwnerType,
        owner_id: str | int,
        source: bytes | bytearray | memoryview | str | PathLike[str],
        *,
        caption: str | None = None,
    ) -> int:
        """Check an image, make its thumbnail and its preview, insert all three and return the row number.

        The vault's threads decode it before this method's first statement. So no write lock is held meanwhile, unless
        an earlier statement of the unit of work took it. A cancelled task does not wait for the decoding.

        A GIF without its trailer and a JPEG without its end marker are accepted if nothing of the picture is missing:
        :meth:`get_notes` tells.

        The files, and copies of buffers, that are in memory at a time are bounded: to 40 MiB for each vault by default,
        which is ``threads`` times ``max_bytes`` of its :class:`~zorivest_async.ImagePolicy`. Further calls wait, in
        order of arrival, before they read theirs. A unit of work that has sent a statement never waits for that, as
        others may wait for it.

        Args:
            owner_type: The kind of the owner.
            owner_id: The owner's identifier.
            source: PNG, JPEG, WebP or GIF: its bytes, or the path of a file. Do not change a ``bytearray`` or a
                ``memoryview`` before the call has returned.
            caption: Free text.

        Raises:
            ImageError: The image is too large, of another format or damaged.
            OSError: The file does not exist (``FileNotFoundError``), or cannot be read.
            ForeignKeyError: The owner is not stored.
            ValidationError: The caption, the owner or the source is invalid, for example a path with a NUL character.

        Example:
            >>> async with vault.unit_of_work() as uow:
            ...     number = await uow.images.attach(ImageOwnerType.TRADE, "0001", "entry.png", caption="entry")
            ...     (await uow.images.get_info(number)).mime_type
            'image/png'
        """
        async with self._offload.attached(source, may_wait=self._channel.is_idle) as data:
            image = await self._offload.process(data)
            attachment = ImageAttachment(
                data,
                owner_type,
                _owner_text(owner_id),
                thumbnail=image.thumbnail,
                mime_type=image.mime_type,
                caption=caption,
                width=image.width,
                height=image.height,
            )
            return await self._save(attachment, image.preview)

    async def get(self, image_id: int) -> ImageAttachment | None:
        """Return an image with its original bytes, or ``None``."""
        found = await self._fetch(self.mapper.get, key=image_id)
        return found[0] if found else None

    async def get_info(self, image_id: int) -> ImageInfo | None:
        """Return the metadata and thumbnail of an image, or ``None``; the original is not read."""
        rows = await self._fetch_rows(self._info_mapper.get, key=image_id)
        return self._info_codec.to_entity(rows[0]) if rows else None

    async def get_for_trade(self, exec_id: str) -> list[ImageAttachment]:
        """Return the images of a trade with their original bytes, newest first."""
        return await self.get_for_owner(ImageOwnerType.TRADE, exec_id)

    async def get_for_owner(self, owner_type: ImageOwnerType, owner_id: str | int) -> list[ImageAttachment]:
        """Return the images of an owner with their original bytes, newest first; :meth:`list_for_owner` is cheaper."""
        return await self._fetch(self._of_owner, **_owner(owner_type, owner_id))

    async def list_for_owner(
        self, owner_type: ImageOwnerType, owner_id: str | int, limit: int | None = 100, offset: int = 0
    ) -> list[ImageInfo]:
        """Return the images of an owner with their thumbnails, newest first; originals are not read.

        ``limit=None`` returns all of them.
        """
        owner = _owner(owner_type, owner_id)
        rows = await self._fetch_rows(self._infos_of_owner, **owner, **self._window(limit, offset))
        return await decoded(self._info_codec, rows)

    async def get_thumbnail(self, image_id: int, max_size: int | None = None) -> bytes:
        """Return a WebP thumbnail, upright, in sRGB and without metadata.

        It returns the stored thumbnail, or the preview of 400 px, if that has the requested size. Smaller ones are made
        from the preview, larger ones from the original, by the vault's threads. An image of an older release has no
        preview: the first request for more than 200 and at most 400 px makes it, and stores it in a unit of work that
        writes. A cancelled task does not wait for the decoding.

        The unit of work keeps its transaction, and with it a connection, while the vault's threads make a thumbnail.
        :meth:`Vault.thumbnail <zorivest_async.Vault.thumbnail>` gives the connection back first: use it in galleries.

        Args:
            image_id: Row number of the image.
            max_size: Longest side, in pixels, at least 1; a smaller original is not enlarged. ``None`` (default) is the
                stored thumbnail, whose longest side is the ``thumbnail_px`` of the :class:`~zorivest_async.ImagePolicy`
                that it was made with, 200 by default; it is not decoded.

        Raises:
            NotFoundError: There is no such image.
            InvalidQueryError: ``max_size`` is not a whole number of at least 1.
            CorruptImageError: The original cannot be decoded.
            ImageTooLargeError: The original exceeds the vault's present limits.
            UnsupportedImageError: The original is not an image.
            ValidationError: Another program has stored a value that no release writes.
        """
        previews = PreviewRepository(self)
        found = await previews.find(image_id, max_size, self._offload.policy.thumbnail_px)
        if found.source is PictureSource.STORED:
            return found.data
        if found.source is PictureSource.PREVIEW:
            return await self._offload.thumbnail(found.data, found.max_size)
        original = await self.get_full_data(image_id)
        if found.source is PictureSource.ORIGINAL:
            return await self._offload.thumbnail(original, found.max_size)
        preview = await self._offload.thumbnail(original, PREVIEW_PX)
        del original
        with suppress(ReadOnlyError):
            await previews.store(image_id, preview)
        return await self._offload.scaled(preview, found.max_size)

    async def get_full_data(self, image_id: int) -> bytes:
        """Return the original, byte for byte.

        Raises:
            NotFoundError: There is no such image.
            ValidationError: Another program has stored a value that is not bytes.
        """
        data = await self._scalar(_DATA, image_id=image_id)
        if data is None:
            raise NotFoundError("ImageAttachment", image_id)
        original: bytes = require_kind("data", bytes, data)
        return original

    async def get_notes(self, image_id: int) -> tuple[ImageNote, ...]:
        """Return what is unusual about the file of an image: an empty tuple for almost every image.

        Vault threads walk the original, which is not decoded. A cancelled task does not wait for them.

        Args:
            image_id: Row number of the image.

        Raises:
            NotFoundError: There is no such image.
            CorruptImageError: The original is truncated or malformed.
            UnsupportedImageError: The original is not an image.
            ValidationError: Another program has stored a value that is not bytes.

        Example:
            >>> async with vault.unit_of_work() as uow:
            ...     number = await uow.images.attach(ImageOwnerType.TRADE, "0001", "entry.png")
            ...     await uow.images.get_notes(number)
            ()
        """
        return await self._offload.run(notes_of, await self.get_full_data(image_id))

    async def stream(
        self, image_id: int, chunk_size: int = 256 * 1024, *, start: int = 0, stop: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Yield the original, or a part of it, in chunks; each is one hand-off, and only one is in memory.

        Do not write to the same image between the chunks. Use :func:`contextlib.aclosing` if you may stop early.

        Args:
            image_id: Row number of the image.
            chunk_size: Size of each chunk except the last, in bytes.
            start: The first byte, counted from 0.
            stop: The byte after the last; ``None`` for the end. A part past the end is empty.

        Raises:
            NotFoundError: There is no such image.
            InvalidQueryError: ``chunk_size`` is not a whole number from 1 to 2**63 - 1, or ``start`` or ``stop`` is not
                one from 0.
        """
        self._require_count("chunk_size", chunk_size, minimum=1)
        self._require_count("start", start, minimum=0)
        if stop is not None:
            self._require_count("stop", stop, minimum=0)
        number = await self._scalar(_NUMBER, image_id=image_id)
        if number is None:
            raise NotFoundError("ImageAttachment", image_id)
        connection = await self._channel.connection()
        left = max((_LARGEST_BLOB_BYTES if stop is None else min(stop, _LARGEST_BLOB_BYTES)) - start, 0)
        blob = await self._channel.backend.open_bytes(connection, IMAGES, "data", number, start)
        try:
            while left and (chunk := await blob.read(min(chunk_size, left))):
                left -= len(chunk)
                yield chunk
        finally:
            await blob.aclose()

    async def delete(self, image_id: int) -> bool:
        """Delete an image and return whether there was one."""
        return bool((await self._execute(self.mapper.delete, image_id, key=image_id)).rowcount)

    async def delete_for_owner(self, owner_type: ImageOwnerType, owner_id: str | int) -> int:
        """Delete all images of an owner and return their number."""
        return (await self._execute(_DELETE_OF_OWNER, **_owner(owner_type, owner_id))).rowcount


def _owner(owner_type: ImageOwnerType, owner_id: str | int) -> dict[str, str]:
    """Return the parameters that select the images of an owner.

    Raises:
        InvalidQueryError: There is no such kind of owner.
    """
    try:
        kind = ImageOwnerType(owner_type)
    except ValueError:
        raise InvalidQueryError(
            "ImageAttachment", problem=f"owner_type must be one of: {', '.join(ImageOwnerType)}"
        ) from None
    return {"owner_type": kind, "owner_id": _owner_text(owner_id)}


def _owner_text(owner_id: str | int) -> str:
    try:
        return str(owner_id)
    except ValueError:  # from an integer with more digits than Python converts (sys.set_int_max_str_digits)
        raise InvalidQueryError("ImageAttachment", problem="owner_id has too many digits") from None
