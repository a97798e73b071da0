"""Conditional requests and range requests (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from starlette.datastructures import Headers

__all__ = ["ByteRange", "is_current", "range_of"]

_ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)


class ByteRange(NamedTuple):
    """Byte range of a representation.

    Attributes:
        start: The first byte, counted from 0.
        stop: The byte after the last; if it is not above ``start``, the range cannot be satisfied.
    """

    start: int
    stop: int


def is_current(headers: Headers, etag: str) -> bool:
    """Return whether ``If-None-Match`` matches, so that the client has this representation.

    Args:
        headers: Of the request.
        etag: The entity tag, with its quotes.
    """
    condition = ",".join(headers.getlist("if-none-match"))
    return condition.strip() == "*" or etag in _ENTITY_TAG.findall(condition)


def range_of(headers: Headers, etag: str, size_bytes: int) -> ByteRange | None:
    """Return the requested byte range, or ``None`` for all bytes.

    A server may ignore a range that it does not support; this one ignores several ranges in one request. A range with
    ``If-Range`` applies only if the client has the same representation.

    Args:
        headers: Of the request.
        etag: The strong entity tag, with its quotes.
        size_bytes: Size of the representation, in bytes.
    """
    asked = _ONE_RANGE.fullmatch(headers.get("range", "").strip())
    if asked is None or headers.get("if-range", etag) != etag:
        return None
    first, last = asked.groups()
    if first:
        if last and int(last) < int(first):
            return None  # not a range at all
        return ByteRange(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
    if last:
        return ByteRange(max(size_bytes - int(last), 0) if int(last) else size_bytes, size_bytes)
    return None
