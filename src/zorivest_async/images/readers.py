"""Pillow's readers of the four formats, independent of Pillow's process-global settings.

Two of them override private names of Pillow. Where a release has no such names, images are still read: what a method
here says about Pillow's own method then applies again.

Importing them takes longer than reading a small image, so the thread that reads the first image imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from zorivest_async.images.jpeg import fillings
from zorivest_async.images.layout import ImageNote
from zorivest_async.images.parts import PartsFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFile import ImageFile

    from zorivest_async.images.layout import Layout

__all__ = ["open_image", "open_low_bytes"]

_JPEG_END: Final = b"\xff\xd9"
_STRIP_PX: Final = 64


def open_image(mime_type: str, layout: Layout) -> ImageFile:
    """Open an image; its pixels are not decoded yet.

    Raises:
        ValueError: Its size is not the one that its layout has, or data are missing at its end.
        Exception: Pillow cannot read it.
    """
    parts = layout.parts
    if mime_type == "image/jpeg" and ImageNote.NO_END in layout.notes:
        _require_all_data(layout)
        parts = (*parts, _JPEG_END)
    image = _READERS[mime_type](PartsFile(parts))
    if image.size != layout.size:
        raise ValueError("the image announces two sizes")
    return image


def open_low_bytes(layout: Layout) -> ImageFile:
    """Open a 16-bit colour PNG, of whose samples Pillow reads the high bytes, so that their low bytes are read."""
    image = _READERS["image/png"](PartsFile(layout.parts))
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    return image


def _require_all_data(layout: Layout) -> None:
    """Check that a JPEG without its end marker has all of its entropy-coded data: it is decoded with different ends.

    Raises:
        ValueError: The pictures differ.
    """
    if len({_checksum(_READERS["image/jpeg"](PartsFile(parts))) for parts in fillings(layout)}) > 1:
        raise ValueError("the image data are truncated")


def _checksum(image: ImageFile) -> int:
    """Return a checksum of the pixels, taken strip by strip: all at once they would be copied."""
    checksum = 0
    for top in range(0, image.height, _STRIP_PX):
        strip = image.crop((0, top, image.width, min(top + _STRIP_PX, image.height)))
        checksum = crc32(strip.tobytes(), checksum)
    return checksum


def _give_memory(image: ImageFile) -> None:
    """Give an image its pixel buffer, unless it has one, without clearing it under the interpreter's lock.

    Clearing it would block the event loop: for 11 ms on average for each 4K screenshot, sampled in a server under load.
    Scaling a single pixel up also gives cleared memory, and releases the lock meanwhile.
    """
    if getattr(image, "_im", image) is None:  # Pillow's own method follows, and makes no memory where there is some
        image.im = Image.new(image.mode, (1, 1)).resize(image.size, Image.Resampling.NEAREST).im


class _JpegReader(JpegImageFile):
    """Pillow's reader, without parsing the EXIF data for ``info["dpi"]``, which prints warnings about damaged data."""

    def _read_dpi_from_exif(self) -> None:
        pass

    def load_prepare(self) -> None:
        _give_memory(self)
        super().load_prepare()


class _PngReader(PngImageFile):
    """Pillow's reader, which clears no memory."""

    def load_prepare(self) -> None:
        _give_memory(self)
        super().load_prepare()


class _GifReader(GifImageFile):
    """Pillow's reader, which clears no memory."""

    def load_prepare(self) -> None:
        _give_memory(self)
        super().load_prepare()


_READERS: Final[dict[str, Callable[..., ImageFile]]] = {
    "image/png": _PngReader,
    "image/jpeg": _JpegReader,
    "image/gif": _GifReader,
    "image/webp": WebPImageFile,
}
"""Readers by media type."""
