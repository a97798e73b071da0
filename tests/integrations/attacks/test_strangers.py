"""Another user of the machine, who reaches the port, and has no cookie."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from attacked import CANARY, CHART, EXEC_ID, FORGED_TRADE, routes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from web_apps import Application

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
BODIES: list[tuple[str, bytes]] = [
    ("image/png", CHART),
    ("application/x-www-form-urlencoded", b"lessons_learned=stranger&tags=stranger"),
    (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="tags"\r\n\r\nstranger\r\n--x--\r\n',
    ),
    ("application/json", json.dumps(FORGED_TRADE).encode()),
]
STRANGE_COOKIES = ("", "session=1", "zorivest=", "; ".join(["a=b"] * 200), "\xff\xfe", '="', ";;;=;", "x" * 4_000)


def shows_the_journal(response: httpx.Response) -> bool:
    """Say whether anything of the journal is in a response."""
    shown = f"{response.text}{response.headers}".lower()
    return CANARY in shown or response.content[:4] in {CHART[:4], b"RIFF"}


def everything(kind: str) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield every method on every path that the application has, with every kind of body."""
    for path in sorted({path for _, path in routes_of(kind)}):
        for method in METHODS:
            bodies = BODIES if method in {"POST", "PUT", "PATCH"} else [("", b"")]
            for kind_of_body, body in bodies:
                yield method, path, kind_of_body, body


def test_nothing_is_read_or_stored_without_a_login(application: Application) -> None:
    """From every route, by every method, with every kind of body."""
    before = application.rows()
    answers = []
    with application.client() as stranger:
        for method, path, media_type, body in everything(application.kind):
            response = stranger.request(method, path, content=body, headers={"Content-Type": media_type})
            answers.append((method, path, response.status_code, shows_the_journal(response)))
    assert [answer for answer in answers if answer[3]] == []
    assert [answer for answer in answers if answer[2] >= 500] == []
    allowed = {(method, path) for method, path in routes_of(application.kind) if re.search(EXEC_ID + "|images/1", path)}
    assert [answer for answer in answers if answer[:2] in allowed and answer[2] not in {401, 403}] == []
    assert application.rows() == before


def test_a_cookie_of_ones_own_making_opens_nothing(application: Application) -> None:
    """Odd ones are refused like none."""
    names = list(application.cookies)
    assert names
    for cookie in STRANGE_COOKIES:
        for header in [cookie, *(f"{name}={cookie}" for name in names)]:
            with application.client(headers=[(b"Cookie", header.encode("latin-1"))]) as stranger:
                response = stranger.get("/images/1")
            assert response.status_code == 401, header
            assert not shows_the_journal(response)


def test_the_user_who_logged_in_reads_and_writes(application: Application) -> None:
    """The defences leave the application in use."""
    with application.user() as user:
        assert user.get("/images/1").content == CHART
        assert user.get("/images/1/thumbnail").status_code == 200
        assert CANARY in user.get(f"/trades/{EXEC_ID}").text or application.kind == "document"


def test_the_paths_of_the_interface_s_description_are_closed_too(application: Application) -> None:
    """The schema and its pages name no row; they are served to a user alone, or to nobody."""
    with application.client() as stranger:
        for path in ("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect"):
            assert stranger.get(path).status_code in {401, 403, 404}, path
