"""Paging and streaming: nothing twice and nothing missing, whatever is written meanwhile."""

from __future__ import annotations

import base64
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from factories import OPENING_BELL, make_trade, make_trades, minutes_later, refusal
from zorivest_async import InvalidQueryError, Page, SqlAlchemyUnitOfWork, Trade, TradeFilter

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

EVERYTHING = TradeFilter()


def names(trades: list[Trade]) -> list[str]:
    """Return the identifiers of trades."""
    return [trade.exec_id for trade in trades]


async def turn_pages(uow: SqlAlchemyUnitOfWork, size: int, wanted: TradeFilter = EVERYTHING) -> list[list[str]]:
    """Return the identifiers on all pages."""
    page = await uow.trades.page(wanted, size)
    pages = [names(page.items)]
    while page.next is not None:
        page = await uow.trades.page(wanted, size, page.next)
        pages.append(names(page.items))
    return pages


@pytest.mark.parametrize(
    ("size", "lengths"), [(1, [1] * 7), (3, [3, 3, 1]), (6, [6, 1]), (7, [7]), (8, [7]), (100, [7])]
)
@pytest.mark.parametrize("equal_times", [False, True], ids=["times differ", "times are equal"])
async def test_pages_join_to_the_listing(journal: Journal, size: int, lengths: list[int], equal_times: bool) -> None:
    """A full last page is not followed by an empty one."""
    moment: dict[str, Any] = {"time": OPENING_BELL} if equal_times else {}
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(make_trades(6, **moment))
        pages = await turn_pages(uow, size)
        assert [len(page) for page in pages] == lengths
        assert [name for page in pages for name in page] == names(await uow.trades.list_all())


async def test_an_empty_listing_is_one_empty_page(journal: Journal) -> None:
    """There is nothing after it."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.page(TradeFilter(account_id="absent")) == Page([])


async def test_a_page_has_a_hundred_trades_by_default(journal: Journal) -> None:
    """The size may be left out."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(make_trades(250))
        page = await uow.trades.page(EVERYTHING)
        assert len(page.items) == 100
        assert len((await uow.trades.page(EVERYTHING, after=page.next)).items) == 100


@pytest.mark.parametrize("equal_times", [False, True], ids=["times differ", "times are equal"])
async def test_pages_are_stable_while_trades_come_and_go(journal: Journal, equal_times: bool) -> None:
    """What is newer than the page does not push others onto the next one; even the page's last trade may be deleted."""
    moment: dict[str, Any] = {"time": OPENING_BELL} if equal_times else {}
    async with journal.unit_of_work() as uow:
        await uow.trades.delete("0001")
        await uow.trades.save_many(make_trades(9, first=10, **moment))
        first = await uow.trades.page(EVERYTHING, 3)
        assert names(first.items) == ["00018", "00017", "00016"]
        await uow.trades.save_many([make_trade("00099", time=moment.get("time", minutes_later(99)))])
        await uow.trades.delete("00016")
        second = await uow.trades.page(EVERYTHING, 3, first.next)
        assert names(second.items) == ["00015", "00014", "00013"]
        await uow.trades.save_many([make_trade("00012a", time=moment.get("time", minutes_later(12.5)))])
        third = await uow.trades.page(EVERYTHING, 3, second.next)
        assert names(third.items) == ["00012a", "00012", "00011"]
        last = await uow.trades.page(EVERYTHING, 3, third.next)
        assert (names(last.items), last.next) == (["00010"], None)


