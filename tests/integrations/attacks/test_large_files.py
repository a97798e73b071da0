"""A chart that is too large, dropped on the example's page: the reader is told, and the page stays in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from attacked import EXEC_ID, serving
from browsers import browser_arguments, browser_path
from factories import make_png

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Off: Playwright's synchronous interface runs an event loop of its own under the test."""


def test_the_page_says_that_a_file_is_too_large(tmp_path: Path) -> None:
    """Not that the connection broke; a good chart is taken afterwards."""
    path = browser_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be absent where the browser is

    large, good = tmp_path / "large.png", tmp_path / "good.png"
    large.write_bytes(make_png() + b"\0" * 40_000_000)
    good.write_bytes(make_png())
    with serving("example", tmp_path) as application, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=browser_arguments())
        page = browser.new_page()
        page.goto(f"{application.address}/login#{application.code()}")
        page.wait_for_url(lambda url: "login" not in url)
        page.goto(f"{application.address}/trades/{EXEC_ID}")
        charts = page.locator("#charts .chart").count()
        page.locator("input[type=file]").set_input_files(large)
        page.locator("#message").wait_for()
        assert "too large" in page.locator("#message").inner_text()
        page.locator("input[type=file]").set_input_files(good)
        page.locator("#charts .chart").nth(charts).wait_for()
        browser.close()
