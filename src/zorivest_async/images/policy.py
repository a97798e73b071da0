"""The limits of a vault's images."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from zorivest_async.errors import ConfigurationError

__all__ = [
    "MAX_PASSES",
    "MAX_SIDE_PX",
    "PREVIEW_PX",
    "WEBP_MAX_PX",
    "ImagePolicy",
    "require_policy",
    "require_whole_number",
]

WEBP_MAX_PX = 16_383
"""The longest side a WebP image can have: its VP8 header has 14 bits for each (RFC 9649, section 2.5)."""

PREVIEW_PX = 400
"""Longest side of the stored preview, in pixels: the labels of a chart can be read at this size."""

MAX_SIDE_PX = 65_535
"""The longest side of an image that is accepted, which JPEG and GIF cannot exceed. Each row takes memory of its own: a
PNG whose rows have one pixel would take 24 bytes a pixel."""

MAX_PASSES = 20
"""Times that a decoder may go over ``max_pixels`` pixels: once in each scan of a JPEG, of which libjpeg writes 10."""

_WEBP_MAX_QUALITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePolicy:
    """Limits of a vault's images, and settings of its thumbnails and previews.

    The limits are checked before any pixel is decoded. With the defaults, one image takes at most:

    ======================  ===================  ==================================================
    Measured                Maximum              Reached by
    ======================  ===================  ==================================================
    memory                  700 MB               a WebP, 16 bytes a pixel
    memory, other formats   400 MB               a PNG with a transparent colour of 16 bits
    processor time          3 s on 2 cores       the same PNG, which is decoded twice; 1.5 s others
    ======================  ===================  ==================================================

    Three more limits make that true: each side has at most 65,535 pixels, because each row takes memory of its own; the
    scans of a JPEG have at most 20 times ``max_pixels`` pixels together, and are at most 100 (an encoder writes 10);
    and a file has at most 100,000 chunks, segments or blocks, and a GIF 400,000 sub-blocks.

    Args:
        max_bytes: Maximum size of an image file, in bytes. The default, 20 MiB, allows a lossless screenshot of any
            desktop (4K ones reach 17 MB) and keeps rows of the file small, as they are read and written whole.
        max_pixels: Maximum number of pixels (width times height). The default, 40 million, allows an 8K screen or the
            photo of a 40-megapixel camera. It bounds memory: a pixel takes up to 16 bytes while a WebP is decoded
            and scaled, up to 9 for the other formats, and less than 1 for a JPEG that is not progressive. A thumbnail
            of full size takes more: 1 GB for a WebP at this limit.
        thumbnail_px: Longest side of the stored thumbnail, in pixels, at most 16,383. ``get_thumbnail`` returns it by
            default, whatever its size. The default, 200, is that of a card in a gallery.
        thumbnail_quality: WebP quality of thumbnails and previews, 1 to 100. At the default, 80, which is also
            Pillow's, a chart of 200 px takes 1.5 to 2.7 kB.
        threads: Maximum number of images that one vault decodes at a time. Times ``max_bytes``, it also bounds the
            files that it has in memory, from reading them to storing them. The default, 2, keeps up with a burst of
            screenshots, leaves other cores to the program and bounds the memory of decoding. Other threads, and so the
            event loop, run while an image is decoded, with two exceptions. Pillow holds the interpreter's lock while
            it copies a decoded WebP, which was measured at 17 ms for a 4K screenshot and 70 ms for an 8K one; and while
            it frees the pixels of a large picture, for 3 ms and 13 ms.

    Raises:
        ConfigurationError: A value is not a whole number, or out of its range.
    """

    max_bytes: int = 20 * 1024 * 1024
    max_pixels: int = 40_000_000
    thumbnail_px: int = 200
    thumbnail_quality: int = 80
    threads: int = 2

    def __post_init__(self) -> None:
        require_whole_number("max_bytes", self.max_bytes)
        require_whole_number("max_pixels", self.max_pixels)
        require_whole_number("thumbnail_px", self.thumbnail_px, highest=WEBP_MAX_PX)
        require_whole_number("thumbnail_quality", self.thumbnail_quality, highest=_WEBP_MAX_QUALITY)
        require_whole_number("threads", self.threads)


def require_whole_number(name: str, value: object, *, highest: float = inf) -> None:
    """Check that an argument is a positive integer.

    Args:
        name: Name of the argument, for the message.
        value: Its value.
        highest: The largest valid value.

    Raises:
        ConfigurationError: The value is not an ``int``, less than 1 or more than ``highest``.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= highest:
        return
    allowed = "of at least 1" if highest == inf else f"from 1 to {highest:,}"
    raise ConfigurationError(f"{name} must be a whole number {allowed}, not {value!r}")


def require_policy(images: ImagePolicy | None) -> ImagePolicy:
    """Return a caller's limits on images, or the default ones.

    Raises:
        ConfigurationError: It is something else.
    """
    if images is not None and not isinstance(images, ImagePolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError("images must be an ImagePolicy")
    return images or ImagePolicy()
