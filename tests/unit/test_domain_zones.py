"""Time zones are found by name, and who has none is told what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from zorivest_async.domain.zones import load_zone
from zorivest_async.errors import InvalidQueryError


def test_a_zone_is_found_by_its_name() -> None:
    """The name of the IANA database."""
    assert load_zone("America/New_York").key == "America/New_York"


@pytest.mark.parametrize(
    "name", ["New York", "", "../UTC", "America", "EST5EDT\0", "America/" + 300 * "x", ZoneInfo("UTC"), b"UTC", 1]
)
def test_what_is_no_zone_is_refused(name: Any) -> None:
    """Whatever is wrong with it: the file system's complaints do not get out."""
    with pytest.raises(InvalidQueryError, match=r"no such time zone; name one .* such as"):
        load_zone(name)


WITHOUT = """
import sys
sys.modules["tzdata"] = None
from zorivest_async import MissingDependencyError
from zorivest_async.domain.zones import load_zone
try:
    load_zone("America/New_York")
except MissingDependencyError as error:
    print(error.name, error)
"""


def test_without_a_database_it_says_what_to_install() -> None:
    """As in a small container, or on Windows."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert finished.stdout == "tzdata the time zone database is missing: pip install tzdata\n"
