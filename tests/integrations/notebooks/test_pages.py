"""What notebooks are shown, in a real browser: nothing of a vault's text is obeyed, and all of it is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from browsers import browser_arguments, browser_path
from factories import make_account, make_image_entity, make_png, make_provider, make_report, make_trade, make_trades
from zorivest_async import ImageInfo
from zorivest_async.images import ImagePolicy, make_thumbnail
from zorivest_async.integrations.notebook import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

pytestmark = [pytest.mark.integrations, pytest.mark.timeout(120)]

ATTACKS = [
    "<script>window.owned = 1</script>",
    "</table></div><script>window.owned = 2</script>",
    '"><img src=x onerror="window.owned = 3">',
    "' onload='window.owned = 4' x='",
    "<svg onload=window.owned=5>",
    "<iframe srcdoc='<script>parent.owned = 6</script>'></iframe>",
    "<style>body { display: none }</style>",
    "&lt;script&gt;window.owned = 7&lt;/script&gt;",
    "javascript:window.owned=8",
    "<!-- --!><script>window.owned = 9</script>",
]


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page of a fresh browser."""
    path = browser_path()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be absent where the browser is

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=browser_arguments())
        yield browser.new_page(viewport={"width": 900, "height": 700})
        browser.close()


def put(page: Page, *values: Any, style: str = "") -> None:
    """Show values as a notebook does, below a line of its own."""
    shown = "".join(f"<section>{value._repr_html_()}</section>" for value in values)
    page.set_content(f"<!doctype html><meta charset=utf-8><body style='{style}'><h1>before</h1>{shown}<h2>after</h2>")


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_text(page: Page, attack: str) -> None:
    """No script runs, no element breaks out of its cell, and the text is seen as it was written."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith("data:") else None)
    image = make_image_entity(make_png(), caption=attack, owner_id=attack)
    info = ImageInfo(caption=attack, thumbnail=make_thumbnail(make_png(), 100, ImagePolicy()))
    values = [image, info, show([image]), show([info]), make_account(name=attack), make_report(tags=(attack,))]
    put(page, *values)
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("window.owned") is None
    assert complaints == []
    assert page.locator("section").count() == len(values)
    assert page.locator("body > h1 + section + section + section + section + section + section + h2").count() == 1
    assert page.locator("script, iframe, svg, style").count() == 0
    assert page.locator("img").count() == 3
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert page.get_by_role("cell", name=attack, exact=True).count() >= 5


def test_text_keeps_its_direction(page: Page) -> None:
    """A caption cannot turn what follows it, nor hide the end of its own name."""
    put(page, make_image_entity(make_png(), caption="\u202egnp.exe"), show(make_trades(1)))
    cell = page.get_by_role("cell", name="[U+202E]gnp.exe")
    assert cell.count() == 1
    assert page.evaluate("!/[\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.innerText)")


def test_decimal_points_stand_below_each_other(page: Page) -> None:
    """And headers stand above their numbers."""
    quantities = [100, 26.062, 0.125, 1234.5]
    put(page, show([make_trade(str(number), quantity=quantity) for number, quantity in enumerate(quantities)]))
    points = page.evaluate(
        """() => [...document.querySelectorAll("tbody tr td:nth-child(5)")].map((cell) => {
            const range = document.createRange(), text = cell.firstChild, point = text.data.indexOf(".");
            range.setStart(text, point); range.setEnd(text, point + 1);
            return range.getBoundingClientRect().left;
        })"""
    )
    assert len(points) == 4
    assert max(points) - min(points) < 1


@pytest.mark.parametrize(("background", "color"), [("white", "rgb(17, 17, 17)"), ("black", "rgb(238, 238, 238)")])
def test_colours_are_the_pages(page: Page, background: str, color: str) -> None:
    """On light and on dark; what is bought and what is sold can be read on both."""
    values = [show(make_trades(2)), make_trade(action="SLD"), make_provider(), make_image_entity(make_png())]
    put(page, *values, style=f"background:{background};color:{color}")
    used = page.evaluate("[...document.querySelectorAll('td, th')].map((cell) => getComputedStyle(cell).color)")
    assert set(used) == {color}
    for side in page.locator("td b").all():
        assert contrast(side.evaluate("side => getComputedStyle(side).color"), background) > 3


def contrast(color: str, background: str) -> float:
    """Return the contrast of a colour with white or black (WCAG 2.2, contrast ratio)."""
    levels = [int(level) / 255 for level in color.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
    luminance = sum(weight * level for weight, level in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05) if background == "white" else (luminance + 0.05) / 0.05


def test_a_wide_table_scrolls_by_itself(page: Page) -> None:
    """The page stays as wide as it was."""
    put(page, show([make_report(lessons_learned="x" * 200, emotional_state="y" * 200) for _ in range(3)]))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
