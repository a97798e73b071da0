"""Thumbnails outside a unit of work: nothing is held while an image is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.database.repositories.base import require_count
from zorivest_async.database.repositories.previews import PictureSource, PreviewRepository
from zorivest_async.images.policy import PREVIEW_PX
from zorivest_async.security.tracebacks import sealed_coroutine

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
    from zorivest_async.images import ImageOffload

__all__ = ["make_thumbnail"]


@sealed_coroutine
async def make_thumbnail(
    image_id: int,
    max_size: int,
    reading: Callable[[], SqlAlchemyUnitOfWork],
    places: asyncio.Semaphore,
    images: ImageOffload,
) -> bytes:
    """Return a thumbnail, and hold no connection while it is decoded; see :meth:`Vault.thumbnail`.

    Args:
        image_id: Row number of the image.
        max_size: Longest side, in pixels.
        reading: Returns a read-only unit of work.
        places: Bounds the units of work of thumbnails, so that they leave connections to other reads.
        images: Decodes.
    """
    require_count("ImageAttachment", "max_size", max_size, minimum=1)

    async def read_original() -> bytes:
        async with places, reading() as uow:
            return await uow.images.get_full_data(image_id)

    async with places, reading() as uow:
        found = await PreviewRepository(uow.images).find(image_id, max_size, max_size)
    if found.source is PictureSource.STORED:
        return found.data
    if found.source is PictureSource.PREVIEW:
        return await images.thumbnail(found.data, max_size)
    # A missing preview is made first also where it cannot be stored, so that the picture is the same either way.
    made_px = PREVIEW_PX if found.source is PictureSource.NEW_PREVIEW else max_size
    async with images.read(read_original) as original:
        made = await images.thumbnail(original, made_px)
        del original
    return await images.scaled(made, max_size)
