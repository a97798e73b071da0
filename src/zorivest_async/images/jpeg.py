"""Layout of JPEG files (ITU-T T.81).

Pillow alone would accept a file without its last segments, and refuse a picture for a malformed comment or profile. So
it gets no comments and no application segments but two: those which say how colours are stored.
"""

from __future__ import annotations

import re
from struct import unpack_from
from typing import Final

from zorivest_async.images.layout import MAX_BLOCKS, MAX_PROFILE_BYTES, ImageNote, Layout

__all__ = ["fillings", "read_jpeg"]

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
"""A marker that starts a segment: not a stuffed zero, TEM, RST, SOI or fill byte (T.81, section B.1)."""

_PIECE_BYTES: Final = 64 * 1024
"""Size of a piece that is searched at once: a search of 20 MB would hold the interpreter's lock for 250 ms."""

_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_FIRST_RESTART = 0xD0

_PATTERNS = tuple(
    bytes(mask ^ 1 + (first + number * 97) % 254 for number in range(256)) for mask in (0, 0xFF) for first in (0, 89)
)
"""Patterns, two and two of which differ in each bit, of bytes from 1 to 254: 255 would begin a marker, and 0 end it.
Two begin with mixed bits, because a run of ones is no Huffman code, and libjpeg takes it for the end of a block."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The start-of-frame markers SOF0 to SOF15, without DHT, JPG and DAC, which stand between them (T.81, table B.1)."""

_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ARITHMETIC = frozenset({0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})

_FILL = b"\xff"
_SCAN = 0xDA
_END = 0xD9
_JFIF = 0xE0
_EXIF = 0xE1
_PROFILE = 0xE2
_ADOBE = 0xEE
_COMMENT = 0xFE
_APPLICATION = range(0xE0, 0xF0)

_MAX_SCANS = 100
"""More than encoders write (libjpeg: 10). A scan that adds nothing takes 60 bytes of a file and one more pass over all
its pixels: without a limit 20 MB keep a thread busy for hours (libjpeg-turbo, "Two Issues with the JPEG Standard")."""

_ARITHMETIC_PASSES = 8
"""Passes that an arithmetically coded scan counts for: a bit of the file can then stand for hundreds of decisions."""

_EXIF_PREFIX = b"Exif\0\0"
_PROFILE_PREFIX = b"ICC_PROFILE\0"
_PROFILE_HEAD_BYTES = len(_PROFILE_PREFIX) + 2
_JFIF_BYTES = 14
_ADOBE_BYTES = 12
_ALL_COEFFICIENTS = (1 << 64) - 1


def read_jpeg(data: bytes) -> Layout:
    """Walk the segments, and the entropy-coded data between them, to the end of the image (T.81, annex B).

    A file that ends without its end marker is taken if each coefficient has had its last scan. Whether the data of that
    scan are complete only a decoder can tell: see :func:`fillings`.

    Raises:
        ValueError: It is malformed or truncated.
        struct.error: It is truncated.
        IndexError: It is truncated.
    """
    return _Walk(data).layout()


def fillings(layout: Layout) -> list[tuple[bytes | memoryview, ...]]:
    """Return the parts of a file without its end marker, with different data in place of those that may be missing.

    A decoder invents what is missing and does not say so. But if it makes the same picture of all of these, then
    nothing that belongs to the picture is missing.
    """
    return [(*layout.parts, _filling(layout.parts[-1], pattern), bytes([0xFF, _END])) for pattern in _PATTERNS]


def _filling(body: bytes | memoryview, pattern: bytes) -> bytes:
    """Return bytes with all restart markers, from the next one, for which a decoder would look (section E.2.4)."""
    last = 7
    for end in range(len(body), 0, -_PIECE_BYTES):
        found = _RESTART.findall(bytes(body[max(end - _PIECE_BYTES - 1, 0) : end]))
        if found:
            last = found[-1][0] - _FIRST_RESTART
            break
    markers = (bytes([0xFF, _FIRST_RESTART + (last + number) % 8]) for number in range(1, 9))
    return pattern + b"".join(marker + pattern for marker in markers)


