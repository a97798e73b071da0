"""The login and the guard without a server: times, secure cookies, other places in a site, WebSockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from zorivest_async.integrations.web import GuardMiddleware, Login

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

pytestmark = pytest.mark.integrations


async def read(_request: Request) -> PlainTextResponse:
    """Return what only the owner may read."""
    return PlainTextResponse("secret")


async def talk(websocket: WebSocket) -> None:
    """Send what only the owner may read."""
    await websocket.accept()
    await websocket.send_text("secret")
    await websocket.close()


def guarded(login: Login | None, **settings: Any) -> Starlette:
    """Return an application behind the guard."""
    app = Starlette(routes=[Route("/", read), WebSocketRoute("/talk", talk)])
    app.add_middleware(GuardMiddleware, login=login, **settings)
    return app


def client_of(app: Any, address: str = "http://localhost", **settings: Any) -> httpx.AsyncClient:
    """Return a client of an application."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, **settings), base_url=address)


def code_of(login: Login) -> str:
    """Return a new code."""
    return login.new_address().partition("/login#")[2]


def test_a_code_ends_with_its_time() -> None:
    """And with the next code."""
    assert Login(code_lifetime_s=0).exchange("") is None
    late = Login(code_lifetime_s=0)
    assert late.exchange(code_of(late)) is None
    login = Login()
    first, second = code_of(login), code_of(login)
    assert login.exchange(first) is None
    assert login.has_code
    assert login.exchange(second) is not None
    assert not login.has_code


def test_a_session_ends_with_its_time() -> None:
    """And no text is a session that none was given for."""
    login = Login(session_lifetime_s=0)
    session = login.exchange(code_of(login))
    assert session is not None
    assert not login.admits(session)
    assert not login.admits("")


def test_a_login_shows_no_secret() -> None:
    """Its repr has neither a code nor a session in it."""
    login = Login()
    code = code_of(login)
    assert code not in repr(login)
    session = login.exchange(code)
    assert session is not None
    assert session not in f"{login!r} {vars(login)}"


@pytest.mark.asyncio
async def test_over_https_the_cookie_is_secure() -> None:
    """A browser then never sends it without encryption."""
    login = Login()
    async with client_of(guarded(login), "https://localhost") as client:
        cookie = (await client.post("/login", data={"code": code_of(login)})).headers["set-cookie"]
        assert "Secure" in cookie.split("; ")
        assert (await client.get("/")).text == "secret"


@pytest.mark.asyncio
async def test_two_journals_of_a_machine_have_two_sessions() -> None:
    """Browsers send cookies to all ports: the names differ, so that one login does not end the other."""
    jar = httpx.Cookies()
    for port in (8000, 8001):
        login = Login()
        async with client_of(guarded(login), f"http://localhost:{port}") as client:
            jar.update((await client.post("/login", data={"code": code_of(login)})).cookies)
    assert sorted(jar) == ["zorivest_session_8000", "zorivest_session_8001"]


@pytest.mark.asyncio
async def test_a_mounted_journal_stays_below_its_path() -> None:
    """The login, its cookie and where it leads to."""
    login = Login(home="/?all")
    async with client_of(Starlette(routes=[Mount("/journal", guarded(login))])) as client:
        assert (await client.get("/journal/")).status_code == 401
        answer = await client.post("/journal/login", data={"code": code_of(login)})
        assert answer.headers["location"] == "/journal/?all"
        assert "Path=/journal;" in answer.headers["set-cookie"]
        assert (await client.get("/journal/")).text == "secret"
        assert (await client.post("/journal/logout")).headers["location"] == "/journal/login"
        assert (await client.get("/journal/")).status_code == 401


@pytest.mark.asyncio
async def test_another_name_is_taken_where_it_is_given() -> None:
    """In any letters and with any port, and no other name of its domain."""
    login = Login()
    async with client_of(guarded(login, hosts=["Journal.example"]), "http://journal.example:8000") as client:
        assert (await client.post("/login", data={"code": code_of(login)})).status_code == 303
        assert (await client.get("/")).text == "secret"
        for host in ("example", "x.journal.example", "journal.example.com"):
            assert (await client.get("/", headers={"Host": host})).status_code == 400


@pytest.mark.asyncio
async def test_a_visitor_has_another_address_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Where none works any more, one alone, for the server's socket and not for Host; programs have none printed."""
    login = Login()
    async with client_of(guarded(login), "http://localhost:8123") as client:
        await client.get("/")
        assert capsys.readouterr().out == ""
        for host in ("localhost:1", "[::1]:8123", "localhost:8123"):
            assert (await client.get("/", headers={"Accept": "text/html", "Host": host})).status_code == 401
        (line,) = capsys.readouterr().out.splitlines()
        start, _, code = line.partition("#")
        assert start == "Log in, once and within 5 minutes: http://localhost:8123/login"
        assert (await client.post("/login", data={"code": code})).status_code == 303


@pytest.mark.asyncio
async def test_without_a_login_all_else_is_guarded() -> None:
    """For applications that have one of their own."""
    async with client_of(guarded(None)) as client:
        assert (await client.get("/")).text == "secret"
        assert (await client.get("/login")).status_code == 404
        assert (await client.get("/", headers={"Host": "rebound.example"})).status_code == 400
        assert (await client.get("/", headers={"Origin": "http://evil.example"})).status_code == 403


@pytest.mark.asyncio
async def test_an_application_has_the_last_word_on_its_headers() -> None:
    """What it says of caches and of scripts stays, once."""

    async def read_kept(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"Cache-Control": "private, no-cache", "Content-Security-Policy": "x"})

    app = Starlette(routes=[Route("/", read_kept)])
    app.add_middleware(GuardMiddleware, login=None)
    async with client_of(app) as client:
        headers = (await client.get("/")).headers
    assert headers.get_list("cache-control") == ["private, no-cache"]
    assert headers.get_list("content-security-policy") == ["x"]


SOCKETS = [
    ({}, True),
    ({"host": "rebound.example"}, False),
    ({"origin": "http://localhost"}, True),
    ({"origin": "http://evil.example"}, False),
    ({"origin": "http://localhost:9"}, False),
    ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "websocket"}, True),
    ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "websocket"}, False),
    ({"cookie": ""}, False),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("headers", "is_taken"), SOCKETS)
async def test_a_websocket_is_guarded_as_a_request_is(headers: dict[str, str], is_taken: bool) -> None:
    """Browsers let every page open one, so it is refused by its origin, and without the session."""
    login = Login()
    session = login.exchange(code_of(login))
    told = {"host": "localhost", "cookie": f"zorivest_session_={session}"} | headers
    scope = {
        "type": "websocket",
        "path": "/talk",
        "query_string": b"",
        "subprotocols": [],
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
    }
    received: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[Any] = []
    received.put_nowait({"type": "websocket.connect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await guarded(login)(scope, received.get, send)
    if is_taken:
        assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    else:
        assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]
