"""Values that came from a request: none of them is a bare error, or an error that a web service answers with 500.

A handler passes on what a client sent: an id of 2**63, a text that is no Unicode, ``null``, a list. Whatever it is, the
answer is a miss or an error that says what is wrong with it, and the unit of work stays usable.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

import pytest

from factories import make_image_entity, make_plan, make_png, make_provider, make_report, make_watchlist
from zorivest_async import (
    ForeignKeyError,
    ImageOwnerType,
    InvalidQueryError,
    NotFoundError,
    PlanStatus,
    SqlAlchemyUnitOfWork,
    TradeFilter,
    ValidationError,
    WatchlistItem,
)
from zorivest_async.analytics import GroupBy, performance, positions

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

Call = Callable[[SqlAlchemyUnitOfWork, Any], Awaitable[Any]]

LARGEST: Final = 2**63 - 1
NO_ROW_NUMBERS: Final = (2**63, -(2**63) - 1, 10**30, 10**5_000, 0, -1)
NO_TEXTS: Final = ("\ud800", "\0", "a" * 1_000_001)
NO_VALUES: Final = ([1], {"a": 1}, object(), (1,))

SAYS_WHAT_IS_WRONG: Final = (InvalidQueryError, NotFoundError, ForeignKeyError, ValidationError)
"""What ``error_handlers()`` of the web integration answers with 404, 409 and 422."""


async def _all(stream: Any) -> list[Any]:
    return [piece async for piece in stream]


def _methods(repository: str, *names: str) -> dict[str, Call]:
    def call_of(name: str) -> Call:
        return lambda uow, value: getattr(getattr(uow, repository), name)(value)

    return {f"{repository}.{name}": call_of(name) for name in names}


KEYED: Final = ("get", "get_one", "exists", "delete")

TAKES_ROW_NUMBER: Final[dict[str, Call]] = {
    **_methods("trade_reports", *KEYED),
    **_methods("trade_plans", *KEYED),
    **_methods("watchlists", *KEYED, "get_items", "remove_item"),
    **_methods("images", "get", "get_info", "get_thumbnail", "get_full_data", "delete"),
    "images.stream": lambda uow, value: _all(uow.images.stream(value)),
    "watchlists.add_item": lambda uow, value: uow.watchlists.add_item(value, WatchlistItem(ticker="SPY")),
    "images.get_for_owner": lambda uow, value: uow.images.get_for_owner(ImageOwnerType.REPORT, value),
    "images.list_for_owner": lambda uow, value: uow.images.list_for_owner(ImageOwnerType.PLAN, value),
    "images.delete_for_owner": lambda uow, value: uow.images.delete_for_owner(ImageOwnerType.REPORT, value),
    "images.save": lambda uow, value: uow.images.save(value, make_image_entity(), owner_type=ImageOwnerType.REPORT),
    "images.attach": lambda uow, value: uow.images.attach(ImageOwnerType.PLAN, value, make_png()),
}
"""Every method that takes a row number."""

TAKES_TEXT: Final[dict[str, Call]] = {
    **_methods("trades", *KEYED, "list_for_account"),
    **_methods("accounts", *KEYED),
    **_methods("market_provider_settings", *KEYED, "reveal_api_key"),
    **_methods("settings", "get", "delete"),
    **_methods("balance_snapshots", "get_latest", "list_for_account", "count_for_account"),
    **_methods("trade_reports", "get_for_trade"),
    **_methods("trade_plans", "count_for_account"),
    **_methods("watchlists", "exists_by_name"),
    **_methods("images", "get_for_trade"),
    "trades.get_many": lambda uow, value: uow.trades.get_many([value]),
    "trade_plans.list_all(ticker)": lambda uow, value: uow.trade_plans.list_all(ticker=value),
    "accounts.reassign_trades_to(source)": lambda uow, value: uow.accounts.reassign_trades_to(value, "U1"),
    "accounts.reassign_trades_to(target)": lambda uow, value: uow.accounts.reassign_trades_to("U1", value),
    "settings.set": lambda uow, value: uow.settings.set(value, 1),
    "search.find": lambda uow, value: uow.search.find(value),
    "trades.list_filtered(account_id)": lambda uow, value: uow.trades.list_filtered(TradeFilter(account_id=value)),
    "trades.list_filtered(instrument)": lambda uow, value: uow.trades.list_filtered(TradeFilter(instrument=value)),
    "trades.list_filtered(search)": lambda uow, value: uow.trades.list_filtered(TradeFilter(search=value)),
    "trades.list_filtered(tag)": lambda uow, value: uow.trades.list_filtered(TradeFilter(tag=value)),
    "trades.list_filtered(strategy)": lambda uow, value: uow.trades.list_filtered(TradeFilter(strategy=value)),
    "positions": lambda uow, value: positions(uow, TradeFilter(account_id=value)),
    "performance": lambda uow, value: performance(uow, TradeFilter(account_id=value)),
}
"""Every method that takes an identifier, or another text to look for."""

TAKES_CHOICE: Final[dict[str, Call]] = {
    "trades.list_filtered(sort)": lambda uow, value: uow.trades.list_filtered(TradeFilter(), value),
    "trades.list_filtered(trade_filter)": lambda uow, value: uow.trades.list_filtered(value),
    "trades.list_filtered(action)": lambda uow, value: uow.trades.list_filtered(TradeFilter(action=value)),
    "trades.count_filtered": lambda uow, value: uow.trades.count_filtered(value),
    "trades.page(trade_filter)": lambda uow, value: uow.trades.page(value),
    "trades.page(after)": lambda uow, value: uow.trades.page(TradeFilter(), after=value),
    "trades.save_many(on_duplicate)": lambda uow, value: uow.trades.save_many([], value),
    "trade_plans.list_all(status)": lambda uow, value: uow.trade_plans.list_all(status=value),
    "search.find(kinds)": lambda uow, value: uow.search.find("word", kinds=[value]),
    "images.get_for_owner": lambda uow, value: uow.images.get_for_owner(value, "0001"),
    "images.list_for_owner": lambda uow, value: uow.images.list_for_owner(value, "0001"),
    "images.delete_for_owner": lambda uow, value: uow.images.delete_for_owner(value, "0001"),
    "images.save": lambda uow, value: uow.images.save("0001", make_image_entity(), owner_type=value),
    "images.attach": lambda uow, value: uow.images.attach(value, "0001", make_png()),
    "performance(by)": lambda uow, value: performance(uow, by=value),
    "performance(time_zone)": lambda uow, value: performance(uow, by=GroupBy.DAY, time_zone=value),
    "performance(session_start)": lambda uow, value: performance(
        uow, by=GroupBy.DAY, time_zone="UTC", session_start=value
    ),
}
"""Every method that takes one of some values."""

COUNTS: Final[dict[str, tuple[int, Call]]] = {
    "trades.list_all(limit)": (0, lambda uow, value: uow.trades.list_all(value)),
    "trades.list_all(offset)": (0, lambda uow, value: uow.trades.list_all(1, value)),
    "trades.page(size)": (1, lambda uow, value: uow.trades.page(TradeFilter(), value)),
    "accounts.list_all(limit)": (0, lambda uow, value: uow.accounts.list_all(value)),
    "trade_plans.list_all(offset)": (0, lambda uow, value: uow.trade_plans.list_all(1, value)),
    "images.list_for_owner(limit)": (
        0,
        lambda uow, value: uow.images.list_for_owner(ImageOwnerType.TRADE, "0001", value),
    ),
    "images.get_thumbnail(max_size)": (1, lambda uow, value: uow.images.get_thumbnail(1, value)),
    "images.stream(chunk_size)": (1, lambda uow, value: _all(uow.images.stream(1, value))),
    "images.stream(start)": (0, lambda uow, value: _all(uow.images.stream(1, start=value))),
    "images.stream(stop)": (0, lambda uow, value: _all(uow.images.stream(1, stop=value))),
    "search.find(limit)": (0, lambda uow, value: uow.search.find("word", limit=value)),
}
"""Every kind of count, with its smallest value."""


@pytest.mark.parametrize("name", TAKES_ROW_NUMBER)
async def test_a_row_number_that_no_row_can_have_is_a_miss(journal: Journal, name: str) -> None:
    """2**63 answers as 999 does: ``None``, ``False``, nothing, or the error for what is not there."""
    call = TAKES_ROW_NUMBER[name]
    async with journal.unit_of_work() as uow:
        missing = await _outcome(call, uow, 999)
        for number in NO_ROW_NUMBERS:
            found = await _outcome(call, uow, number)
            assert found == missing or (number == 10**5_000 and found is InvalidQueryError), f"{number:.20}"
        assert await uow.trades.exists("0001")


async def _outcome(call: Call, uow: SqlAlchemyUnitOfWork, value: Any) -> Any:
    try:
        return await call(uow, value)
    except SAYS_WHAT_IS_WRONG as error:
        return type(error)


@pytest.mark.parametrize("name", [*TAKES_ROW_NUMBER, *TAKES_TEXT, *TAKES_CHOICE])
async def test_a_value_of_any_kind_is_a_miss_or_said_to_be_wrong(journal: Journal, name: str) -> None:
    """A text that is no Unicode, ``null``, a number, a list or an object in the place of a value is no bare error."""
    async with journal.unit_of_work() as uow:
        await _fill(uow)
        for calls in (TAKES_ROW_NUMBER, TAKES_TEXT, TAKES_CHOICE):
            for value in (*NO_TEXTS, "", "no such", *NO_VALUES, *NO_ROW_NUMBERS, None, True, 1.5, float("nan"), b"1"):
                if name in calls:
                    await _outcome(calls[name], uow, value)
        assert await uow.trades.exists("0001")
        await uow.commit()
    assert uow.outcome == "committed"


async def _fill(uow: SqlAlchemyUnitOfWork) -> None:
    await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png())
    await uow.trade_plans.save(make_plan())
    await uow.trade_reports.save(make_report("0001"))
    await uow.watchlists.save(make_watchlist("Tech"))
    await uow.market_provider_settings.save(make_provider("Alpha"))


@pytest.mark.parametrize("name", COUNTS)
async def test_the_bounds_of_counts_are_those_in_the_message(journal: Journal, name: str) -> None:
    """The smallest and the largest value of a count work; the next ones are refused by a message with both bounds."""
    smallest, call = COUNTS[name]
    async with journal.unit_of_work() as uow:
        await _fill(uow)
        await call(uow, smallest)
        await call(uow, LARGEST)
        for value in (smallest - 1, LARGEST + 1, 1.5, True, "5", float("nan"), [1]):
            with pytest.raises(InvalidQueryError, match=rf"a whole number from {smallest} to {LARGEST} "):
                await call(uow, value)


@pytest.mark.parametrize("word", ["plan", "no such", "", "\ud800", 5, None])
async def test_a_grouping_of_owners_that_does_not_exist_is_an_invalid_query(journal: Journal, word: Any) -> None:
    """Owners' kinds are named in the message; a kind that exists may be given by its text."""
    async with journal.unit_of_work(read_only=True) as uow:
        if word == "plan":
            assert await uow.images.list_for_owner(word, 1) == []
        else:
            with pytest.raises(InvalidQueryError, match="owner_type must be one of: trade, report, plan"):
                await uow.images.list_for_owner(word, 1)


