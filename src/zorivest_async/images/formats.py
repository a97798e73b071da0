"""Image formats: identify and measure an image by its bytes, before a decoder reads it.

``PIL.Image.open`` identifies images, too, but it does not protect a vault. Its limit on pixels is one for the whole
process, between that limit and twice the limit it only warns, and its GIF and WebP readers allocate the canvas while
they open a file. So each format reads the announced size itself, walks the file to its end to check that it is
complete, and picks out the parts that a decoder needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zorivest_async.errors import UnsupportedImageError
from zorivest_async.images.gif import read_gif
from zorivest_async.images.jpeg import read_jpeg
from zorivest_async.images.png import SIGNATURE, read_png
from zorivest_async.images.webp import read_webp

if TYPE_CHECKING:
    from collections.abc import Callable

    from zorivest_async.images.layout import Layout

__all__ = ["WEBP", "ImageFormat", "identify"]


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """An image format.

    Attributes:
        mime_type: Its media type, ``"image/png"``.
        signature: Matches the first bytes of its files.
        read: Returns the layout of such a file. Raises ``ValueError``, ``IndexError`` or ``struct.error`` if the file
            is truncated or malformed.
    """

    mime_type: str
    signature: re.Pattern[bytes]
    read: Callable[[bytes], Layout]


def identify(data: bytes) -> ImageFormat:
    """Identify the format of an image by its first bytes.

    Raises:
        UnsupportedImageError: It is none of the four formats.
    """
    for image_format in _FORMATS:
        if image_format.signature.match(data):
            return image_format
    raise UnsupportedImageError("this is not a PNG, JPEG, WebP or GIF image")


WEBP = ImageFormat("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), read_webp)
"""The format of thumbnails."""

_FORMATS = (
    ImageFormat("image/png", re.compile(re.escape(SIGNATURE)), read_png),
    ImageFormat("image/jpeg", re.compile(rb"\xff\xd8\xff"), read_jpeg),
    ImageFormat("image/gif", re.compile(rb"GIF8[79]a"), read_gif),
    WEBP,
)
