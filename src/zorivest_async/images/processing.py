"""Image processing: synchronous functions that :class:`ImageOffload` runs in worker threads.

Every error of Pillow's decoders (they raise ``OSError``, ``SyntaxError``, ``ValueError``, ``MemoryError`` and more)
becomes an :class:`ImageError`. Importing Pillow takes longer than reading a small image, so the thread that reads the
first image imports it.
"""

from __future__ import annotations

import stat
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zorivest_async.errors import CorruptImageError, ImageTooLargeError, UnsupportedImageError
from zorivest_async.images.formats import WEBP, identify
from zorivest_async.images.policy import PREVIEW_PX, WEBP_MAX_PX, ImagePolicy, require_whole_number

if TYPE_CHECKING:
    from collections.abc import Generator
    from os import PathLike

    from PIL.ImageFile import ImageFile

__all__ = [
    "Preview",
    "ProcessedImage",
    "make_preview",
    "make_thumbnail",
    "preview_serves",
    "process_image",
    "read_image_file",
    "thumbnail_fits",
]


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """Metadata, thumbnail and preview of a checked image.

    Attributes:
        mime_type: Media type of the original: ``image/png``, ``image/jpeg``, ``image/webp`` or ``image/gif``.
        width: Width in pixels of the upright image.
        height: Height in pixels of the upright image.
        thumbnail: A WebP image, upright, in sRGB and without metadata.
        preview: The same at 400 px.
    """

    mime_type: str
    width: int
    height: int
    thumbnail: bytes = field(repr=False)
    preview: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """Preview of an image as JPEG or PNG, for programs that cannot show every format.

    Attributes:
        mime_type: ``image/jpeg`` or ``image/png``.
        data: The encoded image, upright and without metadata.
    """

    mime_type: str
    data: bytes = field(repr=False)


def process_image(data: bytes, policy: ImagePolicy) -> ProcessedImage:
    """Check an image by decoding it once, and make the thumbnail and the preview that are stored with it.

    Only the first frame of an animation is decoded.

    Args:
        data: The image file. Its format is identified by its content.
        policy: The limits, checked before anything is decoded, and the size and quality of the thumbnail.

    Raises:
        UnsupportedImageError: It is not a PNG, JPEG, WebP or GIF image.
        ImageTooLargeError: It has more bytes or pixels than the policy allows.
        CorruptImageError: It has the signature of one of these formats but is truncated or cannot be decoded.
    """
    from zorivest_async.images import pixels  # noqa: PLC0415 - see above

    with _opened(data, policy) as (mime_type, image):
        width, height = image.size  # which scaling changes
        scaled = pixels.scaled(image, policy.thumbnail_px)
        thumbnail, preview = (pixels.webp(scaled, max_size, policy) for max_size in (policy.thumbnail_px, PREVIEW_PX))
        if pixels.is_on_its_side(image):
            width, height = height, width
        return ProcessedImage(mime_type, width, height, thumbnail, preview)


def make_thumbnail(data: bytes, max_size: int, policy: ImagePolicy) -> bytes:
    """Make a thumbnail of another size than the stored one: a WebP image, upright, in sRGB and without metadata.

    Args:
        data: The image file.
        max_size: The longest side in pixels, at least 1. The thumbnail is never larger than the image, or than the
            maximum of WebP, 16,383.
        policy: The limits, as for :func:`process_image`, and the quality of the thumbnail.

    Raises:
        ConfigurationError: ``max_size`` is not a whole number of at least 1.
        UnsupportedImageError: As for :func:`process_image`.
        ImageTooLargeError: As for :func:`process_image`.
        CorruptImageError: As for :func:`process_image`.
    """
    from zorivest_async.images import pixels  # noqa: PLC0415 - see above

    require_whole_number("max_size", max_size)
    with _opened(data, policy) as (_, image):
        longest = min(max_size, WEBP_MAX_PX)
        return pixels.webp(pixels.scaled(image, longest), longest, policy)


