"""What a notebook is shown: tables with exact numbers, pictures, and nothing that a browser would obey."""

from __future__ import annotations

import base64
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from factories import (
    OPENING_BELL,
    TRICKY_TEXTS,
    make_account,
    make_image_entity,
    make_item,
    make_noise_png,
    make_picture,
    make_plan,
    make_png,
    make_provider,
    make_report,
    make_snapshot,
    make_trade,
    make_trades,
    make_watchlist,
    minutes_later,
    size_of_picture,
)
from zorivest_async import ConfigurationError, ImageInfo, SearchHit, SearchKind, Setting, TradeAction, TradeFilter
from zorivest_async.analytics import GroupBy, performance_of
from zorivest_async.images import make_thumbnail
from zorivest_async.images.policy import ImagePolicy
from zorivest_async.integrations.notebook import show

ENTITIES: list[Any] = [
    make_trade(),
    make_account(),
    make_image_entity(make_png()),
    ImageInfo(),
    make_report(),
    make_plan(),
    make_watchlist("Semiconductors", "NVDA", "AMD"),
    make_item(),
    make_snapshot(),
    make_provider(),
    Setting("key", {"a": [1.5, None]}, "json", OPENING_BELL),
    TradeFilter(instrument="SPY"),
]

HOSTILE = [
    "<script>alert(1)</script>",
    "</td></table></div><h1>out</h1>",
    '" onerror="alert(1)" x="',
    "' onmouseover='alert(1)",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "<!-- ",
    "]]>",
    *TRICKY_TEXTS,
]

ALLOWED_TAGS = {"div", "table", "thead", "tbody", "tr", "th", "td", "b", "span", "img"}
ALLOWED_ATTRIBUTES = {"style", "class", "scope", "colspan", "src", "alt"}


class Shown(HTMLParser):
    """The cells, texts and pictures of HTML, which must be balanced and hold nothing but a table."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        assert tag in ALLOWED_TAGS
        assert {name for name, _ in attrs} <= ALLOWED_ATTRIBUTES
        if tag == "img":
            self.images.append(dict(attrs))
            return
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Add to the cell that is open."""
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    @property
    def fields(self) -> dict[str, str]:
        """Of an entity."""
        return {row[0]: row[1] for row in self.rows if len(row) == 2}

    def column(self, title: str) -> list[str]:
        """Of a list."""
        place = self.rows[0].index(title)
        return [row[place] for row in self.rows[1:]]


def shown(value: Any) -> Shown:
    """Return what a notebook shows of a value."""
    return Shown(value._repr_html_())


def picture_in(image: dict[str, str | None]) -> tuple[str, bytes]:
    """Return the media type and the bytes of a picture."""
    head, _, data = str(image["src"]).partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(data)


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: type(entity).__name__)
def test_every_entity_is_a_table(entity: Any) -> None:
    """Its fields and their values, under the name of its class; its text repr is untouched."""
    assert repr(entity).startswith(f"{type(entity).__name__}(")
    if type(entity).__name__ != "Watchlist":  # which holds another table
        assert shown(entity).rows[0] == [type(entity).__name__]
        assert [*shown(entity).fields] == [*type(entity).__dataclass_fields__]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: type(entity).__name__)
def test_every_entity_is_a_row(entity: Any) -> None:
    """Also in lists, whatever they hold."""
    table = shown(show([entity, entity]))
    assert len(table.rows) == 3
    assert table.text.endswith("2 in all")


def test_numbers_are_exact() -> None:
    """They are what Python writes, digit for digit, alone and with their decimal points below each other."""
    quantities = [0.1 + 0.2, 100, 26.062, 1e-300, 123_456_789_012.25]
    trades = [make_trade(str(number), quantity=quantity) for number, quantity in enumerate(quantities)]
    assert [float(shown(trade).fields["quantity"]) for trade in trades] == quantities
    cells = shown(show(trades)).column("quantity")
    assert [cell.strip() for cell in cells] == [repr(float(quantity)) for quantity in quantities]
    assert len({len(cell) - cell.index(".") for cell in cells if "." in cell}) == 1


