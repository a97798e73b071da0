"""Image uploads."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from zorivest_async.errors import ImageTooLargeError, UnsupportedImageError
from zorivest_async.images import ImagePolicy

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["read_image"]

_JOINED_AT_ONCE_BYTES: Final = 256 * 1024
"""Maximum size that is joined on the event loop, in well below a millisecond; a screenshot of 4 MB takes up to 4 ms."""


async def read_image(request: Request, *, max_bytes: int = ImagePolicy().max_bytes) -> bytes:
    """Return the body of a request that is an image file: ``fetch(url, {method: "POST", body: file})``.

    It writes no temporary file, and reads no more than the limit. Attach the image before other writes of the unit of
    work, so that no write lock is held while the image is decoded.

    Args:
        request: The request.
        max_bytes: The limit of the vault's :class:`~zorivest_async.ImagePolicy`.

    Raises:
        ImageTooLargeError: The client announces or sends more bytes.
        UnsupportedImageError: The body is a form with a file in it, as of ``curl -F`` or an HTML form.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise UnsupportedImageError("this is a form; send the image itself as the body of the request")
    # A number of more than 18 digits is too large in any case, and int() refuses very long ones.
    announced = request.headers.get("content-length", "0")[:18]
    if announced.isdecimal() and int(announced) > max_bytes:
        raise ImageTooLargeError("bytes", int(announced), max_bytes)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise ImageTooLargeError("bytes", size, max_bytes)
        chunks.append(chunk)
    if size <= _JOINED_AT_ONCE_BYTES:
        return b"".join(chunks)
    return await asyncio.to_thread(b"".join, chunks)  # which lets other threads run meanwhile
