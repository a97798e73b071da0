"""Checks of a request's host and origin, by its headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.datastructures import Headers

__all__ = ["LOCAL_HOSTS", "host_of", "is_from_other_site"]

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The names of this machine that no name server resolves."""

_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def host_of(headers: Headers) -> str | None:
    """Return the name in ``Host``, in lower case and without a port; ``None`` unless there is exactly one.

    Args:
        headers: Of the request.
    """
    names = headers.getlist("host")
    found = _HOST.fullmatch(names[0]) if len(names) == 1 else None
    return found[1].lower() if found else None


def is_from_other_site(method: str, headers: Headers) -> bool:
    """Return whether the page of another site sent a request, other than through a link to this server.

    Browsers say so in ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/), which no page can set. Browsers that
    are too old for it, or that reach a server over plain HTTP from another machine, still send ``Origin`` with every
    request that is not a simple read. Programs send neither, and are not checked here. A server on another port of the
    same machine is another site, too.

    Args:
        method: Of the request; a WebSocket's is ``GET``.
        headers: Of the request.
    """
    site = headers.get("sec-fetch-site")
    if site is None:
        # Only hosts are compared, not schemes: a proxy may use HTTPS to the browser and HTTP to this server.
        _, _, origin = headers.get("origin", "").partition("://")
        return "origin" in headers and origin.lower() != headers.get("host", "").lower()
    if site in {"same-origin", "none"}:
        return False
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (is_link and method in {"GET", "HEAD"})
