"""Bodies: too many, too slow, too large, spooled to a disk, or broken off."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from attacked import CHART, EXEC_ID, routes_of, status_of
from factories import make_noise_png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from web_apps import Application

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]

CLIENTS = 300
PIECE = b"x" * 65_536
MEGABYTE = 1_000_000
PATIENCE_S = 5.0
"""What a user waits for an answer at most, on a busy machine; a server that is held does not answer at all."""

KINDS_OF_BODY = {
    "image": ("image/png", CHART[:64]),
    "form": ("application/x-www-form-urlencoded", b"lessons_learned="),
    "file": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="tags"; filename="a"\r\n\r\n',
    ),
    "field": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="lessons_learned"\r\n\r\n',
    ),
    "json": ("application/json", b'{"exec_id": "'),
}
RESET = struct.pack("ii", 1, 0)
"""For ``SO_LINGER``: closing sends a reset."""


def taking(application: Application) -> list[str]:
    """Return the paths that take a body."""
    return sorted({path for method, path in routes_of(application.kind) if method == "POST"})


def head(application: Application, path: str, media_type: str, length: str, *, user: bool) -> bytes:
    """Return the head of a request with a body, of a user or a stranger."""
    cookie = "; ".join(f"{name}={value}" for name, value in application.cookies.items()) if user else ""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{application.port}", f"Content-Type: {media_type}", length]
    return "\r\n".join([*lines, *([f"Cookie: {cookie}"] if cookie else []), "", ""]).encode()


def connected(application: Application) -> socket.socket:
    """Return a connection to the server."""
    return socket.create_connection(("127.0.0.1", application.port), timeout=PATIENCE_S)


def send_until_answered(
    connection: socket.socket, pieces: Iterator[bytes], application: Application
) -> tuple[int, int, int]:
    """Send pieces until the server answers or closes; return its status, what was sent, and the most it spooled."""
    sent = spooled = 0
    answer = b""
    connection.settimeout(0.001)
    for piece in pieces:
        with suppress(TimeoutError, ConnectionError):
            answer = connection.recv(65_536)
            break
        connection.settimeout(PATIENCE_S)
        try:
            connection.sendall(piece)
        except (ConnectionError, TimeoutError):
            with suppress(TimeoutError, ConnectionError):
                answer = connection.recv(65_536)
            break
        sent += len(piece)
        spooled = max(spooled, application.spooled_bytes())
        connection.settimeout(0.001)
    if not answer:
        connection.settimeout(PATIENCE_S)
        with suppress(TimeoutError, ConnectionError):
            answer = connection.recv(65_536)
    return status_of(answer), sent, spooled


@pytest.mark.parametrize("user", [False, True], ids=["strangers", "the user's own pages"])
@pytest.mark.parametrize("kind", ["image", "file"])
def test_slow_uploads_leave_the_server_in_use(fresh: Application, kind: str, user: bool) -> None:
    """Three hundred at once, by strangers or by a program that has the cookie: pages come, and memory is bounded."""
    path = next(path for path in taking(fresh) if path.endswith("/images"))
    media_type, beginning = KINDS_OF_BODY[kind]
    before = fresh.rows()
    with fresh.user() as reader, ExitStack() as open_connections:
        assert reader.get("/images/1").status_code == 200
        memory = fresh.memory_bytes()
        clients = []
        for _ in range(CLIENTS):
            client = open_connections.enter_context(connected(fresh))
            client.sendall(head(fresh, path, media_type, f"Content-Length: {5 * MEGABYTE}", user=user) + beginning)
            client.setblocking(False)
            clients.append(client)
        waits = []
        for _ in range(20):
            for client in clients:
                with suppress(BlockingIOError, ConnectionError):
                    client.send(PIECE)
                    client.send(PIECE)
            started = time.perf_counter()
            assert reader.get("/images/1").content == CHART
            waits.append(time.perf_counter() - started)
        assert max(waits) < PATIENCE_S
        assert fresh.spooled_bytes() == 0
        assert fresh.memory_bytes() - memory < 200 * MEGABYTE
        if not user:
            assert reader.post(path, content=make_noise_png(30, 20)).status_code == 201
    with fresh.user() as reader:
        deadline = time.monotonic() + PATIENCE_S
        while (again := reader.post(path, content=make_noise_png(30, 20))).status_code == 503:
            assert time.monotonic() < deadline, "the places of clients that went away are not given back"
            time.sleep(0.05)  # the server notices them one by one
        assert again.status_code == 201
    assert {name: rows for name, rows in fresh.rows().items() if "image" not in name} == {
        name: rows for name, rows in before.items() if "image" not in name
    }


@pytest.mark.parametrize("kind", KINDS_OF_BODY)
@pytest.mark.parametrize("user", [False, True], ids=["stranger", "user"])
def test_a_body_without_end_is_refused_early(application: Application, kind: str, user: bool) -> None:
    """With a length, announced or not: after few megabytes, with nothing on a disk, and little in memory."""
    media_type, beginning = KINDS_OF_BODY[kind]
    before, memory = application.rows(), application.memory_bytes()
    for path in taking(application):
        for length in ("Transfer-Encoding: chunked", f"Content-Length: {200 * MEGABYTE}"):
            chunked = "chunked" in length

            def pieces(chunked: bool = chunked) -> Iterator[bytes]:
                for piece in (beginning, *([b"x" * MEGABYTE] * 60)):
                    yield b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece

            with connected(application) as client:
                client.sendall(head(application, path, media_type, length, user=user))
                status, sent, spooled = send_until_answered(client, pieces(), application)
            assert (status in {400, 401, 403, 404, 405, 413, 415, 422}, path, status) == (True, path, status)
            assert sent <= 30 * MEGABYTE, (path, length)
            assert spooled == 0, (path, length)
    assert application.memory_bytes() - memory < 150 * MEGABYTE
    assert application.rows() == before


@pytest.mark.parametrize("kind", KINDS_OF_BODY)
def test_a_client_that_goes_away_leaves_no_traceback(fresh: Application, kind: str) -> None:
    """In the middle of a head, a body or an answer, by closing or by a reset; nothing is stored of what was sent."""
    media_type, beginning = KINDS_OF_BODY[kind]
    before = fresh.rows()
    for path in [*taking(fresh), f"/trades/{EXEC_ID}/images?caption=x"]:
        for length in (b"Content-Length: 5000\r\n", b"Transfer-Encoding: chunked\r\n"):
            whole = head(fresh, path, media_type, "X: y", user=True).replace(b"X: y\r\n", length)
            sent = whole + (b"40\r\n" if b"chunked" in length else b"") + beginning
            for request in (sent, sent[: len(whole) // 2]):
                for options in (None, RESET):
                    with connected(fresh) as client:
                        client.sendall(request)
                        if options is not None:
                            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, options)
    for _ in range(20):
        with connected(fresh) as client:
            client.sendall(head(fresh, "/images/1", "x", "X: y", user=True).replace(b"POST", b"GET"))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with fresh.user() as user:
        assert user.get("/images/1").content == CHART
    fresh.end()
    assert "Traceback" not in fresh.printed()
    assert "Error" not in fresh.printed()
    assert fresh.rows() == before
