"""Searching the texts of a journal."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from factories import (
    TEXT_DELETIONS,
    make_account,
    make_plan,
    make_png,
    make_report,
    make_trade,
    make_watchlist,
    refusal,
    store_a_text_everywhere,
)
from zorivest_async import (
    ImageOwnerType,
    InvalidQueryError,
    SearchHit,
    SearchKind,
    SqlAlchemyUnitOfWork,
)
from zorivest_async.database.models import TradeReportModel, WatchlistModel
from zorivest_async.domain.validation import LARGEST_INTEGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from implementations import Journal

pytestmark = pytest.mark.asyncio

TRADE = ImageOwnerType.TRADE


@pytest_asyncio.fixture
async def noted(empty_journal: Journal) -> Journal:
    """A journal with a text of its own in every field that has any; everything with a number has the number 1."""
    await store_a_text_everywhere(empty_journal)
    return empty_journal


async def found(journal: Journal, query: str, **arguments: Any) -> list[tuple[SearchKind, int | str]]:
    """Return the kinds and identifiers of what another unit of work finds."""
    async with journal.unit_of_work(read_only=True) as uow:
        return [(hit.kind, hit.id) for hit in await uow.search.find(query, **arguments)]


async def save_notes(journal: Journal, *notes: str) -> None:
    """Store accounts with these notes and the numbers 0, 1, 2 for identifiers."""
    async with journal.unit_of_work() as uow:
        for number, note in enumerate(notes):
            await uow.accounts.save(make_account(str(number), notes=note))
        await uow.commit()


def marked(hit: SearchHit) -> str:
    """Return an excerpt with its matches in brackets."""
    shown, end = "", 0
    for start, stop in hit.matches:
        assert end <= start < stop <= len(hit.excerpt)
        shown += f"{hit.excerpt[end:start]}[{hit.excerpt[start:stop]}]"
        end = stop
    return shown + hit.excerpt[end:]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("alpha", SearchHit(SearchKind.ACCOUNT, "U2", "notes", "alpha money for a house", ((0, 5),))),
        (
            "bravo",
            SearchHit(SearchKind.REPORT, 1, "lessons_learned", "bravo: wait for the close", ((0, 5),), trade_id="0001"),
        ),
        (
            "charlie",
            SearchHit(
                SearchKind.IMAGE, 1, "caption", "charlie at the open", ((0, 7),), owner_type=TRADE, owner_id="0001"
            ),
        ),
        ("delta", SearchHit(SearchKind.PLAN, 1, "strategy_name", "delta neutral", ((0, 5),))),
        ("echo", SearchHit(SearchKind.PLAN, 1, "strategy_description", "echo of an older idea", ((0, 4),))),
        ("foxtrot", SearchHit(SearchKind.PLAN, 1, "entry_conditions", "foxtrot above the average", ((0, 7),))),
        ("golf", SearchHit(SearchKind.PLAN, 1, "exit_conditions", "golf below it", ((0, 4),))),
        ("juliett", SearchHit(SearchKind.TRADE, "0020", "notes", "juliett was a fat finger", ((0, 7),))),
        ("hotel", SearchHit(SearchKind.WATCHLIST, 1, "description", "hotel chains", ((0, 5),))),
        (
            "india",
            SearchHit(SearchKind.WATCHLIST_ITEM, 1, "notes", "india is where it sells", ((0, 5),), watchlist_id=1),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_text_is_found(noted: Journal, query: str, expected: SearchHit) -> None:
    """With what is needed to get what it belongs to."""
    async with noted.unit_of_work(read_only=True) as uow:
        assert await uow.search.find(query) == [expected]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("breakout", "012"),
        ("BREAKOUT Naïve", "0"),
        ("break", "012"),  # as one types
        ("break ", ""),  # the word has ended
        ('"break"', ""),
        ("brea failed", ""),  # only the last word may be unfinished
        ("failed brea", "1"),
        ("breakout volume", "2"),
        ("breakout nowhere", ""),
        ('"failed breakout"', "1"),
        ('"breakout failed"', ""),
        ('"failed break', "1"),  # the quote is still open
        ('"failed break ', ""),
        ('volume "breakout without"', "2"),
        ("stop-loss", "1"),
        ("stop loss", "12"),
        ('"stop loss"', "1"),
        ("don't", "1"),
        ("nai\u0308ve " * 30, "0"),
        ("ueber", ""),
        ("uber", "0"),
        ("株式", "2"),  # a script without blanks is found by the beginning of what stands between two
        ("式", ""),
        ("moon", "2"),
        ("🚀", ""),
        ("3.14", "0"),
    ],
)
async def test_words_are_found_as_people_type_them(empty_journal: Journal, query: str, expected: str) -> None:
    """All of them, whatever their case and accents, in phrases between quotes; the last may be the beginning of one."""
    await save_notes(
        empty_journal,
        "A nai\u0308ve breakout über 3.14",
        "Failed breakout: don't move the stop-loss",
        "Breakout without volume, loss at the stop 🚀moon 株式会社",
    )
    assert sorted(str(key) for _, key in await found(empty_journal, query)) == list(expected)


async def test_the_words_of_a_plan_may_be_in_different_fields(noted: Journal) -> None:
    """The hit tells of the field that has the most of them."""
    async with noted.unit_of_work(read_only=True) as uow:
        (hit,) = await uow.search.find("delta older idea")
    assert (hit.field, marked(hit)) == ("strategy_description", "echo of an [older] [idea]")


async def test_an_excerpt_is_the_part_of_a_text_that_matters(empty_journal: Journal) -> None:
    """As plain text: what looks like markup, or like a mark, stays what it is."""
    await save_notes(empty_journal, "word " * 200 + "<b>the \x01[mark\x01]\x01- needle</b> & [more]" + " word" * 200)
    async with empty_journal.unit_of_work(read_only=True) as uow:
        (hit,) = await uow.search.find("needle more")
    assert hit.excerpt.startswith("…")
    assert hit.excerpt.endswith("…")
    assert "<b>the \x01[mark\x01]\x01- [needle]</b> & [[more]]" in marked(hit)
    assert len(hit.excerpt.split()) < 40


async def test_an_excerpt_is_short_whatever_stands_between_words(empty_journal: Journal) -> None:
    """Nothing of FTS5's marks is left where it was cut."""
    async with empty_journal.unit_of_work() as uow:
        for blanks in range(3_900, 4_010):
            await uow.accounts.save(make_account(str(blanks), notes=f"needle{' ' * blanks}needle"))
        hits = await uow.search.find("needle", limit=None)
    assert len(hits) == 110
    for hit in hits:
        assert len(hit.excerpt) <= 4_000
        assert re.fullmatch(r"\[needle\] +(\[n?e?e?d?l?e?\])?", marked(hit))