def test_what_is_known_of_units_is_said() -> None:
    """Moments are in UTC to the last digit that they have; sizes and durations have units."""
    trade = make_trade(time=OPENING_BELL.replace(microsecond=120))
    assert shown(trade).fields["time"] == "2024-03-08 14:30:00.000120 UTC"
    assert shown(show([trade])).column("time (UTC)") == ["2024-03-08 14:30:00.000120"]
    image = shown(make_image_entity(make_png(), width=320, height=180)).fields
    assert (image["width"], image["file_size"]) == ("320 px", f"{len(make_png())} bytes")
    assert shown(make_provider()).fields["timeout"] == "30 s"
    assert shown(make_report()).fields["setup_quality"] == "4 of 5"
    assert shown(make_report()).fields["execution_quality"] == "—"


def test_sides_are_told_apart() -> None:
    """By word and by colour."""
    bought, sold = (make_trade(action=action)._repr_html_() for action in TradeAction)
    assert ">BOT</b>" in bought
    assert ">SLD</b>" in sold
    assert bought.partition("<b")[2].partition(">")[0] != sold.partition("<b")[2].partition(">")[0]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_only_text(text: str) -> None:
    """Whatever a caption, a name or a setting says is shown as it is, in every place that shows it."""
    image = make_image_entity(make_png(), caption=text, owner_id=text)
    assert shown(image).fields["caption"] == text
    assert shown(image).images[0]["alt"] == text
    assert shown(show([image])).column("caption") == [text]
    assert shown(Setting("key", text, "str", OPENING_BELL)).fields["value"] == text
    shown(Setting("key", {text: [text]}, "json", OPENING_BELL))
    if not text.isspace():  # which no name and no tag is
        assert shown(make_account(name=text)).fields["name"] == text
        assert text in shown(make_report(tags=(text,))).fields["tags"]
        shown(show([make_watchlist(text, text)]))


def test_what_hides_in_text_is_named() -> None:
    """A control character, or one that turns the direction of text, is seen; what joins an emoji is left alone."""
    caption = "\u202egnp.\u2066exe\x1b[31m\ufeff 👩\u200d🚀"
    image = shown(make_image_entity(make_png(), caption=caption))
    assert image.fields["caption"] == "[U+202E]gnp.[U+2066]exe[U+001B][31m[U+FEFF] 👩\u200d🚀"
    assert image.images[0]["alt"] == "gnp.exe[31m 👩\u200d🚀"


def test_what_is_half_a_character_is_named() -> None:
    """Another program may have stored one, in JSON; no notebook could send or save it."""
    report = make_report()
    object.__setattr__(report, "tags", ("\ud83d", "\udc00"))
    for value in (report, show([report])):
        assert "[U+D83D], [U+DC00]" in shown(value).text
        assert value._repr_html_().encode()


def test_dollars_are_no_formula() -> None:
    """MathJax pairs them only within one element, so each has one of its own."""
    html = make_report(lessons_learned=r"bought $SPY and $QQQ \(x\)")._repr_html_()
    assert html.count("<span>$</span>") == 2
    assert "$" not in html.replace("<span>$</span>", "")
    assert "\\" not in html.replace("<span>\\</span>", "")


def test_long_texts_are_cut() -> None:
    """With a count of what is left out, so that a book in a note does not fill the notebook."""
    report = make_report(lessons_learned="x" * 1_000_000)
    assert shown(report).fields["lessons_learned"] == "x" * 2_000 + "… 998,000 more characters"
    assert shown(show([report])).column("lessons_learned") == ["x" * 200 + "… 999,800 more characters"]


def test_long_lists_are_cut() -> None:
    """At 50 rows, or as many as asked for; the rest is counted."""
    trades = make_trades(1_234)
    table = shown(show(trades))
    assert table.column("exec_id") == [trade.exec_id for trade in trades[:50]]
    assert table.text.endswith("… 1,184 more")
    assert len(shown(show(iter(trades), rows=3)).rows) == 4
    assert shown(show([])).text == "no rows"
    assert repr(show(trades)) == "<EntityTable of 1234>"


