"""Hostile images: files of Pillow's with their blocks and bytes changed, and blocks that were made up."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st
from PIL import Image, ImageCms

from fuzzing.target import Target, edit, edits, require_short
from zorivest_async import ImageError
from zorivest_async.images import ImagePolicy, make_preview, make_thumbnail, process_image

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IMAGES"]

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_POLICY: Final = ImagePolicy(max_pixels=1_000_000, max_bytes=2_000_000)
_SIDE_PX: Final = 64
_WEBP_METADATA: Final = (b"EXIF", b"ICCP", b"XMP ")

_EXIF: Final = [
    b"Exif\0\0" + order + struct.pack(f"{mark}IHHHIHHI", 8, 1, 0x112, 3, 1, value, 0, 0)
    for order, mark in ((b"II*\0", "<"), (b"MM\0*", ">"))
    for value in (0, 1, 6, 9, 65_535)
]
_LARGE: Final = zlib.compress(bytes(4_000_000))
_CONTENTS: Final = [
    *_EXIF,
    *(exif.removeprefix(b"Exif\0\0") for exif in _EXIF),
    b"Comment\0\0" + _LARGE,
    b"ICC Profile\0\0" + _LARGE,
    b"Title\0\1\0\0\0" + _LARGE,
    b"ICC_PROFILE\0\1\2" + bytes(40),
    b"ICC_PROFILE\0\0\0",
    b"MPF\0II*\0\x08\0\0\0" + bytes(32),
    b"Adobe\0\x64\0\0\0\0\2",
    b"JFIF\0\1\2\1\0\1\0\1\0\0",
    b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff",
    b"http://ns.adobe.com/xap/1.0/\0" + b"<x" * 50,
    b"NETSCAPE2.0\3\1\0\0",
    struct.pack(">II", 2**31, 0),
    struct.pack(">IIIIIHHBB", 0, 2**31, 2**31, 2**31, 1, 0, 0, 2, 1),
]
_PNG_CHUNKS: Final = (
    b"IDAT PLTE tRNS iCCP eXIf acTL fcTL fdAT tEXt zTXt iTXt gAMA cHRM sRGB pHYs bKGD hIST tIME IHDR IEND CgBI iDOT"
).split()
_WEBP_CHUNKS: Final = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP ", b"????")


def _encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


@cache
def _seeds() -> dict[str, list[bytes]]:
    """Return valid files, by format."""
    picture = Image.effect_mandelbrot((_SIDE_PX, 40), (-2, -1, 1, 1), 50).convert("RGB")
    alpha = picture.convert("RGBA")
    alpha.putalpha(picture.convert("L"))
    frames = {"save_all": True, "append_images": [picture.rotate(40), picture.rotate(80)], "duration": 50}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    metadata = {"icc_profile": profile, "exif": _EXIF[2]}
    deep = Image.frombytes("I;16", (8, 8), bytes(range(128)))
    return {
        "PNG": [
            *(_encode(picture.convert(mode), "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
            _encode(alpha, "PNG", **metadata),
            _encode(picture.quantize(16), "PNG", transparency=3),
            _encode(deep, "PNG"),
            _encode(picture, "PNG", **frames),
        ],
        "JPEG": [
            _encode(picture, "JPEG", **metadata),
            _encode(picture, "JPEG", progressive=True),
            _encode(picture.convert("L"), "JPEG"),
            _encode(picture.convert("CMYK"), "JPEG"),
            _encode(picture, "JPEG", subsampling=2, restart_marker_blocks=2),
            _encode(picture, "MPO", save_all=True, append_images=[picture.rotate(90)]),
        ],
        "GIF": [
            _encode(picture, "GIF", comment=b"entry", interlace=1),
            _encode(picture.quantize(4), "GIF", transparency=1),
            _encode(picture, "GIF", **frames),
        ],
        "WebP": [
            _encode(picture, "WEBP", **metadata),
            _encode(alpha, "WEBP"),
            _encode(alpha, "WEBP", lossless=True, xmp=b"<x/>"),
            _encode(picture, "WEBP", **frames),
        ],
    }


def _split_png(data: bytes) -> list[bytes]:
    blocks, place = [_PNG], len(_PNG)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        blocks.append(data[place:end])
        place = end
    return blocks


def _join_png(blocks: list[bytes]) -> bytes:
    return b"".join(
        block if block == _PNG else _png_chunk(block[4:8], block[8:-4]) for block in blocks if len(block) >= len(_PNG)
    )


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _split_webp(data: bytes) -> list[bytes]:
    blocks, place = [data[:12]], 12
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        blocks.append(data[place:end])
        place = end
    return blocks


def _join_webp(blocks: list[bytes]) -> bytes:
    body = b"".join(block[:4] + struct.pack("<I", len(block) - 8) + block[8:] for block in blocks[1:] if len(block) > 8)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _split_jpeg(data: bytes) -> list[bytes]:
    """Split before every marker; what a scan holds stays with it."""
    starts = [0]
    starts += [match.start() for match in re.finditer(rb"\xff[^\x00\xd0-\xd7\xff]", data) if match.start()]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def _split_gif(data: bytes) -> list[bytes]:
    """Split where a block begins; a picture's may be split within, which is as good."""
    starts = [0, *(n for n in range(13, len(data) - 1) if data[n : n + 2] in (b"!\xf9", b"!\xff", b"!\xfe", b",\0"))]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


