"""What stands between a journal and others, over both applications that people copy, in a real uvicorn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from factories import make_png
from web_apps import APPLICATIONS, CAPTION, Application, running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integrations

IMAGES = ["/images/1", "/images/1/thumbnail"]
READS = [*IMAGES, "/trades/0001", "/openapi.json"]
PAGE = {"Accept": "text/html"}
TRADE = {
    "exec_id": "0002",
    "time": "2024-03-08T14:31:00Z",
    "instrument": "SPY",
    "action": "BOT",
    "quantity": 100,
    "price": 513.07,
    "account_id": "U1",
}


@pytest.fixture(scope="module", params=APPLICATIONS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Either application, for all tests of this module."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture
def client(app: Application) -> Iterator[httpx.Client]:
    """A client that is logged in."""
    with app.new_user() as opened:
        yield opened


def trades_of(app: Application) -> str:
    """Return the path at which an application takes trades."""
    return "/api/trades" if app.kind == "example" else "/trades"


def writes_of(app: Application) -> dict[str, dict[str, Any]]:
    """Return what would store something in an application, each with the arguments of a request."""
    writes: dict[str, dict[str, Any]] = {
        "an upload": {"method": "POST", "url": "/trades/0001/images", "content": make_png()},
        "JSON": {"method": "POST", "url": trades_of(app), "json": TRADE},
        "a logout": {"method": "POST", "url": "/logout"},
        "a login": {"method": "POST", "url": "/login", "data": {"code": "x"}},
    }
    if app.kind == "example":
        return writes | {"a form": {"method": "POST", "url": "/trades/0001/report", "data": {"tags": "x"}}}
    return writes | {"a deletion": {"method": "DELETE", "url": "/trades/0001"}}


def assert_nothing_changed(client: httpx.Client) -> None:
    """The journal is as it was made."""
    assert client.get("/images/2").status_code == 404
    assert client.get("/images/1").content == make_png()
    assert client.get("/trades/0002").status_code == 404


def why(site: str, mode: str = "no-cors", destination: str = "empty") -> dict[str, str]:
    """Return the headers with which a browser says why it asks."""
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": destination}


OTHER_HOSTS = ["rebound.example", "127.0.0.1.example", "localhost.", "127.0.0.1:80:80", "x@localhost", ""]


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_other_names_are_refused(app: Application, client: httpx.Client, host: str) -> None:
    """A name server that says another name is this machine gets a browser nothing, with or without the session."""
    for path in READS:
        assert client.get(path, headers={"Host": host}).status_code == 400
    for write in writes_of(app).values():
        assert client.request(**write, headers={"Host": host}).status_code == 400
    assert httpx.get(f"{app.address}/login", headers={"Host": host}).status_code == 400
    assert_nothing_changed(client)


def test_the_names_of_this_machine_are_taken(client: httpx.Client) -> None:
    """In any letters; the port is not looked at."""
    for host in ("localhost:80", "LocalHost", "127.0.0.1", "[::1]:8000"):
        assert client.get("/login", headers={"Host": host}).status_code == 200


OTHER_SITES = {
    "a form": why("cross-site", "navigate", "document"),
    "a form on another port": why("same-site", "navigate", "document"),
    "a script": why("cross-site", "cors"),
    "a script without CORS": why("cross-site"),
    "an old browser": {"Origin": "http://evil.example"},
    "an old browser, another port": {"Origin": "http://127.0.0.1:9"},
    "an old browser, a sandboxed frame": {"Origin": "null"},
    "an old browser, the name in another place": {"Origin": "http://evil.example/127.0.0.1"},
}


@pytest.mark.parametrize("headers", OTHER_SITES.values(), ids=OTHER_SITES)
def test_pages_of_other_sites_write_nothing(app: Application, client: httpx.Client, headers: dict[str, str]) -> None:
    """Forms, JSON, uploads, deletions, logins and logouts are refused, whatever the browser sent with them."""
    for what, write in writes_of(app).items():
        assert client.request(**write, headers=headers).status_code == 403, what
    assert_nothing_changed(client)


OTHER_READERS = {
    "an image": why("cross-site", "no-cors", "image"),
    "an image on another port": why("same-site", "no-cors", "image"),
    "a script": why("cross-site", "no-cors", "script"),
    "a frame": why("cross-site", "navigate", "iframe"),
    "an object": why("cross-site", "navigate", "object"),
    "fetch()": why("cross-site", "cors", "empty"),
    "an old browser's fetch()": {"Origin": "http://evil.example"},
}


@pytest.mark.parametrize("headers", OTHER_READERS.values(), ids=OTHER_READERS)
def test_pages_of_other_sites_embed_nothing(client: httpx.Client, headers: dict[str, str]) -> None:
    """Neither images nor JSON nor pages, nor the login."""
    for path in [*READS, "/login"]:
        assert client.get(path, headers=headers).status_code == 403, path


def test_links_from_other_sites_work(app: Application, client: httpx.Client) -> None:
    """To read; a request that is not a simple navigation is none."""
    link = why("cross-site", "navigate", "document")
    assert client.get("/trades/0001", headers=link).status_code == 200
    assert client.request("DELETE", "/trades/0001", headers=link).status_code == 403
    assert httpx.get(f"{app.address}/trades/0001", headers=link).status_code == 401


def test_its_own_pages_are_served(app: Application, client: httpx.Client) -> None:
    """So are typed addresses, and programs, which say nothing of sites; an old browser says its origin."""
    own = [why("same-origin"), why("none", "navigate", "document"), {}, {"Origin": app.address}]
    for headers in own:
        assert client.get("/images/1", headers=headers).status_code == 200
        assert client.post("/trades/absent/images", content=make_png(), headers=headers).status_code in {404, 409}


def test_every_response_has_the_headers(app: Application, client: httpx.Client) -> None:
    """Whether it is the application's, the framework's or the guard's; a page lets in nothing of other sites."""
    responses = [
        *[client.get(path) for path in READS],
        client.get("/images/1", headers={"If-None-Match": "*"}),
        client.get("/images/1", headers={"Range": "bytes=0-3"}),
        client.get("/images/1", headers={"Range": "bytes=999999-"}),
        client.get("/images/9"),
        client.get("/absent/at/all"),
        client.get("/trades/0001", headers=PAGE),
        client.request("TRACE", "/images/1"),
        client.post("/trades/0001/images", content=b"x"),
        client.post(trades_of(app), json={}),
        client.post(trades_of(app), content=b"{" * 2_000_000, headers={"Content-Type": "application/json"}),
        client.get("/login", headers=PAGE),
        client.get("/", headers={"Host": "x.example"}),
        client.get("/", headers=OTHER_READERS["an image"]),
        httpx.get(app.address),
    ]
    statuses = {response.status_code for response in responses}
    assert {200, 206, 304, 400, 401, 403, 404, 405, 413, 415, 416, 422} <= statuses
    for response in responses:
        headers = response.headers
        assert headers["cache-control"] == "no-store", response
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        if "text/html" in headers.get("content-type", ""):
            assert headers["content-security-policy"].startswith("default-src '")