def test_empty_columns_are_left_out() -> None:
    """What no row has takes no room; what one row has is a column."""
    plans = [make_plan(), make_plan(entry_price=1.5)]
    titles = shown(show(plans)).rows[0]
    assert "entry_price" in titles
    assert "stop_loss" not in titles
    assert [cell.strip() for cell in shown(show(plans)).column("entry_price")] == ["—", "1.5"]


@pytest.mark.parametrize("entities", [[1], [make_trade(), make_account()], [make_trade(), "x"], "text"])
def test_only_entities_are_shown(entities: Any) -> None:
    """Of one class; a mistake is told at once."""
    with pytest.raises(ConfigurationError, match="entities of one class"):
        show(entities)


@pytest.mark.parametrize("rows", [0, -1, True, 1.5])
def test_rows_are_a_whole_number(rows: Any) -> None:
    """Of at least one."""
    with pytest.raises(ConfigurationError, match="rows must be a whole number"):
        show([], rows=rows)


def test_results_and_hits_are_tables() -> None:
    """What analytics and searching return in lists is shown as entities are, days and drawdowns in words."""
    trades = [make_trade(str(n), time=minutes_later(n), realized_pnl=result) for n, result in enumerate((5.5, -2.25))]
    days = performance_of(trades, [make_account()], by=GroupBy.DAY, time_zone="UTC")
    table = shown(show(days))
    assert table.column("group") == ["2024-03-08"]
    assert table.column("drawdown") == ["2.25 from 2024-03-08 14:30 to 2024-03-08 14:31"]
    hit = SearchHit(SearchKind.REPORT, 7, "lessons_learned", "<b>wait</b>", ((3, 7),), trade_id="0001")
    table = shown(show([hit]))
    assert (table.column("excerpt"), table.column("id")) == (["<b>wait</b>"], ["7"])
    assert "owner_id" not in table.rows[0]


def test_secrets_are_masked() -> None:
    """A provider's key is nowhere in what is shown, nor are an image's bytes in its text."""
    provider = make_provider(api_key="canary-api-key")
    assert shown(provider).fields["api_key"] == "********"
    for html in (provider._repr_html_(), show([provider])._repr_html_()):
        assert "canary" not in html
    image = make_image_entity(b"canary-bytes", thumbnail=b"canary-thumbnail")
    for html in (image._repr_html_(), show([image])._repr_html_()):
        assert "canary" not in html
        assert base64.b64encode(b"canary").decode()[:7] not in html


def test_a_watchlist_shows_its_items() -> None:
    """As a table of their own; in a list, their tickers."""
    watchlist = make_watchlist("Semiconductors", items=(make_item("NVDA", notes="after earnings"), make_item("AMD")))
    assert ["ticker", "notes", "added_at (UTC)"] in shown(watchlist).rows
    assert "after earnings" in shown(watchlist).text
    assert shown(show([watchlist])).column("items") == ["NVDA, AMD"]


@pytest.mark.parametrize(
    ("image_format", "mime_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/png"), ("WEBP", "image/png")],
)
def test_an_image_shows_itself(image_format: str, mime_type: str) -> None:
    """In a media type that every notebook knows, no longer than 800 px; the HTML holds the same picture."""
    image = make_image_entity(make_picture(1600, 900, image_format=image_format), caption="entry")
    bundle = image._repr_mimebundle_()
    assert [*bundle] == ["text/html", mime_type]
    picture = base64.b64decode(bundle[mime_type])
    assert size_of_picture(picture) == (mime_type.removeprefix("image/").upper(), 800, 450)
    assert picture_in(shown(image).images[0]) == (mime_type, picture)
    assert shown(image).fields["caption"] == "entry"


def test_a_small_image_keeps_its_size() -> None:
    """Nothing is blown up."""
    bundle = make_image_entity(make_png(320, 180))._repr_mimebundle_()
    assert size_of_picture(base64.b64decode(bundle["image/png"])) == ("PNG", 320, 180)


