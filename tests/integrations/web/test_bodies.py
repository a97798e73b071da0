"""Bodies of requests, in a real uvicorn: how large, how slow, how many, and clients that go away."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from factories import make_noise_png, make_png
from web_apps import APPLICATIONS, Application, running
from workers.web import GUARDED_UPLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.integrations

MIB = 1024 * 1024
UPLOADS = 32
"""How many the guard takes at a time."""

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="tags"; filename="chart.png"\r\n\r\n'
    b"%s\r\n--x\r\n"
    b'Content-Disposition: form-data; name="more"; filename="chart.png"\r\n\r\n'
)
FORM_TYPE: dict[str, Any] = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module", params=APPLICATIONS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Either application, for all tests of this module; what it prints holds no traceback."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started
    assert "Traceback" not in started.printed()


@contextmanager
def sending(
    client: httpx.Client, path: str, sent: bytes, announced: int = MIB, **headers: str
) -> Iterator[socket.socket]:
    """Send the beginning of a body with the cookies of a client, and keep the connection for the block."""
    url = client.base_url
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    told = {"Host": f"{url.host}:{url.port}", "Cookie": cookies, "Content-Length": str(announced), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + sent)
        yield connection


def answer_of(connection: socket.socket) -> str:
    """Return the response that comes on a connection, until it is closed."""
    with connection.makefile("rb") as file:
        return file.read().decode()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is spooled")
@pytest.mark.parametrize("path", ["/trades/absent/report", "/trades/0001/images", "/trades", "/api/trades"])
def test_a_form_is_refused_before_it_is_spooled(app: Application, path: str) -> None:
    """However it is announced: nothing of it ever lies in an unencrypted file."""
    with app.new_user() as client:
        announced = client.post(path, content=FORM % bytes(2 * MIB), headers=FORM_TYPE)
        assert announced.status_code == 413
        chunks = iter([FORM % bytes(MIB // 2), *[bytes(MIB // 8)] * 20])
        with suppress(httpx.WriteError):  # it was answered, and the connection closed, before all was sent
            assert client.post(path, content=chunks, headers=FORM_TYPE).status_code in {307, 404, 405, 413, 415}
        with sending(client, path, FORM % bytes(MIB - 1000), MIB, **FORM_TYPE) as connection:
            client.get("/images/1")
            assert app.spooled_bytes() == 0
            connection.shutdown(socket.SHUT_WR)
        assert app.spooled_bytes() == 0


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "x"])
def test_only_images_may_be_large(app: Application, kind: str) -> None:
    """What a framework parses is parsed on the event loop: at most 1 MiB of it. An image may be as the vault allows."""
    large = make_noise_png(1600, 900)
    assert len(large) > MIB
    with app.new_user() as client:
        for path in ("/trades/0001/images", "/trades", "/api/trades"):
            assert client.post(path, content=large, headers={"Content-Type": kind}).status_code == 413
        for headers in ({}, {"Content-Type": "image/png"}, {"Content-Type": "application/octet-stream"}):
            assert client.post("/trades/0001/images", content=large, headers=headers).status_code in {201, 409}
        assert client.post("/trades/0001/images", content=bytes(20 * MIB + 1)).status_code == 413


def test_uploads_are_counted(app: Application) -> None:
    """Slow ones take all places; the next is told to try again, reading goes on, and each that ends gives its back."""
    with app.new_user() as client:
        with ExitStack() as slow:
            connections = [
                slow.enter_context(sending(client, "/trades/0001/images", b"\x89PNG")) for _ in range(UPLOADS)
            ]
            refused = upload_until(client, 503)
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"] == "TooManyUploads"
            assert client.get("/images/1").status_code == 200
            connections[0].close()
            assert upload_until(client, 201, 409).status_code in {201, 409}
        assert upload_until(client, 201, 409).status_code in {201, 409}


def upload_until(client: httpx.Client, *statuses: int) -> httpx.Response:
    """Upload until the answer has one of some statuses: a server learns of other connections when it looks at them."""
    for _ in range(1000):
        response = client.post("/trades/0001/images", content=make_png())
        if response.status_code in statuses:
            return response
    pytest.fail(f"{response} after a thousand uploads")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/trades/0001/images", "image/png"),
        ("/trades/0001/report", "multipart/form-data; boundary=x"),
        ("/trades/0001/report", "application/x-www-form-urlencoded"),
        ("/trades", "application/json"),
        ("/api/trades", "application/json"),
        ("/login", "application/x-www-form-urlencoded"),
    ],
)
def test_a_client_that_goes_away_leaves_no_traceback(app: Application, path: str, kind: str) -> None:
    """In the middle of a body of any kind; the fixture looks at what was printed."""
    with app.new_user() as client:
        content_type: dict[str, Any] = {"Content-Type": kind}
        for sent in (b"", b"--x\r\n", make_png()[:100]):
            with sending(client, path, sent, **content_type):
                client.get("/images/1")
        assert upload_until(client, 201, 409).status_code in {201, 409}


def test_a_client_that_stops_reading_leaves_no_traceback(app: Application) -> None:
    """In the middle of an image."""
    with app.new_user() as client:
        number = client.post("/trades/0001/images", content=make_noise_png(1700, 900))
        if number.status_code == 201:
            body = number.json()
            path = f"/images/{body if isinstance(body, int) else body['id']}"
            for _ in range(3):
                with client.stream("GET", path) as response:
                    next(response.iter_raw(1000))
        assert client.get("/images/1").status_code == 200


def test_a_slow_body_times_out(serve: Callable[[str], AbstractContextManager[str]]) -> None:
    """With 408, whether nothing comes or a little, and its place is free again."""
    with serve("guarded") as address, httpx.Client(base_url=address) as client:
        for sent in (b"", b"\x89PNG"):
            with ExitStack() as slow:
                connections = [slow.enter_context(sending(client, "/images", sent)) for _ in range(GUARDED_UPLOADS)]
                answers = [answer_of(connection) for connection in connections]
            assert all(answer.startswith("HTTP/1.1 408 ") and "BodyTooSlow" in answer for answer in answers)
        assert client.post("/images", content=make_png()).status_code == 201


def test_three_hundred_slow_uploads_keep_nobody_from_reading(
    serve: Callable[[str], AbstractContextManager[str]],
) -> None:
    """Each is answered, 503 or 408, and afterwards uploads are taken as before."""
    with serve("guarded") as address, httpx.Client(base_url=address) as client:
        with ExitStack() as slow:
            connections = [slow.enter_context(sending(client, "/images", b"\x89PNG")) for _ in range(300)]
            assert client.get("/trades/0001").status_code == 200
            statuses = [answer_of(connection).split()[1] for connection in connections]
        assert set(statuses) == {"408", "503"}
        assert client.post("/images", content=make_png()).status_code == 201
