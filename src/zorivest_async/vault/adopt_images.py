"""Adoption of images: originals are kept byte for byte, and derived columns are computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from zorivest_async.errors import ImageError
from zorivest_async.images import ImagePolicy, ProcessedImage, process_image, thumbnail_fits
from zorivest_async.vault.adopt_rows import derive

if TYPE_CHECKING:
    from zorivest_async.vault.adopt_rows import SourceRow

__all__ = ["Examined", "apply_examination", "examine"]

Examined: TypeAlias = ProcessedImage | ImageError | None
"""Result of decoding an original; ``None`` if its derived columns are already correct."""


def examine(row: SourceRow, policy: ImagePolicy) -> Examined:
    """Decode an original, unless this vault could have made its thumbnail; runs in a pool of threads."""
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
    """Store the result of :func:`examine` in a row, and note the differences."""
    if isinstance(examined, ProcessedImage):
        for column in ("thumbnail", "mime_type", "width", "height"):
            derive(row, column, getattr(examined, column))
    elif examined is not None:
        if row.values["thumbnail"] is not None:
            row.put("thumbnail", None, "dropped", "is not a thumbnail, and the original cannot be decoded")
        row.notes.append(("data", "kept", "cannot be decoded within the image policy"))