def test_what_is_shown_has_no_metadata() -> None:
    """A notebook is passed on; where a photograph was taken, and what was written into it, is not."""
    exif = Image.Exif()
    exif[0x010E] = "canary-description"
    exif[0x0112] = 6  # on its side
    buffer = BytesIO()
    Image.new("RGB", (64, 32)).save(buffer, "JPEG", exif=exif, comment=b"canary-comment", icc_profile=b"canary-profile")
    assert b"canary-comment" in buffer.getvalue()
    picture = base64.b64decode(make_image_entity(buffer.getvalue())._repr_mimebundle_()["image/jpeg"])
    assert size_of_picture(picture) == ("JPEG", 32, 64)
    assert b"canary" not in picture


def test_image_info_shows_its_thumbnail() -> None:
    """Where it carries one; otherwise it is a table."""
    thumbnail = make_thumbnail(make_png(), 100, ImagePolicy())
    info = ImageInfo(owner_id="0001", caption="entry", file_size=12, thumbnail=thumbnail)
    bundle = info._repr_mimebundle_()
    assert size_of_picture(base64.b64decode(bundle["image/png"])) == ("PNG", 100, 56)
    assert shown(info).fields | {"caption": "entry", "owner_id": "0001", "file_size": "12 bytes"} == shown(info).fields
    bare = replace(info, thumbnail=None)
    assert [*bare._repr_mimebundle_()] == ["text/html"]
    assert shown(bare).images == []
    assert [picture_in(image)[0] for image in shown(show([bare, info])).images] == ["image/png"]


def bomb() -> bytes:
    """Return a small PNG that announces 169 million pixels."""
    picture = bytearray(make_png(13, 13))
    picture[16:24] = (13_000).to_bytes(4, "big") * 2
    return bytes(picture)


@pytest.mark.parametrize(
    "data",
    [b"junk", make_noise_png()[:-20], bomb(), b"GIF89a", b"<svg onload='alert(1)'/>", b"\xff\xd8\xff\xe0junk"],
    ids=["junk", "cut", "bomb", "gif", "svg", "jpeg"],
)
def test_what_cannot_be_decoded_is_described(data: bytes) -> None:
    """As an original and as a thumbnail, alone and in a list; nothing is raised, and none of it is passed on."""
    for image in (make_image_entity(data), ImageInfo(thumbnail=data), make_image_entity(data, thumbnail=data)):
        assert [*image._repr_mimebundle_()] == ["text/html"]
        assert shown(image).images == []
        assert shown(image).text.startswith("cannot be shown: ")
        assert shown(show([image])).images == []


def test_what_are_no_bytes_is_no_picture() -> None:
    """Another program may have stored a text or a number there; it is escaped, alone and in a list."""
    info = ImageInfo(caption="chart")
    for stored in ("<svg onload=alert(1)>", 5):
        object.__setattr__(info, "thumbnail", stored)
        for value in (info, show([info])):
            assert shown(value).images == []
            assert str(stored) in shown(value).text


def test_a_large_thumbnail_is_not_decoded_in_a_list() -> None:
    """There may be many of them; alone it is a picture."""
    info = ImageInfo(thumbnail=make_png(1100, 1000))
    assert shown(show([info])).images == []
    assert len(shown(info).images) == 1


def test_a_damaged_original_leaves_the_thumbnail() -> None:
    """Which is shown instead."""
    image = make_image_entity(b"junk", thumbnail=make_thumbnail(make_png(), 100, ImagePolicy()))
    assert size_of_picture(picture_in(shown(image).images[0])[1]) == ("PNG", 100, 56)


def test_moments_of_a_list_differ() -> None:
    """Each row has its own, newest or oldest first as the list has them."""
    trades = [make_trade(str(minute), time=minutes_later(minute)) for minute in (5, 1)]
    assert shown(show(trades)).column("time (UTC)") == ["2024-03-08 14:35:00", "2024-03-08 14:31:00"]