PADDING = "on and on " * 2_000


@pytest.mark.parametrize(
    ("note", "query", "expected"),
    [
        (f"Needle {PADDING}", "needle", f"[Needle] {PADDING[:292]}…"),
        (f"{PADDING}needless needle", "needle ", f"…{PADDING[-62:]}needless [needle]"),
        (f"needles{PADDING}the pin, the needle", "pin need", f"…{PADDING[-49:]}the [pin], the [needle]"),
        (f"{PADDING}old needle; needle, old", '"old needle"', f"…{PADDING[-58:]}[old needle]; needle, old"),
        (f"na\u00efve nai\u0308ve {PADDING}", "NAIVE", f"[na\u00efve] [nai\u0308ve] {PADDING[:286]}…"),
        (f"pinneedle{PADDING}a needle", "needle", f"…{PADDING[-60:]}a [needle]"),
    ],
)
async def test_a_long_text_has_its_excerpt_from_where_the_word_is(
    empty_journal: Journal, note: str, query: str, expected: str
) -> None:
    """A short one, made without FTS5's help, and marked as every other."""
    await save_notes(empty_journal, note)
    async with empty_journal.unit_of_work(read_only=True) as uow:
        (hit,) = await uow.search.find(query)
    assert marked(hit) == expected


@pytest.mark.parametrize("query", ["a", "a ", "a b", '"a a', f'"{"a " * 31}a"'])
async def test_the_longest_text_that_is_nothing_but_the_word_is_found(empty_journal: Journal, query: str) -> None:
    """FTS5 would compare each of its 500,000 words with all others, for many minutes."""
    await save_notes(empty_journal, "b " + "a " * 499_998)
    async with empty_journal.unit_of_work(read_only=True) as uow:
        (hit,) = await uow.search.find(query)
    assert hit.matches
    assert len(hit.excerpt) <= 302


