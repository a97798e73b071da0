"""Layout of PNG files (PNG specification, third edition).

Pillow alone would accept a PNG with a wrong checksum or without its end. It also lets text decide: it refuses a picture
for a text of more than 1 MiB, and takes a text called ``transparency`` for the picture's. So it gets critical chunks.
"""

from __future__ import annotations

import zlib
from struct import pack, unpack_from
from typing import Final

from zorivest_async.images.layout import MAX_BLOCKS, MAX_EXIF_BYTES, MAX_PROFILE_BYTES, Layout

__all__ = ["SIGNATURE", "read_png"]

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_HEADER_BYTES: Final = 13
_GREY, _COLOR, _PALETTE, _GREY_ALPHA = 0, 2, 3, 4
_DEEP: Final = 16
_MAX_PALETTE_BYTES: Final = 3 * 256
_MAX_ALPHAS: Final = 256
_KEY_SAMPLES: Final = {_GREY: 1, _COLOR: 3}
"""Number of samples in a ``tRNS`` chunk, by colour type; a palette has an alpha for each of its colours instead."""


def read_png(data: bytes) -> Layout:
    """Walk the chunks to the end, each against its CRC, and keep those that make up the still picture.

    The chunks of an animation are among those that are left out: a decoder shows the picture in ``IDAT`` without them.

    Raises:
        ValueError: It is malformed.
        struct.error: It is truncated.
    """
    view = memoryview(data)
    chunks: dict[bytes, memoryview] = {}
    start = pixels = end = 0
    position = len(SIGNATURE)
    for _ in range(MAX_BLOCKS):
        length, kind = unpack_from(">I4s", data, position)
        content = position + 8
        (crc,) = unpack_from(">I", data, content + length)
        if crc != zlib.crc32(view[position + 4 : content + length]):
            raise ValueError("a chunk does not match its CRC")
        after = content + length + 4
        if (kind == b"IHDR") != (position == len(SIGNATURE)):
            raise ValueError("the header is not the first chunk, or is repeated")
        if kind == b"IEND":
            return _layout(chunks, view[start:end], view[position:after])
        if kind == b"IDAT":
            start = start or position
            # What follows after another chunk is not part of the picture (section 5.6).
            if pixels in (0, position):
                pixels = end = after
        elif kind == b"eXIf" or not start:
            chunks.setdefault(kind, view[position:after])
        position = after
    raise ValueError("too many chunks")


def _layout(chunks: dict[bytes, memoryview], pixels: memoryview, end: memoryview) -> Layout:
    header = _content(chunks[b"IHDR"])
    if len(header) != _HEADER_BYTES:
        raise ValueError("a header of another length")
    width, height, depth, color_type = unpack_from(">IIBB", header)
    transparent = _transparent(_content(chunks.get(b"tRNS")), depth, color_type)
    head: list[bytes | memoryview] = [chunks[b"IHDR"]]
    if (depth, color_type) == (_DEEP, _GREY) and transparent:
        # It is read as 8-bit grey with alpha, which has as many bytes and the same filters (section 9.2): so both bytes
        # can be compared with the transparent level.
        head = [_chunk(b"IHDR", header[:8] + bytes([8, _GREY_ALPHA]) + header[10:])]
    elif color_type == _PALETTE:
        largest = ((b"PLTE", _MAX_PALETTE_BYTES), (b"tRNS", _MAX_ALPHAS))
        head += [chunks[kind] for kind, most in largest if kind in chunks and len(chunks[kind]) <= most + 12]
    return Layout(
        size=(width, height),
        parts=(SIGNATURE, *head, pixels, end),
        profile=_profile(_content(chunks.get(b"iCCP"), MAX_PROFILE_BYTES)),
        exif=_content(chunks.get(b"eXIf"), MAX_EXIF_BYTES),
        depth=depth,
        transparent=transparent,
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return pack(">I", len(content)) + kind + content + pack(">I", zlib.crc32(kind + content))


def _content(chunk: memoryview | None, most: int = _MAX_PALETTE_BYTES) -> bytes:
    """Return the content of a chunk, or its beginning if it is longer than ``most``."""
    return b"" if chunk is None else bytes(chunk[8:-4][:most])


def _transparent(content: bytes, depth: int, color_type: int) -> tuple[int, ...]:
    """Return the samples of the transparent colour, of which only the low-order bits count (section 11.3.1.1)."""
    samples = _KEY_SAMPLES.get(color_type, 0)
    if len(content) < 2 * samples:
        return ()
    return tuple(sample & (1 << depth) - 1 for sample in unpack_from(f">{samples}H", content))


def _profile(content: bytes) -> bytes:
    """Return the profile, unless it is damaged or too large: neither makes the picture a bad one."""
    _, _, packed = content.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpacker.eof and not packed[0] else b""
