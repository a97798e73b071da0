"""Image responses, over a real server: entity tags, conditions, ranges, sizes."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import httpx
import pytest

from factories import make_noise_png, make_png

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integrations

CHART = make_noise_png(1_600, 900)
"""Some two megabytes: several pieces of a response."""


@pytest.fixture(scope="module", params=["starlette", "fastapi"])
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of either framework's server, whose image 1 is the chart."""
    server = request.getfixturevalue("module_server")
    with server(request.param) as address, httpx.Client(base_url=address) as opened:
        response = opened.post("/images", content=CHART)
        assert (response.status_code, response.json()) == (201, {"id": 1})
        yield opened


def test_an_original_comes_back_byte_for_byte(client: httpx.Client) -> None:
    """Its tag is the SHA-256 of its bytes, a strong one, and no cache may keep it."""
    response = client.get("/images/1")
    assert response.content == CHART
    assert response.headers["etag"] == f'"{sha256(CHART).hexdigest()}"'
    assert response.headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["accept-ranges"] == "bytes"


def test_asking_for_headers_sends_no_body(client: httpx.Client) -> None:
    """They are those of the whole image."""
    full, head = client.get("/images/1"), client.head("/images/1")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-length", "content-type", "cache-control"):
        assert head.headers[name] == full.headers[name]


@pytest.mark.parametrize("path", ["/images/1", "/images/1/thumbnail"])
def test_what_a_client_has_is_not_sent_again(client: httpx.Client, path: str) -> None:
    """Where one of its tags is the current one, weak or strong, or it takes any."""
    etag = client.get(path).headers["etag"]
    for condition in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        response = client.get(path, headers={"If-None-Match": condition})
        assert (response.status_code, response.content) == (304, b""), condition
        assert response.headers["etag"] == etag
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["/images/1", "/images/1/thumbnail"])
def test_a_browser_keeps_an_image_only_where_it_may(client: httpx.Client, path: str) -> None:
    """Not by default; where the application says so, the browser alone, and it asks for it again."""
    for condition in ({}, {"If-None-Match": "*"}):
        assert client.get(path, headers=condition).headers["cache-control"] == "no-store"
        kept = client.get(f"{path}?cacheable", headers=condition)
        assert kept.headers["cache-control"] == "private, no-cache"
        assert "etag" in kept.headers


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-1000009", slice(10, 1_000_010)),
        ("bytes=600000-", slice(600_000, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-999999999", slice(0, None)),
        ("bytes=5-999999999", slice(5, None)),
    ],
)
def test_a_range_is_sent_alone(client: httpx.Client, asked: str, part: slice) -> None:
    """With its place in the whole."""
    response = client.get("/images/1", headers={"Range": asked})
    assert (response.status_code, response.content) == (206, CHART[part])
    first, stop, _ = part.indices(len(CHART))
    assert response.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(CHART)}"


@pytest.mark.parametrize("asked", [f"bytes={len(CHART)}-", "bytes=-0", "bytes=999999999999-"])
def test_a_range_beyond_the_end_is_refused(client: httpx.Client, asked: str) -> None:
    """The answer says how long the image is."""
    response = client.get("/images/1", headers={"Range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(CHART)}"


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=-", "pages=1-2", "bytes=0-1,4-5", "bytes=a-b", "bytes=\u0661-\u0662"]
)
def test_a_range_that_is_none_is_not_heard(client: httpx.Client, asked: str) -> None:
    """All is sent, as RFC 9110 wants it."""
    response = client.get("/images/1", headers=[(b"Range", asked.encode())])
    assert (response.status_code, response.content) == (200, CHART)


def test_a_range_of_another_version_is_not_mixed(client: httpx.Client) -> None:
    """If-Range with the current tag gives the range, with any other the whole."""
    etag = client.get("/images/1").headers["etag"]
    for tag, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200), ("Sat, 29 Oct 1994 19:43:31 GMT", 200)):
        response = client.get("/images/1", headers={"Range": "bytes=0-9", "If-Range": tag})
        assert response.status_code == status, tag


def test_a_thumbnail_is_small(client: httpx.Client) -> None:
    """It is a WebP, tagged by its own bytes."""
    response = client.get("/images/1/thumbnail")
    assert response.headers["content-type"] == "image/webp"
    assert response.headers["etag"] == f'"{sha256(response.content).hexdigest()}"'
    assert len(response.content) < 50_000


@pytest.mark.parametrize("path", ["/images/99", "/images/99/thumbnail"])
def test_no_image_is_404(client: httpx.Client, path: str) -> None:
    """With the words of every other error."""
    response = client.get(path)
    assert (response.status_code, response.json()["error"]) == (404, "NotFoundError")


def test_bad_images_are_refused_by_kind(client: httpx.Client) -> None:
    """Too large, of another format, damaged: 413, 415, 422; none is stored."""
    assert client.post("/images", content=b"%PDF-1.7 " * 100).status_code == 415
    assert client.post("/images", content=make_png()[:100]).status_code == 422
    announced = client.post("/images", content=b"\x89PNG" + bytes(20 * 1024 * 1024))
    assert announced.status_code == 413


def test_a_form_is_told_from_a_bad_image(client: httpx.Client) -> None:
    """What ``curl -F`` and HTML forms send has the image in it: the answer says what to send instead."""
    response = client.post("/images", files={"chart": ("entry.png", make_png(), "image/png")})
    assert response.status_code == 415
    assert response.json()["detail"] == "this is a form; send the image itself as the body of the request"


def test_an_upload_without_a_length_is_measured(client: httpx.Client) -> None:
    """Where the client does not announce how much it sends, it is refused when it has sent too much."""
    chunks = (bytes(1024 * 1024) for _ in range(40))
    try:
        status = client.post("/images", content=chunks).status_code
    except (httpx.WriteError, httpx.ReadError):
        status = 413  # the server answered and closed the connection before all was sent
    assert status == 413


def test_what_is_no_image_is_never_shown(client: httpx.Client) -> None:
    """An entity stored as text/html is sent as bytes to keep, not as a page to run."""
    number = client.post("/images?stored_as=text/html", content=b"<script>alert(1)</script>").json()["id"]
    response = client.get(f"/images/{number}")
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_slow_readers_keep_nobody_waiting(client: httpx.Client) -> None:
    """Twenty clients who have read a part of an image hold neither a reader nor the writer."""
    address = str(client.base_url)
    with httpx.Client(base_url=address) as others:
        streams = [others.stream("GET", "/images/1") for _ in range(20)]
        opened = [stream.__enter__() for stream in streams]
        try:
            assert {response.status_code for response in opened} == {200}
            assert client.post("/trades/meanwhile").status_code in (201, 409)
            assert client.get("/trades/meanwhile", timeout=5).status_code == 200
        finally:
            for stream in streams:
                stream.__exit__(None, None, None)


def test_an_upload_leaves_an_empty_image_out(client: httpx.Client) -> None:
    """Nothing at all is no image."""
    assert client.post("/images", content=b"").status_code == 415