async def test_the_best_come_first_and_equals_in_their_order(empty_journal: Journal) -> None:
    """More of the word in less of a text is better; then by kind and identifier, so that pages follow each other."""
    await save_notes(empty_journal, "gap in a long text about other things", "gap", "gap gap", "gap")
    async with empty_journal.unit_of_work() as uow:
        for number in (10, 9):
            await uow.watchlists.save(make_watchlist(description="gap", id=number))
        await uow.commit()
    expected = [
        (SearchKind.ACCOUNT, "2"),
        (SearchKind.ACCOUNT, "1"),
        (SearchKind.ACCOUNT, "3"),
        (SearchKind.WATCHLIST, 9),
        (SearchKind.WATCHLIST, 10),
        (SearchKind.ACCOUNT, "0"),
    ]
    assert await found(empty_journal, "gap") == expected
    for size in (1, 2, 4):
        assert [
            hit for start in range(0, 6, size) for hit in await found(empty_journal, "gap", limit=size, offset=start)
        ] == expected
    assert await found(empty_journal, "gap", limit=None, offset=4) == expected[4:]
    assert await found(empty_journal, "gap", limit=0) == []
    async with empty_journal.unit_of_work() as uow:
        await uow.search.rebuild()
        await uow.commit()
    assert await found(empty_journal, "gap") == expected


async def test_kinds_narrow_a_search(noted: Journal) -> None:
    """To one or several; to none, and nothing is found."""
    everything = await found(noted, "a")
    for kind in SearchKind:
        assert await found(noted, "a", kinds=[kind]) == [hit for hit in everything if hit[0] == kind]
    assert await found(noted, "a", kinds=iter([SearchKind.PLAN, SearchKind.IMAGE])) == [
        hit for hit in everything if hit[0] in (SearchKind.PLAN, SearchKind.IMAGE)
    ]
    assert await found(noted, "alpha", kinds=[]) == []