@pytest.mark.parametrize("exec_id", ["O'Brien", "%", "株 🚀", '"quoted"', "a\nb"])
async def test_any_identifier_can_end_a_page(journal: Journal, exec_id: str) -> None:
    """The token that stands for it is plain ASCII that needs no escaping in a URL but for its padding."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade(exec_id, time=minutes_later(1)))
        page = await uow.trades.page(EVERYTHING, 1)
        assert names(page.items) == [exec_id]
        assert page.next is not None
        assert page.next.replace("-", "").replace("_", "").rstrip("=").isalnum()
        assert page.next.isascii()
        assert names((await uow.trades.page(EVERYTHING, 1, page.next)).items) == ["0001"]


async def test_a_very_long_identifier_can_end_a_page(journal: Journal) -> None:
    """Its token is as long."""
    exec_id = "x" * 10_000
    async with journal.unit_of_work() as uow:
        await uow.trades.save(make_trade(exec_id, time=minutes_later(1)))
        page = await uow.trades.page(EVERYTHING, 1)
        assert names((await uow.trades.page(EVERYTHING, 1, page.next)).items) == ["0001"]


def token(content: Any) -> str:
    """Make a token as the library does, of something else."""
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).decode()


GENUINE = "2024-03-08 14:30:00.000000"


@pytest.mark.parametrize(
    "after",
    [
        "",
        "garbage",
        "!!!!",
        "é",
        "0001",
        token(""),
        token("not JSON"),
        token("null"),
        token("{}"),
        token([]),
        token([GENUINE]),
        token([GENUINE, "0001", "more"]),
        token({GENUINE: 1, "0001": 2}),
        token([0, "0001"]),
        token([None, "0001"]),
        token(["yesterday", "0001"]),
        token(["2024-13-08 14:30:00.000000", "0001"]),
        token([GENUINE, None]),
        token([GENUINE, 1]),
        token([GENUINE, ""]),
        token([GENUINE, ["0001"]]),
        token(f'["{GENUINE}", "\\ud800"]'),
        token(f'["{GENUINE}", "\\u0000"]'),
        token(f'["{GENUINE}","0001"]'),
        token([GENUINE, "0001"]) + "A",
        token([GENUINE, "0001"]) + "\n",
        token("[" * 100_000),
        token("9" * 10_000),
        7,
        b"garbage",
        ("2024", "0001"),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_only_the_token_of_a_page_is_taken(journal: Journal, after: Any) -> None:
    """Whatever else comes in through a URL is refused, and never read as another position."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        await uow.trades.page(EVERYTHING, 10, after)
    assert caught.value.entity == "Trade"


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "10", None])
async def test_a_page_has_at_least_one_trade(journal: Journal, size: Any) -> None:
    """A size that is not a positive whole number is refused."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        await uow.trades.page(EVERYTHING, size)
    assert "size" in str(caught.value)


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_200])
async def test_a_stream_is_the_listing(journal: Journal, count: int) -> None:
    """However many there are, around the limits of the slices too."""
    async with journal.unit_of_work() as uow:
        await uow.trades.delete("0001")
        await uow.trades.save_many(make_trades(count, time=OPENING_BELL))
        streamed = [trade async for trade in uow.trades.stream()]
        assert streamed == await uow.trades.list_all(None)
        assert len(streamed) == count


async def test_a_stream_holds_nothing_open(journal: Journal) -> None:
    """Other statements, commits among them, are fine between two trades; those it has passed may go."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(make_trades(1_100))
        streamed = []
        async for trade in uow.trades.stream():
            streamed.append(trade.exec_id)
            if len(streamed) in (1, 10, 500, 501, 600):
                await uow.trades.delete(trade.exec_id)
                await uow.trades.save(make_trade(f"new {len(streamed)}", time=minutes_later(5_000)))
                await uow.commit()
        assert streamed == [*names(make_trades(1_100))[:0:-1], "0001", "00000"]
        assert await uow.trades.count_filtered(EVERYTHING) == len(streamed)


async def test_a_stream_may_stop_early(journal: Journal) -> None:
    """Breaking off costs nothing: the unit of work goes on."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(make_trades(2_000))
        async with aclosing(uow.trades.stream()) as trades:
            assert (await anext(trades)).exec_id == "01999"
        await uow.trades.save(make_trade("0002"))
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        assert await uow.trades.count_filtered(EVERYTHING) == 2_002
