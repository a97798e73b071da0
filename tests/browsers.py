"""The browser that tests look at pages with."""

from __future__ import annotations

import os
import shutil

import pytest

__all__ = ["browser_path"]


def browser_path() -> str:
    """Return the distribution's browser; a test without one is skipped, but where it is required, it fails."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (path := shutil.which(name)) is not None:
            return path
    message = "there is no Chromium: apt-get install chromium"
    if os.environ.get("ZORIVEST_BROWSER") == "required":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