_SPLIT: Final[dict[str, Callable[[bytes], list[bytes]]]] = {
    "PNG": _split_png,
    "JPEG": _split_jpeg,
    "GIF": _split_gif,
    "WebP": _split_webp,
}
_JOIN: Final[dict[str, Callable[[list[bytes]], bytes]]] = {"PNG": _join_png, "WebP": _join_webp}


@st.composite
def _made_block(draw: st.DrawFn, image_format: str) -> bytes:
    content = draw(st.one_of(st.sampled_from(_CONTENTS), st.binary(max_size=64)))
    match image_format:
        case "PNG":
            return _png_chunk(draw(st.sampled_from(_PNG_CHUNKS)), content)
        case "WebP":
            return draw(st.sampled_from(_WEBP_CHUNKS)) + struct.pack("<I", len(content)) + content
        case "JPEG":
            marker = draw(st.integers(0xC0, 0xFE))
            return bytes([0xFF, marker]) + struct.pack(">H", min(len(content) + 2, 0xFFFF)) + content
        case _:
            kind = draw(st.sampled_from([b"!\xf9", b"!\xff", b"!\xfe", b"!\x01", b"!\x42"]))
            return kind + bytes([len(content[:255])]) + content[:255] + b"\0"


@st.composite
def _image_files(draw: st.DrawFn) -> bytes:
    """Draw a file: its blocks dropped, repeated, moved, made up or edited, and bytes changed anywhere."""
    image_format = draw(st.sampled_from(sorted(_SPLIT)))
    seeds = _seeds()[image_format]
    blocks = _SPLIT[image_format](draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(blocks)))
        match draw(st.sampled_from(["edit", "edit", "edit", "make", "drop", "repeat", "foreign"])):
            case "edit":
                blocks[place : place + 1] = [edit(block, draw(edits(3))) for block in blocks[place : place + 1]]
            case "make":
                blocks.insert(place, draw(_made_block(image_format)))
            case "drop":
                del blocks[place : place + 1]
            case "repeat":
                blocks[place:place] = blocks[place : place + 1] * draw(st.sampled_from([1, 2, 200]))
            case _:
                blocks.insert(place, draw(st.sampled_from(_SPLIT[image_format](draw(st.sampled_from(seeds))))))
    repaired = bool(blocks) and draw(st.sampled_from([True, True, True, False]))
    data = _JOIN[image_format](blocks) if repaired and image_format in _JOIN else b"".join(blocks)
    return edit(data, draw(edits())) if draw(st.booleans()) else data


def _check(data: bytes) -> str:
    """Process an image: an error of the image family, or pictures that are what they should be; never a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ending = _process(data)
    assert not caught, [str(warning.message) for warning in caught]
    return ending


def _process(data: bytes) -> str:
    try:
        processed = process_image(data, _POLICY)
    except ImageError as error:
        require_short(error)
        for make in (make_thumbnail, make_preview):
            try:
                make(data, 50, _POLICY)
            except ImageError:
                continue
            raise AssertionError("another size could be made of what was refused") from error
        return "refused"
    longest = max(processed.width, processed.height)
    assert 0 < processed.width * processed.height <= _POLICY.max_pixels
    for picture in (processed.thumbnail, make_thumbnail(data, 50, _POLICY), make_preview(data, 50, _POLICY).data):
        with Image.open(BytesIO(picture)) as opened:
            opened.load()
            assert max(opened.size) <= min(longest, _POLICY.thumbnail_px)
            assert not {"exif", "icc_profile", "xmp", "comment"} & opened.info.keys()
    return "taken"


IMAGES: Final = Target(_image_files(), _check)
