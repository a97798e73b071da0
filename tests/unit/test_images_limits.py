"""Limits that bound: what the policy says about memory and time is measured, in processes of their own."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from zorivest_async.errors import CorruptImageError, ImageTooLargeError
from zorivest_async.images import ImagePolicy, jpeg, process_image

if TYPE_CHECKING:
    from collections.abc import Callable

POLICY = ImagePolicy()
SIDE_PX = 6_324
"""Whose square is just below 40 million."""


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, color_type: int, depth: int, *chunks: bytes) -> bytes:
    """Return a black PNG."""
    row = bytes(1 + (width * {0: 1, 2: 3, 3: 1, 6: 4}[color_type] * depth + 7) // 8)
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def scans_of_nothing(side: int, scans: int) -> bytes:
    """Return a progressive JPEG whose scans refine nothing: 60 bytes each for another pass over all pixels."""
    blocks = (side // 8) ** 2
    scan = b"\xff\xda" + struct.pack(">HB", 8, 1)
    bits = ("0" + "1" * 14) * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    nothing = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"".join(
        [
            b"\xff\xd8\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([16] * 64),
            b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, side, side, 1) + bytes([1, 0x11, 0]),
            b"\xff\xc4" + struct.pack(">HB", 20, 0x00) + bytes([1] + [0] * 16),
            b"\xff\xc4" + struct.pack(">HB", 21, 0x10) + bytes([1, 1] + [0] * 14 + [0xE0, 0x01]),
            scan + bytes([1, 0, 0, 0, 1]) + bytes(blocks // 8 + 1),
            (scan + bytes([1, 0, 1, 63, 0x10]) + nothing) * (scans - 1),
            b"\xff\xd9",
        ]
    )


def webp() -> bytes:
    """Return a lossless WebP with alpha."""
    buffer = BytesIO()
    Image.new("RGBA", (SIDE_PX, SIDE_PX), (1, 2, 3, 4)).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return buffer.getvalue()


def gif() -> bytes:
    """Return a GIF with a transparent colour."""
    buffer = BytesIO()
    Image.new("P", (SIDE_PX, SIDE_PX)).save(buffer, "GIF", transparency=3)
    return buffer.getvalue()


LARGEST: dict[str, tuple[Callable[[], bytes], int]] = {
    "PNG": (lambda: png(SIDE_PX, SIDE_PX, 6, 16), 400),
    "PNG of long rows": (lambda: png(65_535, 610, 6, 16), 400),
    "PNG of short rows": (lambda: png(610, 65_535, 0, 1, chunk(b"tRNS", bytes(2))), 400),
    "PNG with a transparent colour": (lambda: png(SIDE_PX, SIDE_PX, 2, 16, chunk(b"tRNS", bytes(6))), 400),
    "PNG with a transparent level": (lambda: png(SIDE_PX, SIDE_PX, 0, 16, chunk(b"tRNS", bytes(2))), 400),
    "JPEG of twenty scans": (lambda: scans_of_nothing(6_320, 20), 400),
    "GIF": (gif, 400),
    "WebP": (webp, 700),
}
"""The costliest files that the limits allow, and the megabytes that the policy states for them."""

MEASURE = """
import resource, sys, time
from pathlib import Path
from zorivest_async.images import ImagePolicy, process_image

def peak():
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])

small = bytes.fromhex(sys.argv[1])
process_image(small, ImagePolicy())
data = sys.stdin.buffer.read()
before, started = peak(), time.process_time()
process_image(data, ImagePolicy())
print((peak() - before) / 1000, time.process_time() - started)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of resident memory from /proc")
@pytest.mark.parametrize("kind", LARGEST)
def test_the_largest_images_stay_within_the_figures_of_the_policy(kind: str) -> None:
    """Memory to 5 %; processor time, which differs between machines, to a factor of five."""
    make, megabytes = LARGEST[kind]
    assert f"{megabytes} MB" in (ImagePolicy.__doc__ or "")
    command = [sys.executable, "-c", MEASURE, png(8, 8, 2, 8).hex()]
    result = subprocess.run(command, input=make(), capture_output=True, check=True)
    taken, seconds = map(float, result.stdout.split())
    assert taken < megabytes * 1.05
    assert "3 s on 2 cores" in (ImagePolicy.__doc__ or "")
    assert seconds < 3 * 5


@pytest.mark.parametrize("size", [(1, 65_536), (65_536, 1)])
def test_a_side_is_limited(size: tuple[int, int]) -> None:
    """Each row takes memory of its own; the largest side is that of the other formats."""
    with pytest.raises(ImageTooLargeError) as caught:
        process_image(png(size[0], size[1], 0, 8), POLICY)
    assert (caught.value.quantity, caught.value.actual, caught.value.limit) == ("pixels on a side", 65_536, 65_535)
    process_image(png(min(size[0], 65_535), min(size[1], 65_535), 0, 8), POLICY)


def test_the_scans_of_a_jpeg_are_limited_by_its_pixels() -> None:
    """Twenty times the pixels that a picture may have: more scans for a smaller picture."""
    policy = ImagePolicy(max_pixels=64 * 64)
    process_image(scans_of_nothing(64, 20), policy)
    process_image(scans_of_nothing(32, 80), policy)
    for side, scans in ((64, 21), (32, 81)):
        with pytest.raises(ImageTooLargeError) as caught:
            process_image(scans_of_nothing(side, scans), policy)
        assert caught.value.quantity == "pixels in all its scans"
        assert (caught.value.actual, caught.value.limit) == (side * side * scans, 20 * 64 * 64)


FRAME = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
GIF_HEAD = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\xff\xff\0\0"
RIFF_BODY = b"WEBPVP8L" + struct.pack("<I", 0) + b"abcd\0\0\0\0" * 100_000


@pytest.mark.parametrize(
    "data",
    [
        GIF_HEAD + FRAME + b"!\xfe\0" * 100_000 + b";",
        GIF_HEAD + FRAME * 100_001 + b";",
        GIF_HEAD + b"!\xfe" + b"\1x" * 400_001 + b"\0" + FRAME + b";",
        b"RIFF" + struct.pack("<I", len(RIFF_BODY)) + RIFF_BODY,
    ],
    ids=["extensions", "frames", "sub-blocks", "chunks of a WebP"],
)
def test_a_flood_of_blocks_is_refused(data: bytes) -> None:
    """Without a limit the walk, in Python, takes seconds."""
    with pytest.raises(CorruptImageError):
        process_image(data, POLICY)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\0", b"\xff\xd0", b"\0"])
def test_a_jpeg_is_searched_in_pieces(filler: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """One search of 20 MB would hold the interpreter's lock, and so the event loop, for 250 ms."""
    searched: list[int] = []
    pattern = vars(jpeg)["_MARKER"]

    class Spy:
        def search(self, data: bytes, start: int, stop: int) -> object:
            searched.append(stop - start)
            return pattern.search(data, start, stop)

    monkeypatch.setattr(jpeg, "_MARKER", Spy())
    whole = scans_of_nothing(64, 2)[:-2] + filler * (1_000_000 // len(filler))
    with suppress(CorruptImageError):
        process_image(whole + b"\xff\xd9", POLICY)
    assert len(searched) > 10
    assert max(searched) <= 64 * 1024 + 1


def test_a_marker_on_the_border_of_two_pieces_is_found() -> None:
    """A piece ends between its two bytes."""
    good = scans_of_nothing(64, 2)
    for length in range(64 * 1024 - 40, 64 * 1024 + 40):
        process_image(good[:-2] + b"\0" * length + b"\xff\xd9", POLICY)
