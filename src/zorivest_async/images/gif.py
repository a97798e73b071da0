"""Layout of GIF files (GIF89a)."""

from __future__ import annotations

from struct import unpack_from
from typing import Final

from zorivest_async.images.layout import MAX_BLOCKS, ImageNote, Layout

__all__ = ["read_gif"]

_EXTENSION = 0x21
_IMAGE = 0x2C
_TRAILER = 0x3B
_CONTROL = 0xF9
_CONTROL_BYTES = 4

_MAX_SUB_BLOCKS: Final = 400_000
"""Maximum number of sub-blocks: five times what a file of 20 MB needs at their usual 255 bytes. The walk over them, in
Python, takes a tenth of a second then."""


def read_gif(data: bytes) -> Layout:
    """Walk the blocks to the trailer (GIF89a, sections 18 to 27), and keep the first frame.

    The first frame may reach beyond the screen, and need not fill it. A file that ends without the trailer, right after
    a block, is taken.

    Raises:
        ValueError: It is malformed.
        struct.error: It is truncated.
        IndexError: It is truncated.
    """
    return _Walk(data).layout()


class _Walk:
    """A walk over the blocks of a GIF, with what it has found so far."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._sub_blocks = 0
        self._control = b""  # the graphic control extension of the next frame
        self._first: tuple[int, int] | None = None
        self._transparent: tuple[int, ...] = ()

    def layout(self) -> Layout:
        (flags,) = unpack_from("<B", self._data, 10)
        self._position = head = 13 + _color_table_bytes(flags)
        for _ in range(MAX_BLOCKS):
            if self._position == len(self._data) and self._first is not None and not self._control:
                return self._layout(head, ImageNote.NO_END)
            block = self._data[self._position]
            if block == _TRAILER:
                return self._layout(head)
            self._position += 1
            if block == _EXTENSION:
                self._skip_extension()
            elif block == _IMAGE:
                self._skip_frame()
        raise ValueError("too many blocks")

    def _skip_extension(self) -> None:
        kind, length = self._data[self._position], self._data[self._position + 1]
        if kind == _CONTROL and length == _CONTROL_BYTES:
            self._control = self._data[self._position + 2 : self._position + 2 + length]
        self._position += 1
        self._skip_sub_blocks()

    def _skip_frame(self) -> None:
        start = self._position - 1
        (flags,) = unpack_from("<B", self._data, self._position + 8)
        self._position += 10 + _color_table_bytes(flags)
        self._skip_sub_blocks()
        if self._first is None:
            self._first = (start, self._position)
            if self._control and self._control[0] & 1:
                self._transparent = (self._control[3],)
        self._control = b""

    def _skip_sub_blocks(self) -> None:
        while length := self._data[self._position]:
            self._position += 1 + length
            self._sub_blocks += 1
            if self._sub_blocks > _MAX_SUB_BLOCKS:
                raise ValueError("too many sub-blocks")
        self._position += 1

    def _layout(self, head: int, *notes: ImageNote) -> Layout:
        if self._first is None:
            raise ValueError("no frame")
        start, end = self._first
        width, height = unpack_from("<HH", self._data, 6)
        left, top, frame_width, frame_height = unpack_from("<HHHH", self._data, start + 1)
        right, bottom = left + frame_width, top + frame_height
        view = memoryview(self._data)
        return Layout(
            size=(max(width, right), max(height, bottom)),
            parts=(view[:head], view[start:end], bytes([_TRAILER])),
            transparent=self._transparent,
            frame=(left, top, right, bottom),
            notes=notes,
        )


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
