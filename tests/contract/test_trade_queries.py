"""Finding trades: every filter and every order, against plain Python over the same trades."""

from __future__ import annotations

import string
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factories import make_account, make_plan, make_report, make_trade, minutes_later, refusal
from zorivest_async import AssetClass, InvalidQueryError, Trade, TradeAction, TradeFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from implementations import Journal

pytestmark = pytest.mark.asyncio

ACCOUNTS = ["U1", "u%2", "Ü_3"]
INSTRUMENTS = ["SPY", "spy", "S%Y", "S_Y", "BRK B", "O'NEIL", "ÄÖÜ", "äöü", "株", "\\"]
TRADES = [
    make_trade(
        f"{number:03}{'abAB%_é'[number % 7]}",
        time=minutes_later(number * 7 % 11),
        instrument=INSTRUMENTS[number % len(INSTRUMENTS)],
        action=TradeAction.BOT if number % 3 else TradeAction.SLD,
        quantity=1 + number % 4,
        price=number % 5 - 2,
        account_id=ACCOUNTS[number % len(ACCOUNTS)],
        commission=number % 2 / 4,
        realized_pnl=-number / 3,
        currency=(None, "EUR", "USD")[number % 5 % 3],
        asset_class=(None, *AssetClass)[number % 4],
    )
    for number in range(60)
]
TAGS = [("gap", "late"), ("Gap",), ("a%b", 'say "when"'), (), ("late", "late")]
REPORTS = {trade.exec_id: make_report(trade.exec_id, tags=TAGS[n % len(TAGS)]) for n, trade in enumerate(TRADES[::3])}
STRATEGIES = ["fade", "Fade", None, "o'neil"]
PLANS = [
    make_plan(linked_trade_id=trade.exec_id, strategy_name=STRATEGIES[(n + more) % len(STRATEGIES)])
    for n, trade in enumerate(TRADES[::4])
    for more in (0, 1)
]
FIELDS = Trade.__match_args__
LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@pytest_asyncio.fixture
async def traded(empty_journal: Journal) -> Journal:
    """A journal with sixty trades that share accounts, instruments, moments and letters."""
    async with empty_journal.unit_of_work() as uow:
        for account_id in ACCOUNTS:
            await uow.accounts.save(make_account(account_id, currency="EUR" if account_id == "U1" else "USD"))
        await uow.trades.save_many(TRADES)
        for report in REPORTS.values():
            await uow.trade_reports.save(report)
        for plan in [*PLANS, make_plan(strategy_name="fade")]:
            await uow.trade_plans.save(plan)
        await uow.commit()
    return empty_journal


def strategies_of(trade: Trade) -> set[str | None]:
    """Return the strategies of the plans that led to a trade."""
    return {plan.strategy_name for plan in PLANS if plan.linked_trade_id == trade.exec_id}


def lets_through(wanted: TradeFilter, trade: Trade) -> bool:
    """Apply a filter as its documentation says."""
    searched = (text.translate(LOWER) for text in (trade.instrument, trade.exec_id, trade.account_id))
    return (
        wanted.account_id in (None, trade.account_id)
        and wanted.instrument in (None, trade.instrument)
        and wanted.action in (None, trade.action)
        and (wanted.since is None or trade.time >= wanted.since)
        and (wanted.until is None or trade.time < wanted.until)
        and (wanted.search is None or any(wanted.search.translate(LOWER) in text for text in searched))
        and (not wanted.tag or wanted.tag in getattr(REPORTS.get(trade.exec_id), "tags", ()))
        and wanted.asset_class in (None, trade.asset_class)
        and wanted.currency in (None, trade.currency or ("EUR" if trade.account_id == "U1" else "USD"))
        and (not wanted.strategy or wanted.strategy in strategies_of(trade))
    )


def place_by(field: str) -> Callable[[Trade], tuple[bool, Any, str]]:
    """Return the key that sorts trades by a field; ``None`` is less than any value."""

    def place(trade: Trade) -> tuple[bool, Any, str]:
        value = getattr(trade, field)
        return value is not None, "" if value is None else value, trade.exec_id

    return place


def newest_first(wanted: TradeFilter) -> list[Trade]:
    """Return the trades that a filter lets through, in the order of all listings."""
    return sorted((t for t in TRADES if lets_through(wanted, t)), key=attrgetter("time", "exec_id"), reverse=True)