class _Walk:
    """A walk over the segments of a JPEG, with what it has found so far."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        self._size = (0, 0)
        self._frame = 0
        self._missing: dict[int, int] = {}  # the coefficients without their last bit, by component
        self._kept: list[memoryview] = []
        self._body = 0
        self._scans = self._scan_data = 0
        self._exif = b""
        self._profile: list[bytes] = []

    def layout(self) -> Layout:
        position = 2
        for _ in range(MAX_BLOCKS):
            found = self._next_marker(position)
            if found is None:
                return self._without_end()
            if self._data[found - 1] == _END:
                return self._layout(found, 1)
            (length,) = unpack_from(">H", self._data, found)
            if length < 2 or found + length > len(self._data):  # noqa: PLR2004 - its own two bytes
                raise ValueError("a segment of an impossible length")
            self._take(found, length)
            position = found + length
        raise ValueError("too many segments")

    def _next_marker(self, position: int) -> int | None:
        """Return the position after the next marker."""
        for start in range(position, len(self._data), _PIECE_BYTES):
            # One byte more than a piece, as a marker has two.
            match = _MARKER.search(self._data, start, start + _PIECE_BYTES + 1)
            if match is not None:
                return match.end()
        return None

    def _take(self, found: int, length: int) -> None:
        marker = self._data[found - 1]
        content = self._data[found + 2 : found + length]
        if marker in _FRAMES:
            self._start_frame(marker, content)
        elif marker == _SCAN:
            self._start_scan(found, content)
        elif marker == _EXIF and content.startswith(_EXIF_PREFIX):
            self._exif = self._exif or content.removeprefix(_EXIF_PREFIX)
        elif marker == _PROFILE and content.startswith(_PROFILE_PREFIX) and len(content) > _PROFILE_HEAD_BYTES:
            self._profile.append(content)
        if not self._body and not self._is_left_out(marker, content):
            self._kept.append(self._view[found - 2 : found + length])

    def _start_frame(self, marker: int, content: bytes) -> None:
        height, width, components = unpack_from(">HHB", content, 1)
        self._size, self._frame = (width, height), marker
        self._missing = {content[6 + 3 * number]: _ALL_COEFFICIENTS for number in range(components)}

    def _start_scan(self, found: int, content: bytes) -> None:
        self._scans += 1
        if self._scans > _MAX_SCANS:
            raise ValueError("too many scans")
        self._body = self._body or found - 2
        self._scan_data = found + 2 + len(content)
        components = content[0]
        first, last, bits = content[1 + 2 * components : 4 + 2 * components]
        complete = _ALL_COEFFICIENTS
        if self._frame in _PROGRESSIVE:
            complete = 0 if bits & 0x0F else (1 << last + 1) - (1 << first) & _ALL_COEFFICIENTS
        for number in range(components):
            component = content[1 + 2 * number]
            self._missing[component] = self._missing.get(component, 0) & ~complete

    @staticmethod
    def _is_left_out(marker: int, content: bytes) -> bool:
        if marker == _JFIF:
            return not content.startswith(b"JFIF\0") or len(content) < _JFIF_BYTES
        if marker == _ADOBE:
            return not content.startswith(b"Adobe") or len(content) < _ADOBE_BYTES
        return marker in _APPLICATION or marker in (_COMMENT, _SCAN)

    def _without_end(self) -> Layout:
        if not self._frame or not self._scans or any(self._missing.values()):
            raise ValueError("no end of image")
        end = len(self._data)
        while self._data.endswith(_FILL, self._body, end):  # the first half of a marker, or fill bytes
            start = max(end - _PIECE_BYTES, self._body)
            end = start + len(self._data[start:end].rstrip(_FILL))
        if end <= self._scan_data:
            raise ValueError("no data of the last scan")
        # It is decoded once more for each pattern, to see whether the data are complete.
        return self._layout(end, 1 + len(_PATTERNS), ImageNote.NO_END)

    def _layout(self, end: int, times: int, *notes: ImageNote) -> Layout:
        if not self._scans:
            raise ValueError("no scan")
        passes = self._scans * times * (_ARITHMETIC_PASSES if self._frame in _ARITHMETIC else 1)
        parts = (self._view[:2], *self._kept, self._view[self._body : end])
        return Layout(
            size=self._size, parts=parts, passes=passes, profile=self._whole_profile(), exif=self._exif, notes=notes
        )

    def _whole_profile(self) -> bytes:
        """Put the profile together, unless a part is missing or it is too large (ICC.1:2022, section B.4)."""
        pieces = sorted(self._profile)
        if not pieces or pieces[0][_PROFILE_HEAD_BYTES - 1] != len(pieces):
            return b""
        profile = b"".join(piece[_PROFILE_HEAD_BYTES:] for piece in pieces)
        return profile if len(profile) <= MAX_PROFILE_BYTES else b""
