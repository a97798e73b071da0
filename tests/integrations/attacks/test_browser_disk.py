"""What a browser leaves on its disk of an encrypted journal, after it was closed."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest

from attacked import CHART, EXEC_ID
from browsers import browser_arguments, browser_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from web_apps import Application

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(300)]

TEXTS = (b"CANARYX", b"canary lesson", b"canary note", b"canary mood", b"canary tag", b"canary caption", b"513.07")


@pytest.fixture(autouse=True)
def no_blocking_calls() -> None:
    """Off: Playwright's synchronous interface runs an event loop of its own under the test."""


def contents_of(file: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and what is compressed in it."""
    data = file.read_bytes()
    yield data
    yield data.decode("utf-16-le", "ignore").encode("utf-8", "ignore")
    start = -1
    while (start := data.find(b"\x1f\x8b\x08", start + 1)) >= 0:
        try:
            yield zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data[start:])
        except zlib.error:
            continue


def found_in(profile: Path, wanted: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return what of the wanted lies in which file of a profile."""
    return [
        (name, str(file.relative_to(profile)))
        for file in sorted(profile.rglob("*"))
        if file.is_file() and not file.is_symlink()
        for contents in contents_of(file)
        for name, data in wanted.items()
        if data in contents
    ]


def test_nothing_of_the_journal_stays_in_the_profile(application: Application, tmp_path: Path) -> None:
    """Pages, images, thumbnails and JSON were looked at, twice; neither is the session there."""
    path = browser_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be absent where the browser is

    profile = tmp_path / "profile"
    with application.user() as user:
        thumbnail = user.get("/images/1/thumbnail").content
    code = application.code()
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(profile, executable_path=path, args=browser_arguments())
        page = context.new_page()
        page.goto(f"{application.address}/login#{code}")
        page.wait_for_url(lambda url: "login" not in url)
        session = next(cookie["value"] for cookie in context.cookies() if "value" in cookie)
        places = ["/images/1", "/images/1/thumbnail", f"/trades/{EXEC_ID}", "/trades", "/", f"/api/trades/{EXEC_ID}"]
        for place in [*places, *places]:
            page.goto(application.address + place)
            page.wait_for_load_state("networkidle")
            page.evaluate("place => fetch(place).then((answer) => answer.blob())", place)
        page.go_back()
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        context.close()
    wanted = {f"text {text.decode()}": text for text in TEXTS}
    for name, image in (("original", CHART), ("thumbnail", thumbnail)):
        wanted |= {f"{name}, byte {at}": image[at : at + 32] for at in range(0, len(image) - 32, len(image) // 50)}
    wanted |= {"session": session.encode(), "session, as stored": session.encode("utf-16-le")}
    assert (profile / "Default").is_dir()
    assert found_in(profile, wanted) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """As it is, within other bytes, or compressed."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "plain").write_bytes(b"\0\0" + CHART + b"\0\0")
    (tmp_path / "cache" / "packed").write_bytes(b"head" + gzip.compress(TEXTS[0]) + b"tail")
    found = found_in(tmp_path, {"chart": CHART[500:600], "text": TEXTS[0], "absent": TEXTS[1]})
    assert found == [("text", "cache/packed"), ("chart", "cache/plain")]
