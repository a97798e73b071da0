"""Pages of other sites, in Chromium, in the browser of a user who has logged in."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from attacked import CANARY, CHART, EXEC_ID, FORGED_TRADE, routes_of
from browsers import browser_arguments, browser_path
from elsewhere import Elsewhere, elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from web_apps import Application

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]

SITES = ("evil.example", "localhost", "127.0.0.1")
"""Names of an attacker's page: another site, another host of this machine, and another port of the same host."""

LOAD = """
async ([address, paths]) => {
    const found = [];
    const settled = (element, name) => new Promise((done) => {
        element.onload = () => { found.push(name); done(); };
        element.onerror = () => done();
        setTimeout(done, 5000);
        document.body.append(element);
    });
    for (const path of paths) {
        const url = address + path;
        for (const [tag, property] of [["img", "src"], ["script", "src"], ["link", "href"], ["embed", "src"],
                                       ["object", "data"]]) {
            const element = document.createElement(tag);
            if (tag === "link") element.rel = "stylesheet";
            element[property] = url;
            if (["embed", "object"].includes(tag)) element.type = "image/png";
            await settled(element, `${tag} ${path}`);
        }
        for (const mode of ["no-cors", "cors"]) {
            for (const method of ["GET", "HEAD"]) {
                await fetch(url, { mode, method, credentials: "include" })
                    .then(() => found.push(`fetch ${mode} ${method} ${path}`), () => null);
            }
        }
    }
    return found;
}
"""

WRITE = """
async ([address, paths, chart, trade]) => {
    const file = Uint8Array.from(atob(chart), (letter) => letter.charCodeAt(0));
    const form = () => { const data = new FormData(); data.set("tags", "forged"); data.set("lessons_learned", "forged");
                         return data; };
    const bodies = () => [new Blob([file], { type: "image/png" }), new Blob([file]), form(),
                          new URLSearchParams(form()), trade, new Blob([trade], { type: "application/json" }), ""];
    for (const path of paths) {
        const url = address + path;
        for (const mode of ["no-cors", "cors"]) {
            for (const method of ["POST", "PUT", "DELETE"]) {
                for (const body of bodies()) {
                    await fetch(url, { method, mode, body, credentials: "include" }).catch(() => 0);
                }
            }
        }
        for (const body of bodies()) { navigator.sendBeacon(url, body); }
        for (const enctype of ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]) {
            const frame = document.createElement("iframe");
            frame.name = "target";
            document.body.append(frame);
            const sent = document.createElement("form");
            Object.assign(sent, { method: "post", action: url, enctype, target: "target" });
            for (const [name, value] of [["lessons_learned", "forged"], [trade.slice(0, -1) + ', "a": "', '"}']]) {
                sent.append(Object.assign(document.createElement("input"), { name, value }));
            }
            document.body.append(sent);
            const loaded = new Promise((done) => { frame.onload = done; setTimeout(done, 5000); });
            sent.submit();
            await loaded;
            sent.remove();
            frame.remove();
        }
    }
}
"""


FRAME = """
url => document.body.replaceChildren(Object.assign(document.createElement("iframe"), { src: url }))
"""


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Off: Playwright's synchronous interface runs an event loop of its own under the test."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for which the attacker's names lead to this machine, as rebound ones do."""
    path = browser_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be absent where the browser is

    names = "MAP *.example 127.0.0.1"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=path, args=[f"--host-resolver-rules={names}", *browser_arguments()]
        )
        yield launched
        launched.close()


@pytest.fixture
def site() -> Iterator[Elsewhere]:
    """The attacker's server."""
    with elsewhere() as running:
        yield running


@pytest.fixture
def context(browser: Browser, application: Application) -> Iterator[BrowserContext]:
    """The windows of a user who has logged in."""
    opened = browser.new_context()
    page = opened.new_page()
    page.goto(f"{application.address}/login#{application.code()}")
    page.wait_for_url(lambda url: "login" not in url)
    page.close()
    yield opened
    opened.close()


@pytest.fixture(params=SITES)
def strange_page(context: BrowserContext, site: Elsewhere, request: pytest.FixtureRequest) -> Page:
    """A page of an attacker's, in a window of the user's."""
    page = context.new_page()
    page.goto(f"http://{request.param}:{site.port}/")
    return page


def paths_of(application: Application, *methods: str) -> list[str]:
    """Return the paths that an application has for some methods."""
    return sorted({path for method, path in routes_of(application.kind) if method in methods and "static" not in path})


def journal_paths(application: Application) -> list[str]:
    """Return the paths that show something of the journal."""
    paths = paths_of(application, "GET")
    return [path for path in paths if path in {"/", "/trades"} or EXEC_ID in path or path.startswith("/images/1")]


