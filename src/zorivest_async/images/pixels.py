"""Scaling, turning and encoding of decoded images, with Pillow; no process-global setting of it is touched.

Only threads import this module: see :mod:`zorivest_async.images.processing`.
"""

from __future__ import annotations

from functools import reduce
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageChops

from zorivest_async.images.exif import orientation
from zorivest_async.images.policy import PREVIEW_PX
from zorivest_async.images.readers import open_low_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.ImageFile import ImageFile

    from zorivest_async.images.layout import Layout
    from zorivest_async.images.policy import ImagePolicy

__all__ = ["scaled", "shrunk", "webp"]

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Transpositions that turn an image upright, by its EXIF orientation (CIPA DC-008, Orientation)."""

_STRIP_PIXELS: Final = 256 * 1024
"""Pixels of a strip whose bands are taken apart at once, in about a millisecond."""

_DEEP: Final = 16
"""Bits of a sample of which a picture of 8 bits keeps the high byte."""


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


def scaled(image: ImageFile, layout: Layout, max_size: int) -> Image.Image:
    """Decode an image, and return a copy that is upright, in sRGB and no longer than ``max_size`` or the preview.

    That is the larger of the two: a thumbnail that is smaller than the preview is scaled down again from its size, so
    that it is the same whether it is made with the preview or alone.

    Scaling comes first: a JPEG is then decoded at a fraction of its size (libjpeg still reads all of its data), and the
    later steps have few pixels to work on.
    """
    smaller = _scalable(image, layout)
    if smaller is not image:
        image.close()  # which frees its pixels
    longest = max(max_size, PREVIEW_PX)
    smaller.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    smaller.load()  # thumbnail() does not decode an image that is small enough
    smaller = _in_srgb(smaller, layout.profile)
    transpose = _UPRIGHT.get(orientation(layout.exif))
    if transpose is not None:
        smaller = smaller.transpose(transpose)
    # A copy, because saving an opened image looks up its path, which fails if the working directory was deleted.
    return smaller.copy()


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert the colours of an image with a profile; a damaged profile, or one for other colours, changes nothing.

    Without the conversion, colours of a camera or a display with many colours would be pale.
    """
    if not profile:
        return image
    if image.mode == "LA":
        grey, alpha = image.split()
        converted = _in_srgb(grey, profile)
        converted.putalpha(alpha)
        return converted
    from PIL import ImageCms  # noqa: PLC0415 - which few images need

    cms: Any = ImageCms  # which is only partly typed
    try:
        source, target = cms.ImageCmsProfile(BytesIO(profile)), cms.createProfile("sRGB")
        if image.mode.startswith("RGB"):
            cms.profileToProfile(image, source, target, inPlace=True)
            return image
        converted_image: Image.Image | None = cms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImportError, OSError, ValueError, ImageCms.PyCMSError):
        return image
    return converted_image or image


def _scalable(image: ImageFile, layout: Layout) -> Image.Image:
    """Return an image in a mode that Pillow can scale smoothly, and that keeps transparency."""
    if layout.depth == _DEEP and layout.transparent:
        return _deep_grey(image, layout.transparent[0]) if image.mode == "LA" else _deep_color(image, layout)
    if image.mode.startswith("I"):  # 16-bit greyscale, which convert() alone would clip at 255
        return Image.eval(image, lambda level: level / 256).convert("L")
    if layout.transparent:
        samples = [sample * 255 // ((1 << layout.depth) - 1) for sample in layout.transparent]
        image.info["transparency"] = tuple(samples) if len(samples) > 1 else samples[0]
    is_smaller = layout.frame is not None and layout.frame != (0, 0, *layout.size)
    if image.mode in {"1", "P"} or "transparency" in image.info or is_smaller:
        converted = image.convert("RGBA" if image.has_transparency_data or is_smaller else "RGB")
        if layout.frame is not None and is_smaller:
            _clear_outside(converted, layout.frame)
        return converted
    return image


def _deep_grey(image: Image.Image, transparent: int) -> Image.Image:
    """Make a level of 16-bit grey transparent, which was read as grey (the high bytes) with alpha (the low bytes)."""
    for box in _strips(image):
        grey, low = image.crop(box).split()
        is_level = ImageChops.darker(_at(grey, transparent >> 8), _at(low, transparent & 0xFF))
        image.paste(Image.merge("LA", (grey, ImageChops.invert(is_level))), box)
    return image


def _deep_color(image: ImageFile, layout: Layout) -> Image.Image:
    """Make one of 2**48 colours transparent: its low bytes count, too, and are decoded for that, first."""
    low_bytes = open_low_bytes(layout)
    low = [_is_color(low_bytes.crop(box), [sample & 0xFF for sample in layout.transparent]) for box in _strips(image)]
    low_bytes.close()
    converted = image.convert("RGBA")
    for box, mask in zip(_strips(image), low, strict=True):
        strip = converted.crop(box)
        is_color = _is_color(strip, [sample >> 8 for sample in layout.transparent])
        strip.putalpha(ImageChops.invert(ImageChops.darker(mask, is_color)))
        converted.paste(strip, box)
    return converted


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes that cover an image: Pillow holds the interpreter's lock while it takes bands apart."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _is_color(image: Image.Image, color: list[int]) -> Image.Image:
    """Return a mask of the pixels that have a colour."""
    masks = [_at(image.getchannel(band), level) for band, level in enumerate(color)]
    return reduce(ImageChops.darker, masks)


def _at(band: Image.Image, level: int) -> Image.Image:
    """Return a mask of the pixels at a level."""
    return band.point([255 * (value == level) for value in range(256)])


def _clear_outside(image: Image.Image, frame: tuple[int, int, int, int]) -> None:
    """Make what a frame does not cover transparent, as browsers do."""
    left, top, right, bottom = frame
    width, height = image.size
    for box in ((0, 0, width, top), (0, bottom, width, height), (0, top, left, bottom), (right, top, width, bottom)):
        if box[0] < box[2] and box[1] < box[3]:
            image.paste((0, 0, 0, 0), box)