def test_another_user_of_the_machine_reads_nothing(app: Application) -> None:
    """Who can connect but has no session gets 401: a program JSON, a browser a page that says what to do."""
    with app.client() as stranger:
        stranger.cookies.set("zorivest_session", "x")
        stranger.cookies.set(f"zorivest_session_{httpx.URL(app.address).port}", "x")
        for path in [*READS, "/", "/static/journal.css", "/docs", "/trades", "/absent", "/logout"]:
            answer = stranger.get(path)
            assert (answer.status_code, answer.json()["error"]) == (401, "LoginRequired"), path
            page = stranger.get(path, headers=PAGE)
            assert page.status_code == 401
            assert "the newest address that the server printed in its terminal" in page.text.replace("\n", " ")
        for what, write in writes_of(app).items():
            assert stranger.request(**write).status_code == 401, what
        for method in ("OPTIONS", "PUT", "PATCH", "TRACE", "NONSENSE"):
            assert stranger.request(method, "/images/1").status_code == 401
    with app.new_user() as owner:
        assert_nothing_changed(owner)


def test_a_code_logs_in_once(app: Application) -> None:
    """It gives a cookie that scripts cannot read, that no other site's request has and no disk keeps."""
    code = app.code()
    with app.client() as browser, app.client() as other:
        answer = browser.post("/login", data={"code": code})
        assert answer.status_code == 303
        assert answer.headers["location"] == ("/" if app.kind == "example" else "/trades")
        cookie, *attributes = answer.headers["set-cookie"].split("; ")
        assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=strict"]
        assert code not in cookie
        assert browser.get("/images/1").status_code == 200
        assert other.post("/login", data={"code": code}).status_code == 401
        assert other.get("/images/1").status_code == 401
        assert browser.get("/images/1").status_code == 200


def test_a_wrong_code_lets_nobody_in(app: Application) -> None:
    """Nor one in the address, nor none; the right one goes on working."""
    code = app.code()
    with app.client() as client:
        for wrong in ("", "x", code[:-1], f"{code}x", "\u00e9", "\x00", "x" * 3000, f"{code}&code=x"):
            assert client.post("/login", data={"code": wrong}).status_code == 401, wrong
        assert client.post("/login", content=b"\xff" * 100).status_code == 401
        assert client.post("/login", json={"code": code}).status_code == 401
        assert client.get(f"/login?code={code}").status_code == 200
        assert client.post(f"/login?code={code}").status_code == 401
        assert client.get("/images/1").status_code == 401
        assert client.post("/login", data={"code": code}).status_code == 303


def test_a_logout_ends_the_session(app: Application) -> None:
    """On the server, not only in the browser; others go on."""
    with app.new_user() as leaving, app.new_user() as staying:
        cookies = dict(leaving.cookies)
        answer = leaving.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert dict(leaving.cookies) == {}
        assert httpx.get(f"{app.address}/images/1", cookies=cookies).status_code == 401
        assert staying.get("/images/1").status_code == 200


def test_nothing_of_the_journal_is_logged(app: Application) -> None:
    """Neither codes, cookies, identifiers nor captions, in any output of the server; the codes it shows are used."""
    with app.new_user() as client:
        secrets = [*client.cookies.values(), "0001", CAPTION, "secret-id", "secret-caption"]
        client.get("/trades/0001")
        client.get("/trades/secret-id?caption=secret-caption")
        client.post("/trades/secret-id/images?caption=secret-caption", content=make_png())
        client.post("/trades/0001/images", content=b"secret-caption", headers={"Caption": "secret-caption"})
        client.get("/images/1", headers={"Host": "secret-id.example"})
        client.post(trades_of(app), json={**TRADE, "exec_id": "secret-id", "price": "secret-caption"})
        client.get("/login?code=secret-id", headers=PAGE)
        client.post("/login", data={"code": "secret-id"})
    printed = "".join(line for line in app.printed().splitlines(keepends=True) if "/login#" not in line)
    assert [secret for secret in secrets if secret in printed] == []
    assert "/images" not in printed
