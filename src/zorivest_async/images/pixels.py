"""Scaling, turning and encoding of decoded images, with Pillow; no process-global setting of it is touched.

Only threads import this module: see :mod:`zorivest_async.images.processing`.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image

from zorivest_async.images.policy import PREVIEW_PX

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from zorivest_async.images.policy import ImagePolicy

__all__ = ["is_on_its_side", "scaled", "shrunk", "webp"]

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


def webp(image: Image.Image, max_size: int, policy: ImagePolicy) -> bytes:
    """Scale and encode a decoded image; Pillow writes only the metadata that is passed here."""
    buffer = BytesIO()
    shrunk(image, max_size).save(buffer, "WEBP", quality=policy.thumbnail_quality)
    return buffer.getvalue()


def shrunk(image: Image.Image, max_size: int) -> Image.Image:
    """Return an image that is no longer than ``max_size``: itself, or a smaller copy."""
    if max(image.size) <= max_size:
        return image
    smaller = image.copy()
    smaller.thumbnail((max_size, max_size), Image.Resampling.LANCZOS)
    return smaller


def scaled(image: ImageFile, max_size: int) -> Image.Image:
    """Decode an image, and return a copy that is upright, in sRGB and no longer than ``max_size`` or the preview.

    That is the larger of the two: a thumbnail that is smaller than the preview is scaled down again from its size, so
    that it is the same whether it is made with the preview or alone.

    Scaling comes first: a JPEG is then decoded at a fraction of its size (libjpeg still reads all of its data), and the
    later steps have few pixels to work on.
    """
    smaller = _scalable(image)
    longest = max(max_size, PREVIEW_PX)
    smaller.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    smaller.load()  # thumbnail() does not decode an image that is small enough
    smaller = _in_srgb(smaller)
    transpose = _UPRIGHT.get(_orientation(image))
    if transpose is not None:
        smaller = smaller.transpose(transpose)
    # A copy, because saving an opened image looks up its path, which fails if the working directory was deleted.
    return smaller.copy()


def is_on_its_side(image: ImageFile) -> bool:
    """Return whether width and height of a decoded image are exchanged when it is turned upright."""
    return _orientation(image) in _ON_ITS_SIDE


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