@pytest.mark.parametrize(
    "asked",
    [
        {"time_zone": "Mars"},
        {"time_zone": "../../etc/passwd"},
        {"time_zone": "Europe"},
        {"time_zone": ""},
        {"time_zone": "a" * 10_000},
        {"time_zone": "\0"},
        {"time_zone": "\ud800"},
        {"time_zone": 5},
        {},
        {"by": "fortnight", "time_zone": "UTC"},
        {"by": ["day"], "time_zone": "UTC"},
        {"session_start": "18:00", "time_zone": "UTC"},
        {"session_start": time(18, tzinfo=UTC), "time_zone": "UTC"},
    ],
)
async def test_a_time_zone_or_grouping_that_does_not_exist_is_an_invalid_query(
    journal: Journal, asked: dict[str, Any]
) -> None:
    """The message says what is needed, and does not repeat what a visitor sent."""
    async with journal.unit_of_work(read_only=True) as uow:
        with pytest.raises(InvalidQueryError) as caught:
            await performance(uow, **{"by": GroupBy.DAY, **asked})
    assert not any(isinstance(value, str) and len(value) > 1 and value in str(caught.value) for value in asked.values())


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min,  # noqa: DTZ901 - a naive one
        datetime.max,  # noqa: DTZ901
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
        date(2024, 3, 8),
        "2024-03-08",
        float("inf"),
    ],
)
async def test_any_moment_is_looked_for_or_said_to_be_wrong(journal: Journal, moment: Any) -> None:
    """A filter takes the first and the last moment of the calendar, and refuses what is none with its own error."""
    async with journal.unit_of_work(read_only=True) as uow:
        for name in ("since", "until"):
            try:
                trade_filter = TradeFilter(**{name: moment})
            except ValidationError:
                continue
            assert await uow.trades.count_filtered(trade_filter) in (0, 1)
            assert len(await performance(uow, trade_filter)) in (0, 1)


