"""The example journal in a real browser: a chart is dropped, its thumbnail shows, the original opens."""

from __future__ import annotations

import base64
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from browsers import browser_arguments, browser_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from zorivest_async.integrations.pytest_plugin import ChartMaker

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(120)]

DROP = """
([selector, name, data]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type: "image/png" }));
    document.querySelector(selector).dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
}
"""
IS_SHOWN = "image => image.complete && image.naturalWidth > 0"


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Off: Playwright's synchronous interface runs an event loop of its own under the test."""


@pytest.fixture
def page(serve: Callable[[str], AbstractContextManager[str]]) -> Iterator[Page]:
    """A page of a fresh browser at the gallery; whatever goes wrong in it fails the test."""
    path = browser_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be absent where the browser is

    complaints: list[str] = []
    with serve("journal") as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=browser_arguments())
        opened = browser.new_page(base_url=address)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        opened.goto("/")
        yield opened
        browser.close()
    assert [line for line in complaints if "status of 415" not in line] == []


def drop(page: Page, selector: str, name: str, data: bytes) -> None:
    """Drop a file on an element, as the desktop does."""
    page.evaluate(DROP, [selector, name, base64.b64encode(data).decode()])


def difference(screenshot: bytes, chart: bytes) -> float:
    """Return by how much a screenshot differs from a chart, from 0 to 255, a mean over parts of them."""
    with Image.open(BytesIO(screenshot)) as shown, Image.open(BytesIO(chart)) as drawn:
        pictures = [picture.convert("RGB").resize((40, 24), Image.Resampling.BOX) for picture in (shown, drawn)]
    return max(ImageStat.Stat(ImageChops.difference(*pictures)).mean)


def darkened(chart: bytes) -> bytes:
    """Return a chart in inverted colours, as which no empty page could pass."""
    with Image.open(BytesIO(chart)) as drawn, BytesIO() as file:
        ImageOps.invert(drawn).save(file, "PNG")
        return file.getvalue()


def test_a_dropped_chart_is_shown_and_opens(page: Page, zorivest_make_chart: ChartMaker) -> None:
    """In the gallery and on the trade's page; what opens is the original, byte for byte."""
    chart = darkened(zorivest_make_chart(width_px=1200, height_px=700))
    drop(page, "[data-upload]", "entry <b>&amp;.png", chart)
    thumbnail = page.locator(".chart img")
    thumbnail.wait_for()
    assert thumbnail.evaluate(IS_SHOWN) or thumbnail.evaluate("image => image.decode().then(() => true)")
    assert thumbnail.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [200, 117]
    assert difference(thumbnail.screenshot(), chart) < 30
    assert thumbnail.get_attribute("alt") == "entry <b>&amp;.png"
    page.get_by_role("link", name="SPY").click()
    page.locator("#charts .chart img").wait_for()
    page.locator("#charts .chart").click()
    page.wait_for_url("**/images/1")
    assert page.evaluate("[document.images[0].naturalWidth, document.images[0].naturalHeight]") == [1200, 700]
    assert difference(page.locator("img").screenshot(), chart) < 3
    response = page.request.get("/images/1")
    assert sha256(response.body()).digest() == sha256(chart).digest()


def test_charts_are_chosen_from_a_dialog(page: Page, zorivest_make_chart: ChartMaker, tmp_path: Path) -> None:
    """Several at once, where dragging is not to be had."""
    files = [tmp_path / "1.png", tmp_path / "2.png"]
    for file in files:
        file.write_bytes(zorivest_make_chart())
    page.goto("/trades/0001")
    page.locator("input[type=file]").set_input_files(files)
    page.locator("#charts .chart").nth(1).wait_for()
    assert page.locator("#charts .chart img").count() == 2


def test_a_refused_file_is_explained(page: Page) -> None:
    """The reader is told which file, and why, and the page stays."""
    with page.expect_response("**/trades/0001/images") as answer:
        drop(page, "[data-upload]", "notes.png", b"not an image")
    assert answer.value.status == 415
    page.locator("#message").wait_for()
    assert page.locator("#message").inner_text().startswith("notes.png: ")
    assert page.locator(".chart").count() == 0


def test_a_report_is_kept_and_escaped(page: Page) -> None:
    """What was typed is what is shown, and nothing of it runs."""
    attack = '"></textarea><script>document.title = "owned"</script>'
    page.goto("/trades/0001")
    for _ in range(2):  # the first saves it, the second changes it
        page.locator("select[name=setup_quality]").select_option("4")
        page.locator("input[name=followed_plan]").check()
        page.locator("input[name=tags]").fill("breakout, trend day")
        page.locator("textarea").fill(attack)
        page.get_by_role("button", name="Save").click()
        page.wait_for_load_state()
        assert page.locator("textarea").input_value() == attack
    assert page.locator("select[name=setup_quality]").input_value() == "4"
    assert page.locator("input[name=followed_plan]").is_checked()
    assert page.locator("input[name=tags]").input_value() == "breakout, trend day"
    assert page.title() == "Trade"


def test_the_equity_curve_is_drawn(page: Page) -> None:
    """It goes through every execution that changes it, to the exact sum of results less commissions."""
    address = page.url.rstrip("/")
    trade = {"time": "2024-03-08T14:30:00Z", "instrument": "NVDA", "action": "SLD", "quantity": 1, "price": 1}
    for n, result in enumerate((0.1, 0.2, -0.05)):
        new = {**trade, "exec_id": f"a/{n}", "account_id": "U1", "realized_pnl": result, "commission": 0.01}
        httpx.post(f"{address}/api/trades", json=new).raise_for_status()
        assert httpx.get(f"{address}/api/trades/a/{n}").json()["realized_pnl"] == result
    page.reload()
    assert "+0.22 USD after 3 " in page.locator("figcaption").inner_text()
    assert len((page.locator(".equity polyline").get_attribute("points") or "").split()) == 4
    page.get_by_role("link", name="NVDA").first.click()
    assert "a/" in page.locator("h1").inner_text()


def test_other_sites_are_refused(page: Page) -> None:
    """A form of theirs, a name that is not this machine's, a frame around the journal."""
    address = page.url.rstrip("/")
    forged = httpx.post(f"{address}/trades/0001/report", data={"tags": "x"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403
    assert httpx.get(address, headers={"Host": "journal.example"}).status_code == 400
    assert "frame-ancestors 'none'" in httpx.get(address).headers["content-security-policy"]


def test_what_is_missing_has_a_page(page: Page) -> None:
    """A browser gets one with the status; a program gets JSON."""
    answer = page.request.get("/trades/absent", headers={"Accept": "text/html"})
    assert (answer.status, "There is no such page." in answer.text()) == (404, True)
    assert page.request.get("/trades/absent", headers={"Accept": "*/*"}).json()["error"] == "NotFoundError"