def test_a_rebound_name_reads_and_writes_nothing(application: Application, context: BrowserContext) -> None:
    """The page of another name, whose address has become this machine's, is of one origin with the server."""
    before = application.rows()
    page = context.new_page()
    rebound = f"http://rebound.example:{application.port}"
    for path in journal_paths(application):
        answer = page.goto(rebound + path)
        assert answer is not None
        assert answer.status in {400, 403, 421}, path
        assert CANARY not in page.content().lower().replace(EXEC_ID, "")
        told = page.evaluate("path => fetch(path, {credentials: 'include'}).then(r => r.text())", path)
        assert CANARY not in told.lower().replace(EXEC_ID, "")
    write(page, application, rebound)
    assert application.rows() == before


def test_other_sites_load_nothing(application: Application, strange_page: Page) -> None:
    """Not as images, scripts, style sheets or objects, and not by fetch: not even that it is there can be told."""
    assert strange_page.evaluate(LOAD, [application.address, journal_paths(application)]) == []


def test_other_sites_write_nothing(application: Application, strange_page: Page) -> None:
    """By forms, uploads, beacons and requests of every kind, to every path."""
    before = application.rows()
    write(strange_page, application, application.address)
    assert application.rows() == before


def test_other_sites_frame_nothing(application: Application, strange_page: Page) -> None:
    """A frame around a page, an image or an answer stays without them."""
    shown = []
    for path in journal_paths(application):
        with strange_page.expect_event("framenavigated", lambda frame: frame.parent_frame and frame.url) as navigated:
            strange_page.evaluate(FRAME, application.address + path)
        frame = navigated.value
        if not frame.url.startswith("chrome-error:"):
            shown.append((path, frame.url))
    assert shown == []


def test_a_cookie_that_another_port_was_sent_ends_with_the_session(
    application: Application, context: BrowserContext, site: Elsewhere
) -> None:
    """Cookies know no ports, as SECURITY.md says: a server at the same host is sent it. Other hosts' are not."""
    page = context.new_page()
    for name in ("evil.example", "localhost"):
        page.goto(f"http://{name}:{site.port}/")
    page.evaluate(
        "url => new Promise((done) => { const image = new Image(); image.onerror = done; image.src = url; })",
        f"http://127.0.0.1:{site.port}/",
    )
    assert site.cookies == []
    page.goto(f"http://127.0.0.1:{site.port}/")
    (cookie,) = site.cookies
    assert httpx.get(f"{application.address}/images/1", headers={"Cookie": cookie}).content == CHART
    page.goto(f"{application.address}/images/1")
    page.evaluate("fetch('/logout', {method: 'POST'})")
    assert httpx.get(f"{application.address}/images/1", headers={"Cookie": cookie}).status_code == 401


def write(page: Page, application: Application, address: str) -> None:
    """Send everything that a page can to every path that takes something."""
    chart = base64.b64encode(CHART).decode()
    page.evaluate(
        WRITE, [address, paths_of(application, "POST", "PUT", "DELETE", "PATCH"), chart, json.dumps(FORGED_TRADE)]
    )


def test_a_code_leaves_the_address_bar_and_is_in_no_referer(
    application: Application, browser: Browser, site: Elsewhere
) -> None:
    """Neither the code nor an address of the journal goes with a link that leads elsewhere, or with a request."""
    opened = browser.new_context()
    page = opened.new_page()
    sent: list[str] = []
    page.on("request", lambda request: sent.extend([request.url.partition("#")[0], *request.headers.values()]))
    code = application.code()
    page.goto(f"{application.address}/login#{code}")
    page.wait_for_url(lambda url: "login" not in url)
    shown = page.evaluate("[location.href, document.referrer, document.documentElement.outerHTML].join()")
    assert code not in shown
    page.goto(f"{application.address}/trades/{EXEC_ID}")
    page.evaluate("url => { location.href = url; }", f"http://evil.example:{site.port}/")
    page.wait_for_url("http://evil.example*/**")
    page.evaluate("url => { location.href = url; }", f"http://localhost:{site.port}/")
    page.wait_for_url("http://localhost*/**")
    opened.close()
    assert [line for line in sent if code in line] == []
    assert [referer for referer in site.referers if f":{application.port}" in referer] == []


def test_a_link_from_elsewhere_asks_for_the_login_and_a_click_goes_on(
    application: Application, context: BrowserContext, site: Elsewhere
) -> None:
    """The cookie does not come with the link, so that the page says what to do; from there on the user is known."""
    page = context.new_page()
    page.goto(f"http://evil.example:{site.port}/")
    page.evaluate("url => { location.href = url; }", f"{application.address}/images/1")
    page.wait_for_url(f"{application.address}/**")
    assert "Log in" in page.content()
    page.get_by_role("link", name="go on from here").click()
    page.wait_for_load_state()
    assert CANARY in page.content().lower()
