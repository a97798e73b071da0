"""Image responses: originals and thumbnails."""

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

    from zorivest_async.domain.entities import ImageInfo
    from zorivest_async.ports import UnitOfWork
    from zorivest_async.vault import Vault

__all__ = ["image_response", "thumbnail_response"]

_PIECE_BYTES: Final = 512 * 1024
"""Size of a piece: one hand-off, and the most that a slow client keeps in memory."""

_HASHED_BYTES: Final = 256 * 1024
"""Size of a piece that is hashed at once on the event loop, in well below a millisecond."""

_REMEMBERED_IMAGES: Final = 10_000
"""Maximum number of cached entity tags of a vault; each takes about 300 bytes."""

_NOT_KEPT: Final = "no-store"
"""Otherwise a browser would keep a decrypted image on its disk."""

_KEPT: Final = "private, no-cache"
"""Only the browser caches the image, and revalidates it with ``If-None-Match``, as an image can be deleted."""

_SHOWN_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""Media types that a browser may show: ``save`` does not check an entity's, and ``text/html`` would run scripts."""


class _Original(NamedTuple):
    etag: str
    size_bytes: int


_originals: WeakKeyDictionary[Vault, OrderedDict[tuple[object, ...], _Original]] = WeakKeyDictionary()


async def image_response(request: Request, image_id: int, *, cacheable: bool = False) -> Response:
    """Return the original of an image: complete (200), the requested range (206), or not modified (304).

    The entity tag is the SHA-256 of the bytes, computed once. The bytes are read in pieces, each in a short read-only
    unit of work, so that a slow client holds no connection and uses little memory. If the image is deleted meanwhile,
    the connection is closed before the announced length.

    Args:
        request: The request, ``GET`` or ``HEAD``.
        image_id: Row number of the image.
        cacheable: Allow the browser to keep the image on its disk, unencrypted, and to revalidate it.

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
    headers = _headers(original.etag, cacheable=cacheable)
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


async def thumbnail_response(
    request: Request, image_id: int, max_size: int = 200, *, cacheable: bool = False
) -> Response:
    """Return the WebP thumbnail of an image (200), or not modified (304).

    It holds no connection while a thumbnail is made, as :meth:`Vault.thumbnail <zorivest_async.Vault.thumbnail>`. The
    stored thumbnail (200 px) and the preview (400 px) are sent without decoding anything, and so are their 304s.

    Args:
        request: The request, ``GET`` or ``HEAD``.
        image_id: Row number of the image.
        max_size: Longest side, in pixels. Limit a value that comes from the client: one that is larger than the preview
            is made from the original, each time.
        cacheable: Allow the browser to keep the image on its disk, unencrypted, and to revalidate it.

    Raises:
        NotFoundError: There is no such image.
        ImageError: There is no thumbnail of this size, and the original cannot be decoded.
        VaultError: The vault cannot be read.
    """
    data = await vault_of(request).thumbnail(image_id, max_size)
    headers = _headers(f'"{sha256(data).hexdigest()}"', cacheable=cacheable)
    if is_current(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type="image/webp")


def _headers(etag: str, *, cacheable: bool) -> dict[str, str]:
    return {
        "Cache-Control": _KEPT if cacheable else _NOT_KEPT,
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }


async def _original_of(vault: Vault, uow: UnitOfWork, info: ImageInfo) -> _Original:
    # Row numbers of deleted images are not reused, and the library never changes the bytes of an image.
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
