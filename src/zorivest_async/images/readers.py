"""Pillow's readers of the four formats, which no process-global setting keeps from opening a file.

Importing them takes longer than reading a small image; it is done in the thread that reads the first one.
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
    """Pillow's, without the look at the EXIF data that sets ``info["dpi"]`` and prints warnings about damaged ones."""

    def _read_dpi_from_exif(self) -> None:
        pass


class _PngReader(PngImageFile):
    """Pillow's, without clearing the memory of the pixels while no other thread can run.

    The event loop would wait for as long as that takes: 11 ms on average for each 4K screenshot, sampled in a server
    under load. Scaling a pixel up gives cleared memory, too, and lets other threads run meanwhile.
    """

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, (1, 1)).resize(self.size, Image.Resampling.NEAREST).im
        super().load_prepare()


READERS: Final[dict[str, Callable[[BytesIO], ImageFile]]] = {
    "image/png": _PngReader,
    "image/jpeg": _JpegReader,
    "image/gif": GifImageFile,
    "image/webp": WebPImageFile,
}
"""By media type."""
