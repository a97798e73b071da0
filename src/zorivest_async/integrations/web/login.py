"""Login: one-time codes, which the server prints in its terminal, and sessions."""

from __future__ import annotations

import hmac
import secrets
import time
from hashlib import sha256
from typing import Final

__all__ = ["LOGIN_PATH", "LOGOUT_PATH", "Login"]

LOGIN_PATH: Final = "/login"
LOGOUT_PATH: Final = "/logout"

_SECRET_BYTES: Final = 32
_CODE_LIFETIME_S: Final = 300.0
_SESSION_LIFETIME_S: Final = 12 * 3600.0


class Login:
    """Login of the person who can read the server's terminal: its owner, not another user of the machine.

    The server prints an address that ends in a one-time code. The page at that address sends the code in the body of a
    request and gets a cookie for it. The code follows a ``#``, and browsers do not send that part of an address: it
    reaches no access log and no ``Referer``. Codes and sessions are in the memory of one process, so serve with one
    worker.

    Args:
        address: Address of the server, ``"http://127.0.0.1:8000"``, for the printed addresses. Without it, the start
            prints only the path, and later lines have the address of the server's socket, over HTTP. Pass it behind a
            proxy or TLS. The ``Host`` header of a request is never printed: another user of the machine could direct
            you to their own server, and get the code.
        home: Path to which a browser is redirected after the login.
        code_lifetime_s: Lifetime of a code, in seconds.
        session_lifetime_s: Lifetime of a session, in seconds.

    Example:
        >>> from starlette.applications import Starlette
        >>> from zorivest_async.integrations.web import GuardMiddleware
        >>> login = Login("http://127.0.0.1:8000")
        >>> app = Starlette()
        >>> app.add_middleware(GuardMiddleware, login=login)
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        home: str = "/",
        code_lifetime_s: float = _CODE_LIFETIME_S,
        session_lifetime_s: float = _SESSION_LIFETIME_S,
    ) -> None:
        self.home = home
        self._address = address
        self._code_lifetime_s = code_lifetime_s
        self._session_lifetime_s = session_lifetime_s
        self._code = b""
        self._code_ends = 0.0
        # Keyed by their hashes, so that the duration of a look-up reveals nothing about a session.
        self._sessions: dict[bytes, float] = {}

    def __repr__(self) -> str:
        """Return a repr without secrets."""
        return f"{type(self).__name__}({self._address!r})"

    @property
    def has_code(self) -> bool:
        """Whether a code is still valid."""
        return bool(self._code) and time.monotonic() < self._code_ends

    def new_address(self, address: str | None = None) -> str:
        """Return an address with a new one-time code; earlier codes become invalid.

        Args:
            address: Address of the server, unless the login has one; without either, only the path is returned.
        """
        code = secrets.token_urlsafe(_SECRET_BYTES)
        self._code, self._code_ends = code.encode(), time.monotonic() + self._code_lifetime_s
        return f"{self._address or address or ''}{LOGIN_PATH}#{code}"

    def announce(self, address: str | None = None) -> None:
        """Print an address with a new one-time code.

        Args:
            address: Address of the server, unless the login has one; without either, only the path is printed.
        """
        minutes = self._code_lifetime_s / 60
        line = f"Log in, once and within {minutes:g} minutes: {self.new_address(address)}"
        print(line, flush=True)  # noqa: T201 - the terminal is where the owner alone can read

    def exchange(self, code: str) -> str | None:
        """Exchange a code for a new session; return ``None`` for an invalid code. The code becomes invalid.

        Args:
            code: The part of the address after the ``#``.
        """
        if not hmac.compare_digest(code.encode(), self._code) or not self.has_code:
            return None
        self._code = b""
        now = time.monotonic()
        self._sessions = {known: ends for known, ends in self._sessions.items() if now < ends}
        session = secrets.token_urlsafe(_SECRET_BYTES)
        self._sessions[_hashed(session)] = now + self._session_lifetime_s
        return session

    def admits(self, session: str) -> bool:
        """Return whether a session is valid.

        Args:
            session: The result of :meth:`exchange`.
        """
        return time.monotonic() < self._sessions.get(_hashed(session), 0.0)

    def end(self, session: str) -> None:
        """End a session, if it exists.

        Args:
            session: The result of :meth:`exchange`.
        """
        self._sessions.pop(_hashed(session), None)


def _hashed(session: str) -> bytes:
    return sha256(session.encode()).digest()
