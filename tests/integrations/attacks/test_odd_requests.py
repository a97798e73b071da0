"""Paths, hosts and headers that no browser sends; what the server writes of them into its log and its answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin

import pytest

from attacked import CANARY, CHART, EXEC_ID, FORGED_TRADE, routes_of, status_of

if TYPE_CHECKING:
    from web_apps import Application

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]

PATHS = [
    "//evil.example/",
    "//evil.example/images/1",
    "/\\evil.example",
    "/%2f%2fevil.example",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/../../../../etc/passwd",
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/..%2fapp.py",
    "/static/..%5capp.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/%00",
    "/static/journal.css%00.png",
    "/static/" + "a" * 5_000,
    "/static/a%0d%0ab",
    "/%00",
    "/trades/%00",
    "/trades/%0d%0aSet-Cookie:%20a=b",
    "/trades/%ff%fe",
    "/trades/%ed%a0%80",
    "/trades/" + "a" * 30_000,
    "/api/trades/%00",
    "/images/1%00",
    "/images/1;x",
    "/images/1/../1",
    "/images/01",
    "/images/+1",
    "/images/%201",
    "/images/1.0",
    "/images/1e0",
    "/images/-1",
    "/images/0",
    "/images/9223372036854775807",
    "/images/9223372036854775808",
    "/images/" + "9" * 5_000,
    "/images/\u0661",
    "/IMAGES/1",
    "/./images/1",
    "/x/../images/1",
    "/static/../images/1",
    "/static/%2e%2e/images/1",
    "/login/../images/1",
    "/;/images/1",
    "/%69mages/1",
    "/images/1?",
    "/images/1#x",
    "/images/1/thumbnail/",
    "/?after=" + "A" * 100,
    "/?after=%00",
    "/?after=%ff",
    "/?after=eyJ9",
    "*",
    "",
    "images/1",
    "http://evil.example/images/1",
    "http://127.0.0.1/images/1",
    "https://[::1/images/1",
    "/\xe4\xff",
]

HOSTS = [
    "evil.example",
    "127.0.0.1.evil.example",
    "evil.example:80",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1:1:2",
    "127.0.0.1 evil.example",
    "127.0.0.1, evil.example",
    "127.0.0.1/evil.example",
    "localhost.evil.example",
    "localhost.",
    "[::1].evil.example",
    "0.0.0.0",  # noqa: S104 - a name that is asked for
    "0",
    "127.1",
    "2130706433",
    "xn--0-0.0.1",
    "*",
    "",
]


def raw(application: Application, target: str, *headers: str, method: str = "GET", user: bool = True) -> bytes:
    """Send one request as it is written."""
    lines = [f"{method} {target} HTTP/1.1", "Connection: close", *headers]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append(f"Host: 127.0.0.1:{application.port}")
    if user and application.cookies:
        lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in application.cookies.items()))
    return application.exchange("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))


def shows(answer: bytes) -> bool:
    """Say whether an answer has something of the journal."""
    return CHART[100:200] in answer or CANARY.encode() in answer.lower().replace(EXEC_ID.encode(), b"")


@pytest.mark.parametrize("user", [False, True], ids=["stranger", "user"])
def test_paths_do_not_trick_the_server(application: Application, user: bool) -> None:
    """A stranger reads nothing by any of them; nobody reads a file of the server, or gets an error of its own."""
    wrong = []
    for path in PATHS:
        for method in ("GET", "POST", "DELETE"):
            answer = raw(application, path, method=method, user=user)
            status = status_of(answer)
            leaked = b"root:" in answer or b"def create_app" in answer or (not user and shows(answer))
            injected = b"\r\nset-cookie: a=b" in answer.lower()
            location = re.search(rb"\r\nlocation: (\S*)", answer, re.IGNORECASE)
            away = location is not None and not _stays(application, location[1].decode("latin-1"))
            if leaked or injected or away or status >= 500:
                wrong.append((method, path[:60], status, leaked, injected, away))
    assert wrong == []


def _stays(application: Application, location: str) -> bool:
    where = urljoin(f"{application.address}/", location.replace("\\", "/"))
    return where.startswith(f"{application.address}/")


@pytest.mark.parametrize("host", HOSTS)
def test_only_names_of_this_machine_are_answered(application: Application, host: str) -> None:
    """The user's cookie does not help a request that came to another name."""
    for path in ("/", "/trades", "/images/1", f"/trades/{EXEC_ID}", "/openapi.json", "/static/upload.js"):
        answer = raw(application, path, f"Host: {host}")
        assert not shows(answer)
        assert status_of(answer) in {0, 400, 403, 404, 421}, (path, answer[:200])
        assert (
            shows(raw(application, path, f"Host: {host}", f"X-Forwarded-Host: 127.0.0.1:{application.port}")) is False
        )


