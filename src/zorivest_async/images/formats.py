"""Image formats: identify and measure an image by its bytes, before a decoder reads it.

``PIL.Image.open`` identifies images, too, but it does not protect a vault. Its limit on pixels is one for the whole
process, between that limit and twice the limit it only warns, and its GIF and WebP readers allocate the canvas while
they open a file. So each format here reads the announced size itself, and walks the file to its end to check that it is
complete. Pillow alone would accept a PNG with a wrong checksum or without its end, and the first half of an animation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import unpack_from
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

from zorivest_async.errors import UnsupportedImageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WEBP", "ImageFormat", "Size", "identify"]

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
"""A marker that starts a segment: not a stuffed zero, TEM, RST, SOI or fill byte (ITU-T T.81, section B.1)."""

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The start-of-frame markers SOF0 to SOF15, without DHT, JPG and DAC, which stand between them (T.81, table B.1)."""

_JPEG_SCAN = 0xDA
_JPEG_END = 0xD9

_MAX_BLOCKS = 100_000
"""Maximum number of chunks of a PNG, or segments of a JPEG: twenty times what a file of 20 MB needs at 4 kB each.
Pillow keeps a record of each; without a limit a file of 20 MB of empty chunks takes it eight seconds and 700 MB."""

_MAX_PNG_FRAMES = 2**31 - 1
"""Largest four-byte integer of a PNG (PNG specification, section 7.1)."""

_MAX_JPEG_SCANS = 100
"""More than encoders write (libjpeg: 10). A scan that adds nothing takes 60 bytes of a file and one more pass over all
its pixels: without a limit 20 MB keep a thread busy for hours (libjpeg-turbo, "Two Issues with the JPEG Standard")."""

_GIF_EXTENSION = 0x21
_GIF_IMAGE = 0x2C
_GIF_TRAILER = 0x3B


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """An image format.

    Attributes:
        mime_type: Its media type, ``"image/png"``.
        signature: Matches the first bytes of its files.
        measure: Returns the size that such a file announces. Raises ``ValueError``, ``IndexError`` or ``struct.error``
            if the file is truncated or malformed.
    """

    mime_type: str
    signature: re.Pattern[bytes]
    measure: Callable[[bytes], Size]


def identify(data: bytes) -> ImageFormat:
    """Identify the format of an image by its first bytes.

    Raises:
        UnsupportedImageError: It is none of the four formats.
    """
    for image_format in _FORMATS:
        if image_format.signature.match(data):
            return image_format
    raise UnsupportedImageError("this is not a PNG, JPEG, WebP or GIF image")


def _measure_png(data: bytes) -> Size:
    """Walk the chunks to the end, each against its CRC (PNG specification, section 5)."""
    view = memoryview(data)
    position = len(_PNG_SIGNATURE)
    animations = 0
    for _ in range(_MAX_BLOCKS):
        length, kind = unpack_from(">I4s", data, position)
        crc_position = position + 8 + length
        (crc,) = unpack_from(">I", data, crc_position)
        if crc != crc32(view[position + 4 : crc_position]):
            raise ValueError("a chunk does not match its CRC")
        if kind == b"IEND":
            width, height = unpack_from(">II", data, len(_PNG_SIGNATURE) + 8)
            return width, height
        if kind == b"acTL":
            # Pillow would continue with a warning, and show another image than a program that plays the animation.
            animations += 1
            (frames,) = unpack_from(">I", data, position + 8)
            if animations > 1 or not 0 < frames <= _MAX_PNG_FRAMES:
                raise ValueError("an animation that announces no frames, or a second one")
        position = crc_position + 4
    raise ValueError("too many chunks")


def _measure_jpeg(data: bytes) -> Size:
    """Walk the segments, and the entropy-coded data between them, to the end of the image (ITU-T T.81, annex B)."""
    size = (0, 0)
    scans = 0
    position = 2
    for _ in range(_MAX_BLOCKS):
        match = _JPEG_MARKER.search(data, position)
        if match is None:
            raise ValueError("no end of image")
        marker = match[1][0]
        if marker == _JPEG_END:
            return size
        (length,) = unpack_from(">H", data, match.end())
        if marker in _JPEG_FRAMES:
            height, width = unpack_from(">HH", data, match.end() + 3)
            size = (width, height)
        elif marker == _JPEG_SCAN:
            scans += 1
            if scans > _MAX_JPEG_SCANS:
                raise ValueError("too many scans")
        position = match.end() + length
    raise ValueError("too many segments")


def _measure_gif(data: bytes) -> Size:
    """Walk the blocks to the trailer (GIF89a, sections 18 to 27); the first frame may reach beyond the screen."""
    width, height, flags = unpack_from("<HHB", data, 6)
    position = 13 + _color_table_bytes(flags)
    frames = 0
    while (block := data[position]) != _GIF_TRAILER:
        position += 1
        if block == _GIF_EXTENSION:
            position = _skip_sub_blocks(data, position + 1)
        elif block == _GIF_IMAGE:
            left, top, frame_width, frame_height, flags = unpack_from("<HHHHB", data, position)
            if frames == 0:
                width, height = max(width, left + frame_width), max(height, top + frame_height)
            frames += 1
            position = _skip_sub_blocks(data, position + 10 + _color_table_bytes(flags))
    return width, height


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_sub_blocks(data: bytes, position: int) -> int:
    while length := data[position]:
        position += 1 + length
    return position + 1


def _measure_webp(data: bytes) -> Size:
    """Read the canvas from the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    riff_bytes, chunk = unpack_from("<4xI4x4s", data)
    if 8 + riff_bytes > len(data):
        raise ValueError("shorter than it says")
    if chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L":
        (bits,) = unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


WEBP = ImageFormat("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL), _measure_webp)
"""The format of thumbnails."""

_FORMATS = (
    ImageFormat("image/png", re.compile(re.escape(_PNG_SIGNATURE)), _measure_png),
    ImageFormat("image/jpeg", re.compile(rb"\xff\xd8\xff"), _measure_jpeg),
    ImageFormat("image/gif", re.compile(rb"GIF8[79]a"), _measure_gif),
    WEBP,
)
