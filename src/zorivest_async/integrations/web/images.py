"""Responses that are images."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import aclosing
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from starlette.responses import Response, StreamingResponse

from zorivest_async.errors import NotFoundError
from zorivest_async.integrations.web.conditions import is_current, range_of
from zorivest_async.integrations.web.lifespan import vault_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

    from zorivest_async.database.unit_of_work import SqlAlchemyUnitOfWork
    from zorivest_async.domain.entities import ImageInfo
    from zorivest_async.vault import Vault

__all__ = ["image_response", "thumbnail_response"]

_PIECE_BYTES: Final = 512 * 1024
"""What is read at a time: one hand-off, and all that a slow client keeps in memory."""

_HASHED_BYTES: Final = 256 * 1024
"""What is hashed at a time on the event loop, in well below a millisecond."""

_REMEMBERED_IMAGES: Final = 10_000
"""Of how many images of a vault the entity tag is remembered; each takes some 300 bytes."""

_HEADERS: Final = {
    # It may be kept by the browser alone, and is asked for again with If-None-Match: an image can be deleted.
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
}

_SHOWN_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""What a browser may show. ``save`` stores entities as they are, and one that says ``text/html`` would run scripts."""


class _Original(NamedTuple):
    etag: str
    size_bytes: int


_originals: WeakKeyDictionary[Vault, OrderedDict[tuple[object, ...], _Original]] = WeakKeyDictionary()


async def image_response(request: Request, image_id: int) -> Response:
    """Return the original of an image: all of it, the range that was asked for (206), or that the client has it (304).

    The entity tag is the SHA-256 of the bytes; it is worked out once. The bytes are read in pieces, each in a read-only
    unit of work of its own, so that a slow client holds no connection and keeps little in memory. Where the image is
    deleted meanwhile, the connection is closed before the announced length.

    Args:
        request: The request, ``GET`` or ``HEAD``.
        image_id: Row number of the image.

    Raises:
        NotFoundError: There is no such image.
        VaultError: The vault cannot be read.
    """
    vault = vault_of(request)
    async with vault.unit_of_work(read_only=True) as uow:
        info = await uow.images.get_info(image_id)
        if info is None:
            raise NotFoundError("ImageAttachment", image_id)
        original = await _original_of(vault, uow, info)
    headers = {**_HEADERS, "ETag": original.etag}
    if is_current(request.headers, original.etag):
        return Response(status_code=304, headers=headers)
    headers["Accept-Ranges"] = "bytes"
    asked = range_of(request.headers, original.etag, original.size_bytes) if request.method == "GET" else None
    start, stop, status = (0, original.size_bytes, 200) if asked is None else (*asked, 206)
    if asked is not None:
        if start >= stop:
            return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{original.size_bytes}"})
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{original.size_bytes}"
    headers["Content-Length"] = str(stop - start)
    media_type = info.mime_type if info.mime_type in _SHOWN_TYPES else "application/octet-stream"
    if request.method == "HEAD":
        return Response(headers=headers, media_type=media_type)
    return StreamingResponse(_pieces(vault, image_id, start, stop), status, headers, media_type)


async def thumbnail_response(request: Request, image_id: int, max_size: int = 200) -> Response:
    """Return the WebP thumbnail of an image, or that the client has it (304).

    Args:
        request: The request, ``GET`` or ``HEAD``.
        image_id: Row number of the image.
        max_size: Longest side, in pixels. Do not leave it to the client without a bound: another size than the vault's
            own is made from the original, each time.

    Raises:
        NotFoundError: There is no such image.
        ImageError: There is no thumbnail of this size, and the original cannot be decoded.
        VaultError: The vault cannot be read.
    """
    async with vault_of(request).unit_of_work(read_only=True) as uow:
        data = await uow.images.get_thumbnail(image_id, max_size)
    headers = {**_HEADERS, "ETag": f'"{sha256(data).hexdigest()}"'}
    if is_current(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="image/webp")


async def _original_of(vault: Vault, uow: SqlAlchemyUnitOfWork, info: ImageInfo) -> _Original:
    # Numbers of deleted images are not given again, and nothing in the library changes the bytes of one.
    key = (info.id, info.file_size, info.created_at)
    known = _originals.setdefault(vault, OrderedDict())
    if key in known:
        known.move_to_end(key)
        return known[key]
    digest, size = sha256(), 0
    async with aclosing(uow.images.stream(info.id or 0, _HASHED_BYTES)) as chunks:
        async for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
    known[key] = _Original(f'"{digest.hexdigest()}"', size)
    if len(known) > _REMEMBERED_IMAGES:
        known.popitem(last=False)
    return _Original(f'"{digest.hexdigest()}"', size)


async def _pieces(vault: Vault, image_id: int, start: int, stop: int) -> AsyncGenerator[bytes]:
    while start < stop:
        end = min(start + _PIECE_BYTES, stop)
        async with (
            vault.unit_of_work(read_only=True) as uow,
            aclosing(uow.images.stream(image_id, _PIECE_BYTES, start=start, stop=end)) as chunks,
        ):
            piece = await anext(chunks)
        yield piece
        start += len(piece)
