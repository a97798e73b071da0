"""Previews for the images of a vault that have none, as older releases stored no previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zorivest_async.database.repositories.previews import PreviewRepository
from zorivest_async.errors import ImageError, NotFoundError, ValidationError
from zorivest_async.images.policy import PREVIEW_PX

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.database.sqlcipher.long_operation import Operation
    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
    from zorivest_async.images import ImageOffload

__all__ = ["make_previews"]


async def make_previews(
    reading: Callable[[], SqlAlchemyUnitOfWork],
    writing: Callable[[], SqlAlchemyUnitOfWork],
    images: ImageOffload,
    operation: Operation,
) -> tuple[int, list[str]]:
    """Make and commit the missing previews of a vault, image by image, and hold no connection while one is decoded.

    Cancellation keeps the previews that were made.

    Args:
        reading: Returns a read-only unit of work.
        writing: Returns a writing one.
        images: Decodes the originals.
        operation: Receives the progress.

    Returns:
        The number of previews that were made, and a line for each image of which none can be made.
    """
    made, notes = 0, list[str]()
    async with reading() as uow:
        missing = await PreviewRepository(uow.images).list_missing()
    for done, image_id in enumerate(missing):
        operation.report("previews", done, len(missing))
        try:
            async with reading() as uow:
                original = await uow.images.get_full_data(image_id)
            preview = await images.thumbnail(original, PREVIEW_PX)
        except NotFoundError:  # deleted meanwhile
            continue
        except (ImageError, ValidationError) as error:
            notes.append(f"image {image_id} has no preview: {error}")
            continue
        async with writing() as uow:
            made += await PreviewRepository(uow.images).store(image_id, preview)
            await uow.commit()
    operation.report("previews", len(missing), len(missing))
    return made, notes
