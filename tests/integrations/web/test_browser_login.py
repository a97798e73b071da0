"""The login of both applications in a real browser: an address that works once, a code that is typed, a logout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsers import browser_arguments, browser_path
from web_apps import APPLICATIONS, Application, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Off: Playwright's synchronous interface runs an event loop of its own under the test."""


@pytest.fixture(scope="module", params=APPLICATIONS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Either application, for all tests of this module."""
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; each test has a profile of its own in it."""
    path = browser_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be absent where the browser is

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=browser_arguments())


@pytest.fixture
def profile(app: Application, browser: Browser) -> Iterator[BrowserContext]:
    """A profile that is not logged in."""
    with browser.new_context(base_url=app.address) as context:
        yield context


def home_of(app: Application) -> str:
    """Return where a browser is led to."""
    return f"{app.address}/" if app.kind == "example" else f"{app.address}/trades"


def test_the_printed_address_logs_in(app: Application, profile: BrowserContext) -> None:
    """Once: it leads to the journal, and in another browser to a page that asks for another code."""
    address = app.login_address()
    page = profile.new_page()
    page.goto(address)
    page.wait_for_url(home_of(app))
    assert "SPY" in page.content()
    assert page.goto("/images/1").ok  # type: ignore[union-attr]
    (cookie,) = profile.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Strict", -1)
    assert page.evaluate("document.cookie") == ""
    assert profile.browser is not None
    with profile.browser.new_context() as other:
        late = other.new_page()
        with late.expect_response(lambda response: response.status == 401):
            late.goto(address)
        late.get_by_role("heading", name="Log in").wait_for()
        assert other.cookies() == []


def test_a_code_may_be_typed(app: Application, profile: BrowserContext) -> None:
    """On the page that a browser gets in the place of any other."""
    page = profile.new_page()
    answer = page.goto("/trades/0001")
    assert answer is not None
    assert answer.status == 401
    page.get_by_label("Code").fill(app.code())
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(home_of(app))
    assert "SPY" in page.content()


def test_an_address_is_opened_where_the_login_is_shown(app: Application, profile: BrowserContext) -> None:
    """The browser has the page and loads nothing; going back leads on to the journal again."""
    page = profile.new_page()
    page.goto("/login")
    page.get_by_role("heading").click()  # only what a person does makes entries of the history
    page.evaluate("address => { location.href = address; }", app.login_address())
    page.wait_for_url(home_of(app))
    page.go_back()
    page.get_by_role("heading", name="Log in").wait_for()
    assert page.url == f"{app.address}/login"
    page.get_by_role("link", name="go on from here").click()
    page.wait_for_url(home_of(app))
    assert "SPY" in page.content()


def test_a_link_of_another_site_is_followed_in_two_steps(app: Application, profile: BrowserContext) -> None:
    """A browser keeps the cookie back at first; the page that asks for the login leads on to the journal."""
    page = profile.new_page()
    page.goto(app.login_address())
    page.wait_for_url(home_of(app))
    page.route(
        "http://other.example/",
        lambda route: route.fulfill(body=f'<a href="{app.address}/images/1">x</a>', content_type="text/html"),
    )
    page.goto("http://other.example/")
    with page.expect_response(lambda response: response.status == 401):
        page.get_by_text("x").click()
    page.get_by_role("link", name="go on from here").click()
    page.wait_for_url(home_of(app))
    assert "SPY" in page.content()


def test_the_button_logs_out(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The example's; afterwards nothing is shown, not even when going back."""
    with (
        running("example", tmp_path_factory.mktemp("logout")) as app,
        browser.new_context(base_url=app.address) as context,
    ):
        page = context.new_page()
        page.goto(app.login_address())
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="Log in").wait_for()
        assert context.cookies() == []
        page.go_back()
        page.get_by_role("heading", name="Log in").wait_for()
        assert "SPY" not in page.content()
