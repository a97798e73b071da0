"""Image processing: synchronous functions that :class:`ImageOffload` runs in worker threads.

They touch no process-global setting of Pillow. Every error of its decoders (they raise ``OSError``, ``SyntaxError``,
``ValueError``, ``MemoryError`` and more) becomes an :class:`ImageError`.
"""

from __future__ import annotations

import stat
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image

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
    "webp_longest_side",
]

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transpositions that turn an image upright, by its EXIF orientation (CIPA DC-008, Orientation)."""

_ON_ITS_SIDE = frozenset({5, 6, 7, 8})

_TIFF_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""The first four bytes of EXIF data, which are a TIFF file (TIFF 6.0, section 2), for :mod:`struct`."""


_WITH_PROFILE = frozenset({"CMYK", "L", "RGB", "RGBA"})
"""Modes whose colours a profile can convert."""

_MAX_PROFILE_BYTES = 4 * 1024 * 1024
"""Larger than the profiles of printers, the largest that are common."""


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
    with _opened(data, policy) as (mime_type, image):
        width, height = image.size
        scaled = _scaled(image, policy.thumbnail_px)
        thumbnail, preview = (_webp(scaled, max_size, policy) for max_size in (policy.thumbnail_px, PREVIEW_PX))
        if _orientation(image) in _ON_ITS_SIDE:
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
    require_whole_number("max_size", max_size)
    with _opened(data, policy) as (_, image):
        longest = min(max_size, WEBP_MAX_PX)
        return _webp(_scaled(image, longest), longest, policy)


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
    require_whole_number("max_size", max_size)
    with _opened(data, policy) as (mime_type, image):
        scaled = _shrunk(_scaled(image, max_size), max_size)
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
    return webp_longest_side(thumbnail) == wanted


def preview_serves(preview: bytes, max_size: int, width: int | None, height: int | None) -> bool:
    """Return whether a thumbnail of this size can be made from a preview; it reads only the header.

    It is fast enough for the event loop.

    Args:
        preview: The stored preview. Bytes that are not a WebP image serve for nothing.
        max_size: The requested longest side in pixels, at least 1.
        width: Width of the original in pixels; ``None`` if it is not known.
        height: Height of the original in pixels; ``None`` if it is not known.
    """
    side = webp_longest_side(preview)
    if side is None or side > PREVIEW_PX:
        return False
    if width is None or height is None:
        return max_size <= PREVIEW_PX  # a smaller preview has the size of the original
    return side == min(PREVIEW_PX, max(width, height)) >= min(max_size, max(width, height))


def webp_longest_side(webp: bytes) -> int | None:
    """Return the longest side of a WebP image, in pixels; ``None`` for other bytes. It reads only the header."""
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
    from zorivest_async.images.readers import READERS  # noqa: PLC0415 - see there

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


def _webp(image: Image.Image, max_size: int, policy: ImagePolicy) -> bytes:
    """Scale and encode a decoded image; Pillow writes only the metadata that is passed here."""
    buffer = BytesIO()
    _shrunk(image, max_size).save(buffer, "WEBP", quality=policy.thumbnail_quality)
    return buffer.getvalue()


def _shrunk(image: Image.Image, max_size: int) -> Image.Image:
    if max(image.size) <= max_size:
        return image
    smaller = image.copy()
    smaller.thumbnail((max_size, max_size), Image.Resampling.LANCZOS)
    return smaller


def _scaled(image: ImageFile, max_size: int) -> Image.Image:
    """Decode an image, and return a copy that is upright, in sRGB and no longer than ``max_size`` or the preview.

    That is the larger of the two: a thumbnail that is smaller than the preview is scaled down again from its size, so
    that it is the same whether it is made with the preview or alone.

    Scaling comes first: a JPEG is then decoded at a fraction of its size (libjpeg still reads all of its data), and the
    later steps have few pixels to work on.
    """
    scaled = _scalable(image)
    longest = max(max_size, PREVIEW_PX)
    scaled.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    scaled.load()  # thumbnail() does not decode an image that is small enough
    scaled = _in_srgb(scaled)
    transpose = _UPRIGHT.get(_orientation(image))
    if transpose is not None:
        scaled = scaled.transpose(transpose)
    # A copy, because saving an opened image looks up its path, which fails if the working directory was deleted.
    return scaled.copy()


def _in_srgb(image: Image.Image) -> Image.Image:
    """Convert the colours of an image with a profile, which is then left out; a damaged profile changes nothing.

    Without the conversion, colours of a camera or a display with many colours would be pale.
    """
    profile: bytes = image.info.get("icc_profile") or b""
    if not 0 < len(profile) <= _MAX_PROFILE_BYTES or image.mode not in _WITH_PROFILE:
        return image
    from PIL import ImageCms  # noqa: PLC0415 - which few images need

    cms: Any = ImageCms  # which is only partly typed
    try:
        source, target = cms.ImageCmsProfile(BytesIO(profile)), cms.createProfile("sRGB")
        if image.mode.startswith("RGB"):
            cms.profileToProfile(image, source, target, inPlace=True)
            return image
        converted: Image.Image | None = cms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        return image
    return converted or image


def _orientation(image: ImageFile) -> int:
    """Return the EXIF orientation of a decoded image (some formats keep EXIF data behind the pixels), 1 if it has none.

    Only this tag is needed, and Pillow's EXIF reader would print a warning for every damaged tag.
    """
    exif: bytes = image.info.get("exif", b"").removeprefix(b"Exif\0\0")
    byte_order = _TIFF_BYTE_ORDERS.get(exif[:4])
    if byte_order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{byte_order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{byte_order}H", exif, directory)
        for number in range(entries):
            tag, value = struct.unpack_from(f"{byte_order}H6xH", exif, directory + 2 + 12 * number)
            if tag == ExifTags.Base.Orientation:
                return int(value)
    except struct.error:
        pass  # damaged metadata does not make the picture unreadable
    return 1


def _scalable(image: ImageFile) -> Image.Image:
    """Return an image in a mode that Pillow can scale smoothly, and that keeps transparency."""
    if image.mode.startswith("I"):  # 16-bit greyscale, which convert() alone would clip at 255
        grey = Image.eval(image, lambda level: level / 256).convert("L")
        grey.info.pop("transparency", None)  # one of 65,536 levels, not of 256
        return grey
    if image.mode in {"1", "P"} or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image
