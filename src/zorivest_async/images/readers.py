"""Pillow's readers of the four formats, independent of Pillow's process-global settings.

Two of them override private names of Pillow. Where a release has no such names, images are still read: what a method
here says about Pillow's own method then applies again.

Importing them takes longer than reading a small image, so the thread that reads the first image imports them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import Image
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BytesIO

    from PIL.ImageFile import ImageFile

__all__ = ["READERS"]


class _JpegReader(JpegImageFile):
    """Pillow's reader, without parsing the EXIF data for ``info["dpi"]``, which prints warnings about damaged data."""

    def _read_dpi_from_exif(self) -> None:
        pass


class _PngReader(PngImageFile):
    """Pillow's reader, without clearing the pixel buffer under the interpreter's lock.

    Clearing it would block the event loop: for 11 ms on average for each 4K screenshot, sampled in a server under load.
    Scaling a single pixel up also gives cleared memory, and releases the lock meanwhile.
    """

    def load_prepare(self) -> None:
        if getattr(self, "_im", self) is None:  # Pillow's own is called below, and makes no memory where there is some
            self.im = Image.new(self.mode, (1, 1)).resize(self.size, Image.Resampling.NEAREST).im
        super().load_prepare()


READERS: Final[dict[str, Callable[[BytesIO], ImageFile]]] = {
    "image/png": _PngReader,
    "image/jpeg": _JpegReader,
    "image/gif": GifImageFile,
    "image/webp": WebPImageFile,
}
"""Readers by media type."""
