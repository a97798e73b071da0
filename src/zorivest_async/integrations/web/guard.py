"""Guard middleware: protects a journal from pages of other sites, other users of the machine and slow clients."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocketClose

from zorivest_async.images import ImagePolicy
from zorivest_async.integrations.web.access_log import paths_hidden
from zorivest_async.integrations.web.bodies import (
    BODY_TOO_LARGE,
    TOO_MANY_BODIES,
    BodyLimits,
    LimitedBody,
    Refusal,
    has_body,
)
from zorivest_async.integrations.web.login_pages import LoginPages
from zorivest_async.integrations.web.origins import LOCAL_HOSTS, host_of, is_from_other_site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from zorivest_async.integrations.web.login import Login

__all__ = ["GuardMiddleware"]

_OTHER_HOST: Final = Refusal(400, "InvalidHost", "this server does not answer to this name")
_OTHER_SITE: Final = Refusal(403, "CrossSiteRequest", "the page of another site sent this")
_POLICY_VIOLATION: Final = 1008
_RETRY_AFTER_S: Final = "1"

_HEADERS: Final = {
    "Cache-Control": "no-store",  # or a browser would keep a decrypted journal on its disk
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer", with which browsers send "Origin: null" for the forms of this site.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_POLICY: Final = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
"""Blocks resources of other sites in pages, so that no other site runs code in a page or learns its content."""

_POLICY: Final = "frame-ancestors 'none'"
"""For other responses: browsers show an image in a document with their own styles, which the page policy blocks."""


class GuardMiddleware:
    """Middleware that restricts a journal's server to its owner.

    Add it last: ``app.add_middleware(GuardMiddleware, login=Login())``.

    - Requests under other host names than this machine's are refused (400), which stops DNS rebinding.
    - Requests and WebSockets from pages of other sites are refused (403), except links to this server.
    - Requests without a session are refused (401). The middleware serves ``/login`` and ``/logout``.
    - Bodies that are too large (413), too slow (408) or too many (503, with ``Retry-After``) are refused before a
      framework stores them. A client that disconnects leaves no traceback.
    - Responses get ``Cache-Control: no-store``, a ``Content-Security-Policy`` that blocks scripts, styles and images of
      other sites, and headers that forbid other sites to frame or embed them. The application's own headers are kept.
    - Paths are hidden in uvicorn's access log. Switch the log of another server off.

    Args:
        app: The application.
        login: Login of the owner. With ``None``, every client that can connect has access, so the application needs its
            own login.
        hosts: Host names besides ``localhost``, ``127.0.0.1`` and ``[::1]``, without ports.
        max_form_bytes: Maximum size of a form, JSON or other body that is not an image, in bytes. Up to the default of
            1 MiB, Starlette keeps forms in memory; it writes larger files in them to a disk, unencrypted.
        max_upload_bytes: Maximum size of an image, or of a body without a declared type, in bytes; by default the limit
            of :class:`~zorivest_async.ImagePolicy`.
        max_uploads: Maximum number of requests with a body at the same time.
        body_timeout_s: Maximum duration of a body, in seconds.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        login: Login | None,
        hosts: Iterable[str] = (),
        max_form_bytes: int = 1024 * 1024,
        max_upload_bytes: int = ImagePolicy().max_bytes,
        max_uploads: int = 32,
        body_timeout_s: float = 60.0,
    ) -> None:
        self._app = app
        self._login = login
        self._pages = None if login is None else LoginPages(login)
        self._hosts = LOCAL_HOSTS | {host.lower() for host in hosts}
        self._limits = BodyLimits(max_form_bytes, max_upload_bytes, body_timeout_s, max_uploads)
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or respond to it."""
        match scope["type"]:
            case "http":
                await self._respond(scope, receive, _with_headers(send))
            case "websocket":
                await self._connect(scope, receive, send)
            case "lifespan":
                with paths_hidden():
                    await self._app(scope, receive, self._announcing(send))
            case _:
                await self._app(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        if refusal is not None:
            await _answer(_response_of(refusal), scope, receive, send)
        elif self._pages is not None and (page := await self._pages.answer(scope, receive)) is not None:
            await _answer(page, scope, receive, send)
        elif not has_body(scope["method"], headers):
            await self._run(scope, receive, send)
        elif self._bodies >= self._limits.concurrent:
            await _answer(_response_of(TOO_MANY_BODIES), scope, receive, send)
        else:
            self._bodies += 1
            try:
                await self._take(scope, receive, send, headers)
            finally:
                self._bodies -= 1

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal("GET", Headers(scope=scope))
        if refusal is None and (self._pages is None or await self._pages.answer(scope, receive) is None):
            await self._app(scope, receive, send)
        else:
            await WebSocketClose(_POLICY_VIOLATION)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> Refusal | None:
        if host_of(headers) not in self._hosts:
            return _OTHER_HOST
        return _OTHER_SITE if is_from_other_site(method, headers) else None

    async def _take(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        """Run the application on a request with a body, and respond instead of it if the body exceeds a limit."""
        largest = self._limits.largest(headers)
        announced = headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced) > largest:
            await _answer(_response_of(BODY_TOO_LARGE), scope, receive, send)
            return
        body = LimitedBody(receive, largest, self._limits.timeout_s)
        started = False

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if started or body.refusal is None:
                started = True
                await send(message)

        await self._run(scope, body, send_unless_refused)
        if body.refusal is not None and not started:
            await _answer(_response_of(body.refusal), scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):  # Starlette raises it for a request whose client has disconnected
            await self._app(scope, receive, send)

    def _announcing(self, send: Send) -> Send:
        async def announce_once_started(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete" and self._login is not None:
                self._login.announce()

        return announce_once_started


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            is_page = headers.get("content-type", "").startswith("text/html")
            headers.setdefault("Content-Security-Policy", _PAGE_POLICY if is_page else _POLICY)
        await send(message)

    return send_with_headers


def _response_of(refusal: Refusal) -> Response:
    headers = {"Retry-After": _RETRY_AFTER_S} if refusal is TOO_MANY_BODIES else None
    return JSONResponse({"error": refusal.error, "detail": refusal.detail}, refusal.status, headers)


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Respond instead of the application, which has not read the body."""
    if has_body(scope["method"], Headers(scope=scope)) and scope.get("http_version", "1.1").startswith("1"):
        response.headers["Connection"] = "close"  # or the server would go on reading the body
    await response(scope, receive, send)