MOMENTS = st.integers(-1, 12).map(minutes_later)
FILTERS = st.builds(
    TradeFilter,
    account_id=st.none() | st.sampled_from([*ACCOUNTS, "absent"]),
    instrument=st.none() | st.sampled_from([*INSTRUMENTS, "absent"]),
    action=st.none() | st.sampled_from(TradeAction),
    since=st.none() | MOMENTS,
    until=st.none() | MOMENTS,
    search=st.none()
    | st.sampled_from(["", "s", "B", "%", "_", "'", "é", "É", "Ü", "0", "05", " ", "\\"])
    | st.text("sSpY%_", max_size=2),
    tag=st.none() | st.sampled_from(["", "gap", "Gap", "late", "a%b", 'say "when"', "absent", "ga"]),
    asset_class=st.none() | st.sampled_from([AssetClass.STOCK, AssetClass.ETF, AssetClass.CFD]),
    currency=st.none() | st.sampled_from(["EUR", "USD", "JPY"]),
    strategy=st.none() | st.sampled_from(["", "fade", "Fade", "o'neil", "absent"]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=FILTERS, sort=st.sampled_from([*FIELDS, *(f"-{field}" for field in FIELDS)]))
async def test_every_combination_of_filters_finds_what_plain_python_finds(
    traded: Journal, wanted: TradeFilter, sort: str
) -> None:
    """Listing, counting, paging and streaming agree on which trades a filter lets through."""
    expected = newest_first(wanted)
    field, descending = sort.removeprefix("-"), sort.startswith("-")
    async with traded.unit_of_work(read_only=True) as uow:
        assert await uow.trades.list_filtered(wanted, limit=None) == expected
        assert await uow.trades.list_filtered(wanted, sort, limit=None) == sorted(
            expected, key=place_by(field), reverse=descending
        )
        assert await uow.trades.count_filtered(wanted) == len(expected)
        assert (await uow.trades.page(wanted, 60)).items == expected
        assert [trade async for trade in uow.trades.stream(wanted)] == expected


@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("field", FIELDS)
async def test_every_field_sorts_both_ways(traded: Journal, field: str, direction: str) -> None:
    """Equal ones are ordered by identifier, in the same direction, so that windows of the order join.

    ``None`` is less than any value.
    """
    expected = sorted(TRADES, key=place_by(field), reverse=bool(direction))
    async with traded.unit_of_work(read_only=True) as uow:
        assert await uow.trades.list_filtered(TradeFilter(), direction + field, limit=None) == expected
        windows = [
            await uow.trades.list_filtered(TradeFilter(), direction + field, 25, offset) for offset in (0, 25, 50)
        ]
        assert [trade for window in windows for trade in window] == expected


@pytest.mark.parametrize("sort", ["", "-", "--time", "+time", "TIME", "id", "time desc", "price; DROP TABLE trades"])
async def test_an_unknown_order_is_refused(journal: Journal, sort: str) -> None:
    """It never silently becomes another one; the message names the fields there are."""
    async with refusal(journal, InvalidQueryError) as (uow, caught):
        await uow.trades.list_filtered(TradeFilter(), sort)
    assert all(field in str(caught.value) for field in FIELDS)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("%", {"100%", "a%b_c"}),
        ("_", {"a%b_c"}),
        ("%b", {"a%b_c"}),
        ("a_b", set()),
        ("'", {"O'Brien"}),
        ("' OR 1=1 --", set()),
        ("o'b", {"O'Brien"}),
        ("\\", {"back\\slash"}),
        ("é", {"Société"}),
        ("É", set()),
        ("SOCI", {"Société"}),
        ("株", {"株式会社 🚀"}),
        ("🚀", {"株式会社 🚀"}),
        ("e\u0301", set()),
        ("nowhere", set()),
    ],
)
async def test_a_search_means_its_letters(journal: Journal, search: str, found: set[str]) -> None:
    """Wildcards, quotes and accents are what they are; the case of ASCII letters does not matter."""
    names = ["100%", "a%b_c", "O'Brien", "back\\slash", "Société", "株式会社 🚀"]
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many([make_trade(f"x{number}", instrument=name) for number, name in enumerate(names)])
        assert {trade.instrument for trade in await uow.trades.list_filtered(TradeFilter(search=search))} == found


@pytest.mark.parametrize("search", ["", None])
async def test_a_search_for_nothing_finds_everything(journal: Journal, search: Any) -> None:
    """An empty search box does not narrow a listing."""
    async with journal.unit_of_work() as uow:
        assert await uow.trades.count_filtered(TradeFilter(search=search)) == 1


@pytest.mark.parametrize("search", ["pY 24", "exec-7", "acct", "ACCT X"])
async def test_a_search_looks_at_instrument_identifier_and_account(journal: Journal, search: str) -> None:
    """One of the three is enough, and numbers are not searched."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("Acct X"))
        wanted = make_trade("EXEC-77", instrument="SPY 240621C", account_id="Acct X")
        await uow.trades.save(wanted)
        assert await uow.trades.list_filtered(TradeFilter(search=search)) == [wanted]
        assert await uow.trades.list_filtered(TradeFilter(search="513.07")) == []


async def test_a_period_has_its_first_moment_and_not_its_last(journal: Journal) -> None:
    """Days join without overlap, to the microsecond."""
    second = 1 / 60
    moments = [minutes_later(minutes) for minutes in (second - 1e-6 / 60, second, second + 1e-6 / 60)]
    async with journal.unit_of_work() as uow:
        await uow.trades.delete("0001")
        await uow.trades.save_many([make_trade(str(number), time=moment) for number, moment in enumerate(moments)])

        async def between(**period: Any) -> list[str]:
            return [trade.exec_id for trade in await uow.trades.list_filtered(TradeFilter(**period), "time")]

        assert await between(since=moments[1]) == ["1", "2"]
        assert await between(until=moments[1]) == ["0"]
        assert await between(since=moments[1], until=moments[2]) == ["1"]
        assert await between(since=moments[1], until=moments[1]) == []


async def test_an_account_has_its_own_listing(traded: Journal) -> None:
    """Exactly its trades, newest first."""
    async with traded.unit_of_work(read_only=True) as uow:
        for account_id in [*ACCOUNTS, "absent"]:
            expected = newest_first(TradeFilter(account_id=account_id))
            assert await uow.trades.list_for_account(account_id) == expected
