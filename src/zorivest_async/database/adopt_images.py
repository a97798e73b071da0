"""Images of a plaintext journal: originals are kept byte for byte, and what is derived from them is made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from zorivest_async.database.adopt_rows import TablePlan
from zorivest_async.database.repositories import SqlAlchemyImageRepository
from zorivest_async.errors import ImageError
from zorivest_async.images import ImagePolicy, ProcessedImage, process_image, thumbnail_fits

if TYPE_CHECKING:
    from zorivest_async.database.adopt_rows import SourceRow

__all__ = ["IMAGES", "Examined", "apply_examination", "examine"]

Examined: TypeAlias = ProcessedImage | ImageError | None
"""What was found out about an original: ``None`` where what is stored about it is right as it is."""


def examine(row: SourceRow, policy: ImagePolicy) -> Examined:
    """Decode an original, unless its thumbnail is one that this vault would have made; runs in a pool of threads."""
    data, thumbnail = row.values["data"], row.values["thumbnail"]
    width, height = row.values["width"], row.values["height"]
    if not isinstance(data, bytes) or (isinstance(thumbnail, bytes) and _fits(thumbnail, width, height, policy)):
        return None
    try:
        return process_image(data, policy)
    except ImageError as error:
        return error


def _fits(thumbnail: bytes, width: object, height: object, policy: ImagePolicy) -> bool:
    if not (isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0):
        return False
    return thumbnail_fits(thumbnail, policy.thumbnail_px, width, height)


def apply_examination(row: SourceRow, examined: Examined) -> None:
    """Put what was found out into a row, and note what differs."""
    if isinstance(examined, ProcessedImage):
        for column in ("thumbnail", "mime_type", "width", "height"):
            _derive(row, column, getattr(examined, column))
    elif examined is not None:
        if row.values["thumbnail"] is not None:
            row.put("thumbnail", None, "dropped", "is no thumbnail, and the original cannot be decoded")
        row.notes.append(("data", "kept", "cannot be decoded within the image policy"))


def _derive(row: SourceRow, column: str, value: object) -> None:
    stored = row.values[column]
    if stored is None:
        row.put(column, value, "added", "was NULL; it follows from the original")
    elif stored != value:
        row.put(column, value, "converted", "was not what follows from the original")


def _image(row: SourceRow) -> None:
    row.moments("created_at")
    row.defaults(mime_type="image/png")
    data = row.values["data"]
    for column in ("width", "height"):
        if row.values[column] == 0:
            row.put(column, None, "converted", "is 0, which is no size")
    if isinstance(data, bytes):
        _derive(row, "file_size", len(data))


IMAGES: Final = TablePlan(SqlAlchemyImageRepository.mapper, _image)
"""Images come last: they may belong to a trade, a report or a plan."""