@pytest.mark.parametrize(
    ("query", "arguments", "problem"),
    [
        ("x" * 1_001, {}, "1,001 characters; at most 1,000"),
        ("x" * 1_000_000, {}, "1,000,000 characters; at most 1,000"),
        ("a " * 33, {}, "33 words; at most 32"),
        ("a-" * 33, {}, "33 words; at most 32"),
        ("word " * 10_000, {}, "at most 1,000"),
        ("a\0b", {}, "NUL"),
        ("\ud800", {}, "surrogates"),
        (b"bytes", {}, "must be a string, not bytes"),
        (None, {}, "must be a string, not NoneType"),
        ("a", {"kinds": ["setting"]}, "SearchKind"),
        ("a", {"kinds": SearchKind.PLAN}, "SearchKind"),
        ("a", {"kinds": 7}, "SearchKind"),
        ("", {"kinds": ["setting"]}, "SearchKind"),
        ("a", {"limit": -1}, "limit must be"),
        ("a", {"offset": 2**63}, "offset must be"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    empty_journal: Journal, query: Any, arguments: dict[str, Any], problem: str
) -> None:
    """With an error that says why; the unit of work goes on."""
    async with refusal(empty_journal, InvalidQueryError) as (uow, caught):
        await uow.search.find(query, **arguments)
    assert problem in str(caught.value)


@pytest.mark.parametrize("query", ["", " ", '"', '""', '" "', "!!!", "* ^ -", "...*", '"!!!"', "🚀 🚀", "\u0301"])
async def test_a_query_without_a_word_finds_nothing(noted: Journal, query: str) -> None:
    """It is no error: a search box is empty before something is typed."""
    assert await found(noted, query) == []


@pytest.mark.parametrize(
    "query",
    [
        "alpha*",
        "^alpha",
        "notes: alpha",
        "alpha)",
        "(alpha",
        "-alpha",
        "+alpha",
        "{alpha}",
        "alpha;--",
        "'alpha'",
        '"alpha',
        'alpha"',
        '"alpha""',
        '"" alpha',
        "!!! alpha ...",
        "alpha \u2028",
        "alpha alpha ALPHA alpha!",
        "alpha " * 32,
        "alpha" + "." * 990,
        "alpha 🚀",
    ],
)
async def test_nothing_but_quotes_and_blanks_has_a_meaning(noted: Journal, query: str) -> None:
    """Whatever FTS5 would make of it."""
    expected = [] if query.startswith("notes") else [(SearchKind.ACCOUNT, "U2")]
    assert await found(noted, query) == expected


@pytest.mark.parametrize("query", ["alpha AND house", "alpha OR bravo", "alpha NOT nothing", "NEAR(alpha house, 2)"])
async def test_operators_are_words(noted: Journal, query: str) -> None:
    """Which these texts do not have."""
    assert await found(noted, query) == []


NOTES = (
    "ab ba abb",
    "a-b ab.ba",
    "AB b A",
    "bb aa; aab",
    "a a b b a",
    "0 a0 0a b0b",
    "ba",
)
HOSTILE = st.text("abAB0 \"'*^:(){}+-.,\t", max_size=14)


def words_of(string: str) -> list[str]:
    """Return the words of ASCII text."""
    return re.findall("[a-z0-9]+", string.lower())


def expected_hits(query: str) -> list[str]:
    """Return the identifiers of the notes that a query finds, by plain Python."""
    parts = query.split('"')
    phrases = [words_of(p) for n, part in enumerate(parts) for p in ([part.strip()] if n % 2 else part.split())]
    if not any(phrases):
        return []
    unfinished = bool(query) and not query[-1].isspace() and query[-1] != '"'

    def has(words: list[str], phrase: list[str], *, beginning: bool) -> bool:
        stretches = (words[start : start + len(phrase)] for start in range(len(words) - len(phrase) + 1))
        return any(
            stretch[:-1] == phrase[:-1]
            and (stretch[-1].startswith(phrase[-1]) if beginning else stretch[-1] == phrase[-1])
            for stretch in stretches
        )

    return [
        str(number)
        for number, note in enumerate(NOTES)
        if all(
            not phrase or has(words_of(note), phrase, beginning=unfinished and place == len(phrases) - 1)
            for place, phrase in enumerate(phrases)
        )
    ]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=HOSTILE)
@example(query='a "b')
@example(query="a a!")
async def test_any_query_finds_what_plain_python_finds(empty_journal: Journal, query: str) -> None:
    """And marks no more, and no less, than words."""
    async with empty_journal.unit_of_work() as uow:
        if not await uow.accounts.count_all():
            for number, note in enumerate(NOTES):
                await uow.accounts.save(make_account(str(number), notes=note))
            await uow.commit()
        hits = await uow.search.find(query, limit=None)
    assert sorted(str(hit.id) for hit in hits) == expected_hits(query)
    for hit in hits:
        assert hit.excerpt == NOTES[int(hit.id)]
        assert hit.matches
        assert "[" in marked(hit)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=40), note=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
async def test_any_text_in_the_world_is_safe(empty_journal: Journal, query: str, note: str) -> None:
    """As a query it finds something or nothing, or is refused; stored, its excerpt is a part of it."""
    async with empty_journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("text", notes=f"{note} needle"))
        (hit,) = await uow.search.find("needle", limit=1)
        assert hit.excerpt.strip("…") in f"{note} needle"
        assert [hit.excerpt[start:end] for start, end in hit.matches][-1].lower().endswith("needle")
        try:
            await uow.search.find(query)
        except InvalidQueryError:
            assert re.search("[\0\ud800-\udfff]", query)


