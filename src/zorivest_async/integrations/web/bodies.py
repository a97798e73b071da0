"""Limits of request bodies: their size, their duration and their number at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Message, Receive

__all__ = ["BODY_TOO_LARGE", "BODY_TOO_SLOW", "TOO_MANY_BODIES", "BodyLimits", "LimitedBody", "Refusal", "has_body"]


class Refusal(NamedTuple):
    """Error response that replaces the application's response.

    Attributes:
        status: HTTP status code.
        error: Name of the error in the response.
        detail: Description of the error in the response.
    """

    status: int
    error: str
    detail: str


BODY_TOO_LARGE: Final = Refusal(413, "BodyTooLarge", "the body of the request is too large")
BODY_TOO_SLOW: Final = Refusal(408, "BodyTooSlow", "the body of the request took too long")
TOO_MANY_BODIES: Final = Refusal(503, "TooManyUploads", "too many uploads at the same time; try again")

_ANNOUNCEMENTS: Final = ("content-length", "transfer-encoding")
_GONE: Final[Message] = {"type": "http.disconnect"}


class BodyLimits(NamedTuple):
    """Limits of request bodies.

    Attributes:
        form_bytes: Maximum size of a parsed body (a form, JSON, text), in bytes.
        upload_bytes: Maximum size of an image, or of a body without a declared type, in bytes.
        timeout_s: Maximum duration of a body, in seconds.
        concurrent: Maximum number of requests with a body at the same time.
    """

    form_bytes: int
    upload_bytes: int
    timeout_s: float
    concurrent: int

    def largest(self, headers: Headers) -> int:
        """Return the maximum size of the body of a request, in bytes."""
        kind = headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
        is_file = kind.startswith("image/") or kind == "application/octet-stream"
        return self.upload_bytes if is_file else self.form_bytes


def has_body(method: str, headers: Headers) -> bool:
    """Return whether a request may have a body; HTTP/2 need not announce it."""
    return method not in {"GET", "HEAD", "OPTIONS"} or any(name in headers for name in _ANNOUNCEMENTS)


class LimitedBody:
    """ASGI receive channel that disconnects when the body of a request exceeds a limit.

    Frameworks read a body before the application's code runs, and convert exceptions into their own responses. All of
    them handle a client that disconnects, so this channel reports a disconnect.

    Args:
        receive: The receive channel of the server.
        largest: Maximum size of the body, in bytes.
        timeout_s: Maximum duration of the body, in seconds, from now.

    Attributes:
        refusal: The exceeded limit, or ``None``.
    """

    def __init__(self, receive: Receive, largest: int, timeout_s: float) -> None:
        self.refusal: Refusal | None = None
        self._receive = receive
        self._left_bytes = largest
        self._deadline: float | None = asyncio.get_running_loop().time() + timeout_s

    async def __call__(self) -> Message:
        """Return the next message."""
        if self.refusal is not None:
            return _GONE
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(BODY_TOO_SLOW)
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            return self._refuse(BODY_TOO_LARGE)
        if not message.get("more_body", False):
            self._deadline = None  # the next message is the end of the connection
        return message

    def _refuse(self, refusal: Refusal) -> Message:
        self.refusal = refusal
        return _GONE