@pytest.mark.parametrize(
    "parts",
    [
        ["2024-03-08\ud80014:30:00.000000", "0001"],
        ["2024-03-08 14:30:00.000000", "\ud800"],
        ["2024-03-08 14:30:00.000000", 2**63],
        [5, "0001"],
        ["2024-03-08 14:30:00.000000"],
        {"time": "2024-03-08 14:30:00.000000", "exec_id": "0001"},
        None,
    ],
)
async def test_a_cursor_that_was_tampered_with_is_an_invalid_query(journal: Journal, parts: Any) -> None:
    """A cursor is taken apart as carefully as any other value of a client."""
    token = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
    async with journal.unit_of_work(read_only=True) as uow:
        for after in (token, token[:-3], "[" * 100_000, "\ud800"):
            with pytest.raises(InvalidQueryError, match="after must be the next of an earlier page"):
                await uow.trades.page(TradeFilter(), after=after)


async def test_a_status_may_be_given_by_its_text(journal: Journal) -> None:
    """What a request carries is text, and enums of the library are texts."""
    async with journal.unit_of_work() as uow:
        await uow.trade_plans.save(make_plan(status=PlanStatus.ACTIVE))
        wanted: Any = "active"
        assert len(await uow.trade_plans.list_all(status=wanted)) == 1
