"""EXIF orientation."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["is_on_its_side", "orientation"]

_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
"""The first four bytes of EXIF data, which are a TIFF file (TIFF 6.0, section 2), for :mod:`struct`."""

_ORIENTATION_TAG: Final = 0x0112
_PREFIX: Final = b"Exif\0\0"
_INLINE_BYTES: Final = 4

_TYPES: Final = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
"""Numeric types of a tag, for :mod:`struct`; the standard asks for 3, and writers use others (TIFF 6.0, section 2)."""


def orientation(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8 (CIPA DC-008, Orientation); 1 if there is none or it is damaged.

    Only this tag is needed, and Pillow's EXIF reader would print a warning for every damaged tag.

    Args:
        exif: The EXIF data, a TIFF file; some writers put a prefix before it that only JPEG has.
    """
    exif = exif.removeprefix(_PREFIX)
    order = _BYTE_ORDERS.get(exif[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", exif, entry)
            if tag == _ORIENTATION_TAG:
                return _number(exif, order, _TYPES[kind], count, entry + 8)
    except (struct.error, KeyError, ZeroDivisionError):
        pass  # damaged metadata does not make the picture unreadable
    return 1


def is_on_its_side(exif: bytes) -> bool:
    """Return whether width and height are exchanged when the picture is turned upright."""
    return orientation(exif) in {5, 6, 7, 8}


def _number(exif: bytes, order: str, layout: str, count: int, place: int) -> int:
    """Read the first value of a tag, which stands elsewhere if its values do not fit in four bytes."""
    if struct.calcsize(f"{order}{layout}") * count > _INLINE_BYTES:
        (place,) = struct.unpack_from(f"{order}I", exif, place)
    value, *divisor = struct.unpack_from(f"{order}{layout}", exif, place)
    number = value / divisor[0] if divisor else value
    return int(number) if number in range(1, 9) else 1
