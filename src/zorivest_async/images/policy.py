"""The limits of a vault's images."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from zorivest_async.errors import ConfigurationError

__all__ = ["WEBP_MAX_PX", "ImagePolicy", "require_whole_number"]

WEBP_MAX_PX = 16_383
"""The longest side a WebP image can have: its VP8 header has 14 bits for each (RFC 9649, section 2.5)."""

_WEBP_MAX_QUALITY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePolicy:
    """What a vault takes as an image, and how it makes thumbnails.

    Both limits are checked before a pixel is decoded.

    Args:
        max_bytes: The largest image file taken, in bytes. The default, 20 MiB, holds a lossless screenshot of any
            desktop (4K ones reach 17 MB) and keeps a row of the encrypted file, which is read and written whole, small.
        max_pixels: The largest image taken, in pixels (width times height). The default, 40 million, holds an 8K screen
            or the photo of a 40-megapixel camera. It is what bounds memory: at worst a pixel takes 16 bytes while it is
            decoded and scaled (of a WebP; 9 of the others, 6 of a JPEG), so that a WebP at this limit takes 610 MB,
            and 1 GB where a thumbnail of full size is asked for.
        thumbnail_px: The longest side of the stored thumbnail, in pixels, at most 16,383. The default, 200, is also the
            default ``max_size`` of ``get_thumbnail``, which therefore never has to decode an original.
        thumbnail_quality: The WebP quality of thumbnails, 1 to 100. At the default, 80, which is also
            Pillow's, a chart of 200 px takes 1.5 to 2.7 kB.
        threads: How many images one vault decodes at a time. The default, 2, keeps up with a burst of screenshots,
            leaves other cores to the program and bounds the memory that decoding takes. Other threads, and so the
            event loop, run while an image is decoded, but for one moment: Pillow copies a decoded WebP while it holds
            the interpreter's lock, which was measured at 17 ms for a 4K screenshot and 70 ms for one of 8K.

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
    """Check an argument that counts something.

    Args:
        name: Name of the argument, for the message.
        value: What was passed for it.
        highest: The largest value that works.

    Raises:
        ConfigurationError: The value is not an ``int``, less than 1 or more than ``highest``.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= highest:
        return
    allowed = "of at least 1" if highest == inf else f"from 1 to {highest:,}"
    raise ConfigurationError(f"{name} must be a whole number {allowed}, not {value!r}")