def test_a_request_has_one_host(application: Application) -> None:
    """Neither a second one nor none is answered."""
    own = f"Host: 127.0.0.1:{application.port}"
    assert not shows(raw(application, "/images/1", own, "Host: evil.example"))
    assert not shows(raw(application, "/images/1", "Host: evil.example", own))
    cookie = "; ".join(f"{name}={value}" for name, value in application.cookies.items())
    assert not shows(application.exchange(f"GET /images/1 HTTP/1.0\r\nCookie: {cookie}\r\n\r\n".encode()))
    assert not shows(application.exchange(f"GET /images/1 HTTP/1.1\r\nCookie: {cookie}\r\n\r\n".encode()))


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL: /images/1",
        "X-Rewrite-URL: /images/1",
        "X-HTTP-Method-Override: GET",
        "Upgrade: websocket",
        "Authorization: Basic YTpi",
        "Forwarded: for=127.0.0.1;host=127.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
    ],
)
def test_headers_open_nothing(application: Application, header: str) -> None:
    """A stranger who sends those that proxies understand stays one."""
    extra = ["Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    for path in ("/", "/trades", "/images/1"):
        answer = raw(application, path, header, *(extra if "websocket" in header else []), user=False)
        assert not shows(answer)
        assert 400 <= status_of(answer) < 500


@pytest.mark.parametrize(
    "sender",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "http://127.0.0.1.evil.example"},
        {"Sec-Fetch-Site": "none-such"},
    ],
    ids=lambda sender: " ".join(sender.values()),
)
def test_what_another_site_sends_changes_nothing(application: Application, sender: dict[str, str]) -> None:
    """Though it has the user's cookie, and whether or not the browser is one that tells the site."""
    before = application.rows()
    with application.user(headers=sender) as forged:
        for method, path in routes_of(application.kind):
            if method in {"GET", "HEAD"}:
                continue
            for body in ({"json": FORGED_TRADE}, {"content": CHART}, {"data": {"lessons_learned": "forged"}}):
                assert forged.request(method, path, **body).status_code == 403, (method, path)
    assert application.rows() == before


def test_redirects_escape_what_a_trade_is_called(fresh: Application) -> None:
    """After a report is saved, the browser is led to that trade, on this server."""
    save, read = ("/api/trades", "/api/trades/") if fresh.kind == "example" else ("/trades", "/trades/")
    names = [
        "a?b",
        "a#b",
        "a%2fb",
        "a b",
        "ä€🚀",
        "//evil.example/",
        "/\\evil",
        "a\tb",
        "a;b",
        "..",
        "a/../b",
        "%0d%0aX: y",
    ]
    with fresh.user() as user:
        for name in [*names, "a\r\nSet-Cookie: a=b"]:
            status = user.post(save, json=FORGED_TRADE | {"exec_id": name}).status_code
            assert status in {201, 422}
            if status == 422 or fresh.kind != "example" or name == "..":  # which clients resolve
                continue
            assert user.get(read + quote(name, safe="")).status_code == (404 if "\n" in name else 200)
            answer = user.post(f"/trades/{quote(name, safe='')}/report", data={"lessons_learned": "x"})
            assert answer.status_code == (404 if "\n" in name else 303)  # no path has a line's end
            if answer.status_code == 404:
                continue
            assert "set-cookie" not in answer.headers
            assert _stays(fresh, answer.headers["location"])
            shown = user.get(answer.headers["location"])
            assert (shown.status_code, name) == (200, name)


def test_the_log_names_nothing_of_the_journal(fresh: Application) -> None:
    """Neither trades nor captions, of requests that were answered or refused."""
    with fresh.user() as user, fresh.client() as stranger:
        for client in (user, stranger):
            client.get(f"/trades/{EXEC_ID}")
            client.post(f"/trades/{EXEC_ID}/images?caption=canary%20caption", content=b"x")
            client.post(f"/trades/{EXEC_ID}/report", data={"tags": "canary"})
            client.get(f"/trades/{EXEC_ID}", headers={"Host": "canary.example"})
            client.get("/?after=canary")
            client.delete(f"/trades/{EXEC_ID}-other")
    fresh.end()
    printed = fresh.printed().lower()
    assert CANARY not in printed.replace(str(fresh.vault).lower(), "")
    assert not [value for value in fresh.cookies.values() if value.lower() in printed]
