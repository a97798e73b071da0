"""Another site, or another program of the machine: a server that gives an empty page and records what it is sent."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Elsewhere", "elsewhere"]


@dataclass
class Elsewhere:
    """A server of an attacker's.

    Attributes:
        port: Its port, on 127.0.0.1.
        cookies: The ``Cookie`` headers that came.
        referers: The ``Referer`` headers that came.
    """

    port: int
    cookies: list[str] = field(default_factory=list)
    referers: list[str] = field(default_factory=list)


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Run one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.cookies += self.headers.get_all("Cookie", [])
            site.referers += self.headers.get_all("Referer", [])
            page = b"<!doctype html><title>elsewhere</title><link rel=icon href=data:,><body></body>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Elsewhere(server.server_port)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield site
        server.shutdown()
        thread.join()