async def test_a_change_is_found_in_its_own_unit_of_work_alone(noted: Journal) -> None:
    """Others find it once it is committed; what is rolled back is gone."""
    async with noted.unit_of_work() as uow:
        report = await uow.trade_reports.get_one(1)
        await uow.trade_reports.update(replace(report, lessons_learned="zulu instead"))
        assert [hit.id for hit in await uow.search.find("zulu")] == [1]
        assert await uow.search.find("bravo") == []
        assert await found(noted, "zulu") == []
        assert await found(noted, "bravo") == [(SearchKind.REPORT, 1)]
        await uow.rollback()
        assert await uow.search.find("zulu") == []
        assert [hit.id for hit in await uow.search.find("bravo")] == [1]
        with pytest.raises(RuntimeError):  # noqa: PT012 - the block undoes what is before the error
            async with uow.savepoint():
                await uow.trade_reports.update(replace(report, lessons_learned="yankee"))
                raise RuntimeError
        assert await uow.search.find("yankee") == []
        await uow.trade_reports.update(replace(report, lessons_learned="zulu instead"))
        await uow.commit()
    assert await found(noted, "zulu") == [(SearchKind.REPORT, 1)]


async def test_a_reader_searches_the_state_it_began_with(noted: Journal) -> None:
    """Its index is of the same moment as its tables."""
    async with noted.unit_of_work(read_only=True) as reader:
        assert await reader.trade_plans.exists(1)

        async def write() -> None:
            async with noted.unit_of_work() as uow:
                await uow.trade_plans.delete(1)
                await uow.trade_reports.save(make_report("0002", lessons_learned="delta"))
                await uow.commit()

        async with noted.unit_of_work() as uow:
            await uow.trades.save(make_trade("0002"))
            await uow.commit()
        await asyncio.create_task(write())
        assert [hit.kind for hit in await reader.search.find("delta")] == [SearchKind.PLAN]
    assert await found(noted, "delta") == [(SearchKind.REPORT, 2)]


@pytest.mark.parametrize(("query", "delete"), TEXT_DELETIONS.values(), ids=TEXT_DELETIONS)
async def test_what_is_deleted_is_found_no_more(
    noted: Journal, query: str, delete: Callable[[SqlAlchemyUnitOfWork], Any]
) -> None:
    """With all that goes with it."""
    assert await found(noted, query)
    async with noted.unit_of_work() as uow:
        await delete(uow)
        assert await uow.search.find(query) == []
        await uow.commit()
    assert await found(noted, query) == []


async def test_what_the_session_writes_is_found(noted: Journal) -> None:
    """Flushed before the search, with what its relationships delete."""
    async with noted.unit_of_work() as uow:
        report = await uow.session.get_one(TradeReportModel, 1)
        report.lessons_learned = "zulu"
        assert [hit.trade_id for hit in await uow.search.find("zulu")] == ["0001"]
        watchlist = await uow.session.get_one(WatchlistModel, 1)
        await uow.session.refresh(watchlist, ["items"])
        await uow.session.delete(watchlist)
        assert await uow.search.find("hotel") == await uow.search.find("india") == []
        await uow.commit()


async def test_the_largest_row_number_is_found(journal: Journal) -> None:
    """Identifiers are what they are, text with digits included."""
    async with journal.unit_of_work() as uow:
        await uow.trade_reports.save(make_report(id=LARGEST_INTEGER, lessons_learned="zulu"))
        await uow.accounts.save(make_account("01", notes="zulu"))
        await uow.accounts.save(make_account("1", notes="zulu"))
        await uow.commit()
    assert await found(journal, "zulu") == [
        (SearchKind.ACCOUNT, "01"),
        (SearchKind.ACCOUNT, "1"),
        (SearchKind.REPORT, LARGEST_INTEGER),
    ]


async def test_saving_gives_the_number_of_the_row_and_not_of_the_index(journal: Journal) -> None:
    """Which the triggers write to in between."""
    async with journal.unit_of_work() as uow:
        for _ in range(3):
            await uow.accounts.delete("U2")
            await uow.accounts.save(make_account("U2", notes="zulu"))
        assert await uow.trade_reports.save(make_report(lessons_learned="zulu")) == 1
        assert await uow.trade_plans.save(make_plan(strategy_name="zulu")) == 1
        assert await uow.images.attach(TRADE, "0001", make_png(), caption="zulu") == 1
        await uow.commit()
