"""The code that the server prints, and the cookie that it is exchanged for."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attacked import CHART, EXEC_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from web_apps import Application

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]

PAGE = {"Accept": "text/html"}


def reads(session: httpx.Client) -> bool:
    """Say whether a client reads the journal."""
    return session.get("/images/1").content == CHART


def guesses(code: str) -> Iterator[str]:
    """Yield codes that are nearly right, and some that are none."""
    yield from ("", " ", "\0", "0" * 43, code[:-1], code + "x", code[::-1], code.swapcase(), f" {code}", f"{code}\n")
    yield from ("é" * 10, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "x" * 900)
    yield from (secrets.token_urlsafe(32) for _ in range(100))


def test_a_code_works_once(application: Application) -> None:
    """Whoever comes second with it is a stranger."""
    code = application.code()
    with application.client() as first, application.client() as second:
        assert first.post("/login", data={"code": code}).status_code == 303
        assert reads(first)
        assert second.post("/login", data={"code": code}).status_code == 401
        assert not second.cookies
        assert not reads(second)
        assert reads(first)


def test_guesses_open_nothing_and_do_not_use_the_code_up(application: Application) -> None:
    """The owner's code works after a hundred wrong ones."""
    code = application.code()
    with application.client() as stranger:
        for guess in guesses(code):
            answer = stranger.post("/login", data={"code": guess})
            assert answer.status_code == 401, guess
            assert not stranger.cookies
        for body in (
            b"code",
            b"code=%ff",
            b"code=%00",
            b"code[]=x",
            b"code=x&code=" + code[:-1].encode(),
            b"\xff" * 5_000,
        ):
            assert stranger.post("/login", content=body).status_code in {401, 413}
        assert stranger.get("/login", params={"code": code}).status_code == 200
        assert not stranger.cookies
    with application.client() as owner:
        assert owner.post("/login", data={"code": code}).status_code == 303


def test_a_cookie_of_an_attacker_s_choice_does_not_become_a_session(application: Application) -> None:
    """A browser that is given one before the login has another one after it, and that one opens nothing."""
    chosen = secrets.token_urlsafe(32)
    name = next(iter(application.cookies))
    with application.client() as owner:
        fixed = owner.post("/login", data={"code": application.code()}, headers={"Cookie": f"{name}={chosen}"})
        assert fixed.cookies[name] != chosen
        assert chosen not in str(fixed.headers)
    with application.client(cookies={name: chosen}) as attacker:
        assert not reads(attacker)


def test_the_cookie_is_kept_from_other_sites_and_scripts(application: Application) -> None:
    """It ends with the browser, and nothing but this host is sent it."""
    code = application.code()
    with application.client() as owner:
        (header,) = owner.post("/login", data={"code": code}).headers.get_list("set-cookie")
    attributes = {part.strip().partition("=")[0].lower(): part.strip() for part in header.split(";")[1:]}
    assert attributes["samesite"].lower() == "samesite=strict"
    assert attributes["path"].lower() == "path=/"
    assert "httponly" in attributes
    assert not {"domain", "expires", "max-age"} & set(attributes)
    assert code not in header


def test_a_session_ends_when_its_user_logs_out(application: Application) -> None:
    """Others go on; a stranger, or another site, ends nobody's."""
    with application.client() as leaving, application.user() as staying:
        leaving.post("/login", data={"code": application.code()})
        kept = dict(leaving.cookies)
        with application.client() as stranger:
            assert stranger.post("/logout").status_code == 401
        assert staying.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert leaving.post("/logout").status_code == 303
        assert reads(staying)
    with application.client(cookies=kept) as left:
        assert not reads(left)


def test_the_address_that_is_printed_is_the_server_s_own(fresh: Application) -> None:
    """A stranger whose Host has another port, or another name of this machine, does not lead the owner elsewhere."""
    fresh.login()  # so that there is no code, and the next page has one printed
    with fresh.client(headers=PAGE) as stranger:
        for host in ("127.0.0.1:1", "localhost:1", f"localhost:{fresh.port}", f"[::1]:{fresh.port}", "127.0.0.1"):
            for path in ("/", "/login", "/images/1"):
                stranger.get(path, headers={"Host": host, "X-Forwarded-Host": host, "X-Forwarded-Proto": "https"})
    printed = re.findall(r"(\S+)/login#", fresh.printed())
    assert printed
    assert set(printed) == {fresh.address}


def test_strangers_do_not_fill_the_terminal(fresh: Application) -> None:
    """As long as a code works, no other is printed; strangers' requests do not end it either."""
    code = fresh.code()
    count = fresh.printed().count("/login#")
    with fresh.client(headers=PAGE) as stranger:
        for _ in range(50):
            stranger.get("/login")
            stranger.get("/")
            stranger.post("/login", data={"code": "x"})
    assert fresh.printed().count("/login#") == count
    with fresh.client() as owner:
        assert owner.post("/login", data={"code": code}).status_code == 303


def test_secrets_are_where_other_users_cannot_look(fresh: Application) -> None:
    """Neither a code nor a session is in the command line, in a log line but the one that gives it, or in an answer."""
    code, (session,) = fresh.code(), fresh.cookies.values()
    with fresh.user(headers=PAGE) as user, fresh.client(headers=PAGE) as stranger:
        for client in (user, stranger):
            for path in ("/", "/login", f"/login?code={code}", "/images/1", f"/trades/{EXEC_ID}", "/openapi.json"):
                answer = client.get(path)
                assert session not in answer.text + str(answer.headers)
                assert code not in answer.text.replace(f"code={code}", "")
    command = Path(f"/proc/{fresh.process.pid}/cmdline").read_text().split("\0")
    assert [word for word in command if code in word or session in word] == []
    fresh.end()
    said = [line for line in fresh.printed().splitlines() if code in line]
    assert len(said) == 1
    assert session not in fresh.printed()
