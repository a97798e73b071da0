"""Sources of images: the path of a file, or a buffer, as a caller passes them."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import ImageTooLargeError, ValidationError

if TYPE_CHECKING:
    from zorivest_async.images.policy import ImagePolicy

__all__ = ["as_image_path", "copied", "require_small_buffer"]

_PIECE_BYTES: Final = 256 * 1024
"""Size of a piece that is copied at once: the interpreter's lock is held meanwhile."""


def as_image_path(source: str | os.PathLike[str]) -> Path:
    """Return the path of an image file.

    Raises:
        ValidationError: It is not text, has a NUL character, or cannot be encoded for the file system.
    """
    name: object = os.fspath(source)
    if not isinstance(name, str):
        raise ValidationError("ImageAttachment", "data", "is a path of bytes; pass os.fsdecode(path)")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        problem = "is a path with characters that the file system's encoding does not have"
        raise ValidationError("ImageAttachment", "data", problem) from None
    if b"\0" in encoded:
        raise ValidationError("ImageAttachment", "data", "is a path with a NUL character")
    return Path(name)


def require_small_buffer(source: bytearray | memoryview, policy: ImagePolicy) -> None:
    """Check the size of a buffer before it is copied.

    Raises:
        ImageTooLargeError: It has more bytes than the policy allows.
        ValidationError: It is a ``memoryview`` that was released.
    """
    try:
        size = memoryview(source).nbytes
    except ValueError:
        raise ValidationError("ImageAttachment", "data", "is a memoryview that was released") from None
    if size > policy.max_bytes:
        raise ImageTooLargeError("bytes", size, policy.max_bytes)


def copied(source: bytearray | memoryview) -> bytes:
    """Return a copy of a buffer, made in pieces, so that a thread that calls this lets the others run.

    Raises:
        ValidationError: It is a ``memoryview`` that was released.
    """
    try:
        view = memoryview(source)
    except ValueError:
        raise ValidationError("ImageAttachment", "data", "is a memoryview that was released") from None
    if not view.c_contiguous:
        return view.tobytes()
    flat = view.cast("B") if view.nbytes else view
    buffer = BytesIO()
    for start in range(0, view.nbytes, _PIECE_BYTES):
        buffer.write(flat[start : start + _PIECE_BYTES])
    return buffer.getvalue()
