"""Stored pictures of images: thumbnails, and previews, which are in no entity."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, select, update

from zorivest_async.database.aggregates import IMAGE
from zorivest_async.database.mapping import STRANGE
from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import IMAGES
from zorivest_async.domain.entities import ImageAttachment
from zorivest_async.errors import NotFoundError, ValidationError
from zorivest_async.images import preview_serves, thumbnail_fits, webp_longest_side
from zorivest_async.images.policy import PREVIEW_PX

if TYPE_CHECKING:
    from types import UnionType

__all__ = ["PictureSource", "PreviewRepository", "StoredPicture", "require_kind"]

_OF_ID = IMAGES.c.id == bindparam("image_id")
_THUMBNAIL = Statement(select(IMAGES.c.thumbnail, IMAGES.c.width, IMAGES.c.height).where(_OF_ID))
_GET = Statement(select(IMAGES.c.preview).where(_OF_ID))
_STORE = Statement(update(IMAGES).where(_OF_ID, IMAGES.c.preview.is_(None)).values(preview=bindparam("made")))
# The header of a row says whether a value is NULL, so this reads no original.
_MISSING = Statement(select(IMAGES.c.id).where(IMAGES.c.preview.is_(None)).order_by(IMAGES.c.id))


class PictureSource(Enum):
    """Source of a thumbnail of a requested size."""

    STORED = "it is stored"
    PREVIEW = "it is scaled from the preview"
    NEW_PREVIEW = "it is the preview, or scaled from it, which is made from the original first"
    ORIGINAL = "it is made from the original"


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """Source of a thumbnail, and its bytes if it is stored or scaled from the preview.

    Attributes:
        source: The source.
        max_size: The longest side to make, in pixels.
        data: The stored thumbnail or preview; empty if the original must be read.
    """

    source: PictureSource
    max_size: int
    data: bytes = field(default=b"", repr=False)


class PreviewRepository(Repository[ImageAttachment]):
    """Repository of the stored pictures of images."""

    mapper: ClassVar = IMAGE.mapper

    async def find(self, image_id: int, max_size: int | None, stored_px: int) -> StoredPicture:
        """Return what a thumbnail of a size is made from; it reads no original.

        Args:
            image_id: Row number of the image.
            max_size: Longest side, in pixels; ``None`` for that of the stored thumbnail.
            stored_px: Longest side of a thumbnail that should be stored and is not.

        Raises:
            NotFoundError: There is no such image.
            InvalidQueryError: ``max_size`` is not a whole number of at least 1.
            ValidationError: Another program has stored a value that no release writes.
        """
        if max_size is not None:
            self._require_count("max_size", max_size, minimum=1)
        rows = await self._fetch_rows(_THUMBNAIL, image_id=image_id)
        if not rows:
            raise NotFoundError("ImageAttachment", image_id)
        thumbnail, width, height = rows[0]
        require_kind("width", int | None, width)
        require_kind("height", int | None, height)
        require_kind("thumbnail", bytes | None, thumbnail)
        if thumbnail is not None and max_size is None and webp_longest_side(thumbnail) is not None:
            return StoredPicture(PictureSource.STORED, stored_px, thumbnail)
        wanted = stored_px if max_size is None else max_size
        if thumbnail is not None and thumbnail_fits(thumbnail, wanted, width, height):
            return StoredPicture(PictureSource.STORED, wanted, thumbnail)
        if wanted > PREVIEW_PX and (width is None or height is None or max(width, height) > PREVIEW_PX):
            return StoredPicture(PictureSource.ORIGINAL, wanted)
        preview = await self.get(image_id)
        if preview is None and PREVIEW_PX // 2 < wanted <= PREVIEW_PX:
            return StoredPicture(PictureSource.NEW_PREVIEW, wanted)
        if preview is None or not preview_serves(preview, wanted, width, height):
            return StoredPicture(PictureSource.ORIGINAL, wanted)
        is_whole = wanted >= PREVIEW_PX or thumbnail_fits(preview, wanted, width, height)
        return StoredPicture(PictureSource.STORED if is_whole else PictureSource.PREVIEW, wanted, preview)

    async def get(self, image_id: int) -> bytes | None:
        """Return the preview of an image; ``None`` if it has none.

        Raises:
            ValidationError: Another program has stored a value that is not bytes.
        """
        found: bytes | None = require_kind("preview", bytes | None, await self._scalar(_GET, image_id=image_id))
        return found

    async def store(self, image_id: int, preview: bytes) -> bool:
        """Store the preview of an image, and return whether the image was there without one.

        Raises:
            ReadOnlyError: The unit of work is read-only, and stays usable.
        """
        async with self._all_or_nothing():
            return bool((await self._execute(_STORE, image_id, image_id=image_id, made=preview)).rowcount)

    async def list_missing(self) -> list[int]:
        """Return the row numbers of the images without a preview, in ascending order."""
        return [row[0] for row in await self._fetch_rows(_MISSING)]


def require_kind(name: str, kind: type | UnionType, stored: Any) -> Any:
    """Check the type of a stored value, which another program may have written: ``bytes(n)`` would be n zeros.

    Raises:
        ValidationError: It has another type.
    """
    if not isinstance(stored, kind):
        raise ValidationError("ImageAttachment", name, STRANGE)
    return stored