def make_preview(data: bytes, max_size: int, policy: ImagePolicy) -> Preview:
    """Make a preview of an image: a JPEG of a JPEG, a PNG of any other format.

    Args:
        data: The image file.
        max_size: The longest side in pixels, at least 1; a smaller image keeps its size.
        policy: The limits, as for :func:`process_image`.

    Raises:
        ConfigurationError: ``max_size`` is not a whole number of at least 1.
        UnsupportedImageError: As for :func:`process_image`.
        ImageTooLargeError: As for :func:`process_image`.
        CorruptImageError: As for :func:`process_image`.
    """
    from zorivest_async.images import pixels  # noqa: PLC0415 - see above

    require_whole_number("max_size", max_size)
    with _opened(data, policy) as (mime_type, image):
        scaled = pixels.shrunk(pixels.scaled(image, max_size), max_size)
        scaled.info.clear()  # comments and colour profiles, which Pillow would write
        buffer = BytesIO()
        if mime_type == "image/jpeg":
            scaled.convert("RGB").save(buffer, "JPEG", quality=policy.thumbnail_quality)
            return Preview("image/jpeg", buffer.getvalue())
        scaled.save(buffer, "PNG")
        return Preview("image/png", buffer.getvalue())


def thumbnail_fits(thumbnail: bytes, max_size: int, width: int | None, height: int | None) -> bool:
    """Return whether :func:`make_thumbnail` would make a thumbnail of the same size; it reads only the header.

    It is fast enough for the event loop.

    Args:
        thumbnail: The stored thumbnail. Bytes that are not a WebP image do not fit.
        max_size: The requested longest side in pixels, at least 1.
        width: Width of the original in pixels; ``None`` if it is not known.
        height: Height of the original in pixels; ``None`` if it is not known.

    Raises:
        ConfigurationError: ``max_size`` is not a whole number of at least 1.
    """
    require_whole_number("max_size", max_size)
    wanted = min(max_size, WEBP_MAX_PX)
    if width is not None and height is not None:
        wanted = min(wanted, max(width, height))
    return _longest_side(thumbnail) == wanted


def preview_serves(preview: bytes, max_size: int, width: int | None, height: int | None) -> bool:
    """Return whether a thumbnail of this size can be made from a preview; it reads only the header.

    It is fast enough for the event loop.

    Args:
        preview: The stored preview. Bytes that are not a WebP image serve for nothing.
        max_size: The requested longest side in pixels, at least 1.
        width: Width of the original in pixels; ``None`` if it is not known.
        height: Height of the original in pixels; ``None`` if it is not known.
    """
    side = _longest_side(preview)
    if side is None or side > PREVIEW_PX:
        return False
    if width is None or height is None:
        return max_size <= PREVIEW_PX  # a smaller preview has the size of the original
    return side == min(PREVIEW_PX, max(width, height)) >= min(max_size, max(width, height))


def _longest_side(webp: bytes) -> int | None:
    if not WEBP.signature.match(webp):
        return None
    try:
        return max(WEBP.measure(webp))
    except (ValueError, struct.error):
        return None


def read_image_file(path: str | PathLike[str], policy: ImagePolicy) -> bytes:
    """Read an image file, unless it is larger than the policy allows.

    Args:
        path: The file.
        policy: Its ``max_bytes`` is checked before the file is read.

    Raises:
        ImageTooLargeError: The file has more bytes than the policy allows.
        UnsupportedImageError: The path is a folder, a device or a pipe.
        OSError: The file does not exist (``FileNotFoundError``) or cannot be read.
    """
    path = Path(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedImageError("this is not a file")
    _require_at_most("bytes", status.st_size, policy.max_bytes)
    with path.open("rb") as file:
        data = file.read(policy.max_bytes + 1)
    _require_at_most("bytes", len(data), policy.max_bytes)  # it may have grown meanwhile
    return data


def _require_at_most(quantity: str, actual: int, limit: int) -> None:
    if actual > limit:
        raise ImageTooLargeError(quantity, actual, limit)


@contextmanager
def _opened(data: bytes, policy: ImagePolicy) -> Generator[tuple[str, ImageFile]]:
    """Open an image within the policy's limits, and map every error of its decoder inside the block.

    Yields:
        The media type, and the image before its pixels are decoded.
    """
    from zorivest_async.images.readers import READERS  # noqa: PLC0415 - see above

    _require_at_most("bytes", len(data), policy.max_bytes)
    image_format = identify(data)
    with _decoding(image_format.mime_type):
        width, height = image_format.measure(data)
    _require_at_most("pixels", width * height, policy.max_pixels)
    with _decoding(image_format.mime_type), READERS[image_format.mime_type](BytesIO(data)) as image:
        if image.size != (width, height):
            raise ValueError("the image announces two sizes")
        yield image_format.mime_type, image


@contextmanager
def _decoding(mime_type: str) -> Generator[None]:
    try:
        yield
    except Exception as exc:  # what decoders raise for hostile bytes is neither documented nor one family
        raise CorruptImageError(f"the image announces {mime_type} but cannot be decoded") from exc
