"""Previews of images, which are stored beside the thumbnails and are in no entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import bindparam, select, update

from zorivest_async.database.aggregates import IMAGE
from zorivest_async.database.mapping import STRANGE
from zorivest_async.database.repositories.base import Repository
from zorivest_async.database.statements import Statement
from zorivest_async.database.tables import IMAGES
from zorivest_async.domain.entities import ImageAttachment
from zorivest_async.errors import ValidationError

if TYPE_CHECKING:
    from typing import Any

__all__ = ["PreviewRepository"]

_OF_ID = IMAGES.c.id == bindparam("image_id")
_GET = Statement(select(IMAGES.c.preview).where(_OF_ID))
_STORE = Statement(update(IMAGES).where(_OF_ID, IMAGES.c.preview.is_(None)).values(preview=bindparam("made")))
# The header of a row says whether a value is NULL, so this reads no original.
_MISSING = Statement(select(IMAGES.c.id).where(IMAGES.c.preview.is_(None)).order_by(IMAGES.c.id))


class PreviewRepository(Repository[ImageAttachment]):
    """Repository of the previews of stored images."""

    mapper: ClassVar = IMAGE.mapper

    async def get(self, image_id: int) -> bytes | None:
        """Return the preview of an image; ``None`` if it has none.

        Raises:
            ValidationError: Another program has stored a value that is not bytes.
        """
        found: Any = await self._scalar(_GET, image_id=image_id)
        if found is not None and not isinstance(found, bytes):
            raise ValidationError("ImageAttachment", "preview", STRANGE)
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
