"""Where Chromium is required, a machine without it fails the tests of the browser and does not pass them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsers import browser_path

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integrations


@pytest.fixture
def without_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine on which neither the system nor Playwright has one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    return monkeypatch


def test_a_missing_browser_fails_where_it_is_required(without_browser: pytest.MonkeyPatch) -> None:
    """As ``tox -e integrations`` says; the failure says how it is installed."""
    without_browser.setenv("ZORIVEST_BROWSER", "required")
    with pytest.raises(pytest.fail.Exception, match="playwright install --with-deps chromium"):
        browser_path()


def test_a_missing_browser_is_passed_over_elsewhere(without_browser: pytest.MonkeyPatch) -> None:
    """A developer without one runs the other tests."""
    without_browser.delenv("ZORIVEST_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        browser_path()
