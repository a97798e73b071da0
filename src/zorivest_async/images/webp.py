"""Layout of WebP files (RFC 9649)."""

from __future__ import annotations

from struct import pack, unpack_from
from typing import TYPE_CHECKING, Final

from zorivest_async.images.layout import MAX_BLOCKS, MAX_EXIF_BYTES, MAX_PROFILE_BYTES, Layout

if TYPE_CHECKING:
    from zorivest_async.images.layout import Size

__all__ = ["read_webp", "webp_size"]

_HEADER_BYTES: Final = 12
_HEAD: Final = (b"VP8X", b"ANIM")
_PICTURE: Final = (b"VP8 ", b"VP8L", b"ANMF")
_METADATA: Final = {b"ICCP": MAX_PROFILE_BYTES, b"EXIF": MAX_EXIF_BYTES}
_ANIMATION: Final = 0x02
_ALPHA: Final = 0x10


def read_webp(data: bytes) -> Layout:
    """Walk the chunks to the end, and keep the picture, or the first frame of an animation (section 2.7).

    Raises:
        ValueError: It is malformed or truncated.
        struct.error: It is truncated.
        IndexError: It is truncated.
    """
    view = memoryview(data)
    end = 8 + unpack_from("<I", data, 4)[0]
    if end > len(data):
        raise ValueError("shorter than it says")
    kept: list[memoryview] = []
    metadata: dict[bytes, bytes] = {}
    has_picture = False
    position = _HEADER_BYTES
    for _ in range(MAX_BLOCKS):
        if position + 8 > end:
            break
        kind, length = unpack_from("<4sI", data, position)
        after = position + 8 + length
        if after > end:
            raise ValueError("a chunk is longer than the file")
        if kind in _METADATA:
            metadata.setdefault(kind, data[position + 8 : min(after, position + 9 + _METADATA[kind])])
        elif not has_picture and kind in (*_HEAD, *_PICTURE, b"ALPH"):
            kept.append(view[position : after + length % 2])
            has_picture = kind in _PICTURE
        position = after + length % 2
    else:
        raise ValueError("too many chunks")
    size = webp_size(data)
    head = bytes(kept[0]) if kept else b""
    if head.startswith(b"VP8X"):  # without the flags of the chunks that are left out
        kept[0] = memoryview(head[:8] + bytes([head[8] & (_ANIMATION | _ALPHA)]) + head[9:])
    profile = metadata.get(b"ICCP", b"")
    return Layout(
        size=size,
        parts=(b"RIFF" + pack("<I", 4 + sum(map(len, kept))) + b"WEBP", *kept),
        profile=profile if len(profile) <= MAX_PROFILE_BYTES else b"",
        exif=metadata.get(b"EXIF", b""),
    )


def webp_size(data: bytes) -> Size:
    """Read the canvas from the first chunk (sections 2.5 to 2.7); it is fast enough for the event loop.

    Raises:
        ValueError: It is truncated.
        struct.error: It is truncated.
    """
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
