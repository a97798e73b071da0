"""Pages of the login and the logout, and the check of sessions."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from zorivest_async.integrations.web.bodies import LimitedBody
from zorivest_async.integrations.web.login import LOGIN_PATH, LOGOUT_PATH, Login

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

__all__ = ["LoginPages"]

_LARGEST_FORM_BYTES: Final = 1024
_FORM_TIMEOUT_S: Final = 10.0
_OK: Final = 200
_SEE_OTHER: Final = 303
_UNAUTHORIZED: Final = 401

# A browser that already shows this page does not reload it for an address that differs only after the #.
_SCRIPT: Final = """
function logIn() {
  const code = location.hash.slice(1), form = document.forms[0];
  if (!code) return;
  form.code.value = code;
  form.submit();
}
addEventListener("hashchange", logIn);
logIn();
"""
_POLICY: Final = (
    f"default-src 'none'; script-src 'sha256-{b64encode(sha256(_SCRIPT.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Log in</title></head>
<body>
<h1>Log in</h1>
<p>Only the person who started this server can read it. Open the newest address that the server printed in its terminal:
each works once, for a few minutes. Or enter what follows the # in it.</p>
<form method="post" action="{login}" autocomplete="off">
<label>Code <input name="code" autocomplete="off" required></label> <button>Log in</button>
</form>
<p>If you are logged in and followed a link of another site, <a href="{home}">go on from here</a>.</p>
<script>{script}</script>
</body>
</html>
"""
_DETAIL: Final = "log in first, with the address that the server printed in its terminal"


class LoginPages:
    """Serves the login and the logout, and refuses requests without a session.

    Args:
        login: Its codes and sessions.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    async def answer(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the response to a login, a logout or a refused request; ``None`` for the application's requests.

        Args:
            scope: Of the request or the WebSocket.
            receive: The channel of its body.
        """
        connection = HTTPConnection(scope)
        request = (scope.get("method"), scope["path"].removeprefix(scope.get("root_path", "")))
        if request == ("POST", LOGIN_PATH):
            return await self._log_in(connection, receive)
        if request in {("GET", LOGIN_PATH), ("HEAD", LOGIN_PATH)}:
            return self._page(connection, _OK)
        if not self._login.admits(session := connection.cookies.get(_cookie_of(connection), "")):
            return self._page(connection, _UNAUTHORIZED)
        return self._log_out(connection, session) if request == ("POST", LOGOUT_PATH) else None

    async def _log_in(self, connection: HTTPConnection, receive: Receive) -> Response:
        session = self._login.exchange(await _code_in(receive))
        if session is None:
            return self._page(connection, _UNAUTHORIZED)
        root = connection.scope.get("root_path", "")
        response = RedirectResponse(root + self._login.home, _SEE_OTHER)
        is_secure = connection.scope.get("scheme") == "https"
        # Without an age, so that a browser deletes the cookie when it is closed.
        response.set_cookie(
            _cookie_of(connection), session, path=root or "/", secure=is_secure, httponly=True, samesite="strict"
        )
        return response

    def _log_out(self, connection: HTTPConnection, session: str) -> Response:
        self._login.end(session)
        root = connection.scope.get("root_path", "")
        response = RedirectResponse(root + LOGIN_PATH, _SEE_OTHER)
        response.delete_cookie(_cookie_of(connection), root or "/", httponly=True, samesite="strict")
        return response

    def _page(self, connection: HTTPConnection, status: int) -> Response:
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        if status == _UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Cookie"
        if "text/html" not in connection.headers.get("accept", ""):
            return JSONResponse({"error": "LoginRequired", "detail": _DETAIL}, status, headers)
        if not self._login.has_code:
            self._login.announce(_address_of(connection.scope))
        root = connection.scope.get("root_path", "")
        page = _PAGE.format(login=root + LOGIN_PATH, home=root + self._login.home, script=_SCRIPT)
        return HTMLResponse(page, status, headers)


def _address_of(scope: Scope) -> str | None:
    # From the server's own socket: the code goes to the server at the address, and any client can forge a Host header.
    host, port = scope.get("server") or (None, None)
    if host is None or port is None:
        return None
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cookie_of(connection: HTTPConnection) -> str:
    # Browsers send cookies to every port of a host, so two journals need two names.
    return f"zorivest_session_{connection.headers['host'].rpartition(']')[2].partition(':')[2]}"


async def _code_in(receive: Receive) -> str:
    body = LimitedBody(receive, _LARGEST_FORM_BYTES, _FORM_TIMEOUT_S)
    data, more = b"", True
    while more:
        message = await body()
        data += message.get("body", b"")
        more = message.get("more_body", False)
    codes = parse_qs(data.decode("ascii", "replace")).get("code", [""])
    return codes[0]
