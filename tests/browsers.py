"""The browser that tests look at pages with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["browser_arguments", "browser_path"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PLAYWRIGHTS = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


def browser_path() -> str:
    """Return the system's browser, or Playwright's; without one a test is skipped or, where it is required, fails."""
    for name in _NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    if (downloaded := _downloaded()) is not None:
        return downloaded
    message = "there is no Chromium: apt-get install chromium, or python -m playwright install --with-deps chromium"
    if os.environ.get("ZORIVEST_BROWSER") == "required":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def _downloaded() -> str | None:
    """Return what ``playwright install chromium`` has downloaded, if it has."""
    # A process of its own: Playwright's synchronous interface does not run where an event loop does.
    asked = subprocess.run(
        [sys.executable, "-c", _PLAYWRIGHTS], capture_output=True, text=True, check=False, timeout=60
    )
    path = asked.stdout.strip()
    return path if path and Path(path).is_file() else None


def browser_arguments() -> list[str]:
    """Return the command-line options that the browser needs: Chromium refuses to run its sandbox as root."""
    return ["--no-sandbox"] if sys.platform != "win32" and os.getuid() == 0 else []
