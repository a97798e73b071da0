"""Layout of an image file: what its bytes say before a decoder reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

__all__ = ["MAX_BLOCKS", "MAX_EXIF_BYTES", "MAX_PROFILE_BYTES", "ImageNote", "Layout", "Size"]

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

MAX_BLOCKS: Final = 100_000
"""Maximum number of chunks of a PNG or WebP, segments of a JPEG or blocks of a GIF: twenty times what a file of 20 MB
needs at 4 kB each. Without a limit a file of 20 MB of empty chunks takes seconds."""

MAX_PROFILE_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a colour profile that is applied: larger than those of printers, the largest that are common."""

MAX_EXIF_BYTES: Final = 64 * 1024
"""Maximum size of EXIF data that are read: as many as a JPEG can have. The orientation stands near their beginning."""


class ImageNote(StrEnum):
    """Note on an image file that was accepted although it departs from its format, as browsers accept it.

    Attributes:
        NO_END: A GIF without its trailer or a JPEG without its end marker; nothing of the picture is missing.
    """

    NO_END = "the file has no end marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Layout of an image file that was walked to its end.

    Attributes:
        size: The size that it announces.
        parts: What a decoder needs of it, in order: never text, and only what the first picture needs.
        passes: How many times a decoder goes over all pixels.
        profile: The ICC profile; empty if there is none, or one that is damaged or too large.
        exif: The EXIF data, a TIFF file; empty if there are none.
        depth: Bits of a sample.
        transparent: The transparent colour or palette index, in samples of the file; empty if there is none.
        frame: Left, top, right and bottom of the picture, if it may be smaller than the image.
        notes: Notes on the file.
    """

    size: Size
    parts: tuple[bytes | memoryview, ...] = field(repr=False)
    passes: int = 1
    profile: bytes = field(default=b"", repr=False)
    exif: bytes = field(default=b"", repr=False)
    depth: int = 8
    transparent: tuple[int, ...] = ()
    frame: tuple[int, int, int, int] | None = None
    notes: tuple[ImageNote, ...] = ()
