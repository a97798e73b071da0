"""Positions of a vault: read in slices, they are those of the trades at hand."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from factories import OPENING_BELL, make_account, make_plan, make_report, make_trade, minutes_later
from zorivest_async import (
    AssetClass,
    InvalidQueryError,
    NotFoundError,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeAction,
    TradeFilter,
    ValidationError,
    Vault,
)
from zorivest_async.analytics import Position, Positions, Rates, Split, positions, positions_of
from zorivest_async.analytics.folding import Folding
from zorivest_async.database.repositories.trade_executions import EXECUTION_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zorivest_async import TradePlan, TradeReport

pytestmark = pytest.mark.asyncio

BOT, SLD = TradeAction.BOT, TradeAction.SLD
ACCOUNTS = [make_account("U1"), make_account("U2"), make_account("E1", currency="EUR")]
ROWS = 3 * EXECUTION_ROWS + 17
STRANGER = "canary-value"


def invented_trades() -> list[Trade]:
    """Make executions over some weeks, several at each time, in three accounts and of three instruments."""
    random = Random(20240308)  # noqa: S311 - the same every time
    return [
        make_trade(
            f"{random.getrandbits(16):x}-{n}",
            time=minutes_later(random.randrange(0, 60_000, 300)),
            instrument=random.choice(["SPY", "QQQ", "ESZ4"]),
            account_id=random.choice(["U1", "U2", "E1"]),
            action=random.choice([*TradeAction]),
            quantity=random.randrange(1, 60) / 10,
            price=random.randrange(100, 52_000) / 100,
            commission=random.randrange(0, 300) / 100,
            realized_pnl=random.choice([0.0, None, random.randrange(-50_000, 52_000) / 100]),
            currency=random.choice([None, None, "JPY"]),
            asset_class=random.choice([None, AssetClass.ETF]),
            commission_currency=random.choice([None, None, "USD"]),
            result_after_costs=random.choice([None, True]),
        )
        for n in range(ROWS)
    ]


@pytest.fixture(scope="module")
def made() -> tuple[list[Trade], list[TradeReport], list[TradePlan]]:
    """Executions, reports and plans."""
    trades = invented_trades()
    reports = [
        make_report(trade.exec_id, tags=(("breakout",), ("breakout", "late"), (), ("late", "late"))[number % 4])
        for number, trade in enumerate(trades[::7])
    ]
    plans = [
        make_plan(linked_trade_id=trade.exec_id, strategy_name=("gap", "fade")[number % 2], stop_loss=number)
        for number, trade in enumerate(trades[::11])
    ]
    return trades, reports, plans


@pytest_asyncio.fixture
async def trades(vault: Vault, made: tuple[list[Trade], list[TradeReport], list[TradePlan]]) -> list[Trade]:
    """The same, stored."""
    stored, reports, plans = made
    async with vault.unit_of_work() as uow:
        for account in ACCOUNTS:
            await uow.accounts.save(account)
        await uow.trades.save_many(stored)
        for report in reports:
            await uow.trade_reports.save(report)
        for plan in [*plans, make_plan()]:
            await uow.trade_plans.save(plan)
        await uow.commit()
    return stored


SPLITS = [Split("QQQ", minutes_later(30_000), 3), Split("SPY", minutes_later(100_000), 0.1)]


@pytest.mark.parametrize("method", ["fifo", "lifo", "average"])
async def test_a_vault_gives_what_its_trades_give(
    vault: Vault, trades: list[Trade], made: tuple[list[Trade], list[TradeReport], list[TradePlan]], method: str
) -> None:
    """Read in slices by SQL, or from entities at hand: the same positions in the same order."""
    _, reports, plans = made
    options: dict[str, Any] = {
        "open": True,
        "method": method,
        "splits": SPLITS,
        "prices": {("SPY", "USD"): 500, "ESZ4": 5000} | {("ESZ4", c): 5000 for c in ("USD", "EUR", "JPY")},
        "convert": Rates("USD", {"EUR": 1.1, "JPY": 0.0067}),
    }
    async with vault.unit_of_work(read_only=True) as uow:
        found = await positions(uow, **options)
    assert found == positions_of(trades, ACCOUNTS, reports=reports, plans=plans, **options)
    assert len(found) > 60
    assert sum(position.closed is None for position in found) > 5
    assert any(position.r_multiple for position in found)
    assert any(position.tags and position.strategies for position in found)


FILTERS: list[tuple[TradeFilter, Callable[[Position], bool]]] = [
    (TradeFilter(account_id="U2"), lambda p: p.account_id == "U2"),
    (TradeFilter(instrument="ESZ4"), lambda p: p.instrument == "ESZ4"),
    (TradeFilter(currency="JPY"), lambda p: p.currency == "JPY"),
    (TradeFilter(currency="USD"), lambda p: p.currency == "USD"),
    (TradeFilter(asset_class=AssetClass.ETF), lambda p: p.asset_class is AssetClass.ETF),
    (TradeFilter(asset_class=AssetClass.OPTION), lambda p: p.asset_class is AssetClass.OPTION),
    (TradeFilter(action=SLD), lambda p: p.side is SLD),
    (
        TradeFilter(since=minutes_later(9_000), until=minutes_later(30_000)),
        lambda p: minutes_later(9_000) <= (p.closed or p.opened or OPENING_BELL) < minutes_later(30_000),
    ),
    (TradeFilter(search="e1"), lambda p: p.account_id == "E1" or any("e1" in exec_id for exec_id in p.exec_ids)),
    (TradeFilter(search="q"), lambda p: p.instrument == "QQQ"),
    (TradeFilter(tag="late"), lambda p: "late" in p.tags),
    (TradeFilter(strategy="gap"), lambda p: "gap" in p.strategies),
    (
        TradeFilter(account_id="U1", tag="breakout", action=BOT),
        lambda p: (p.account_id, p.side) == ("U1", BOT) and "breakout" in p.tags,
    ),
    (TradeFilter(account_id="absent"), lambda _: False),
]


@pytest.mark.parametrize("with_open", [False, True])
async def test_the_filter_selects_positions_after_they_are_folded(
    vault: Vault, trades: list[Trade], with_open: bool
) -> None:
    """A time, a side, a text or a tag of one execution never cuts a position in two."""
    async with vault.unit_of_work(read_only=True) as uow:
        everything = await positions(uow, open=True)
        for trade_filter, chosen in FILTERS:
            found = await positions(uow, trade_filter, open=with_open)
            expected = [p for p in everything if chosen(p) and (with_open or p.closed is not None)]
            assert list(found) == expected, trade_filter
            assert (len(expected) > 0) is (trade_filter.account_id != "absent" and trade_filter.asset_class != "option")
    assert len(trades) == ROWS


async def test_identifiers_are_left_out_on_request(vault: Vault, trades: list[Trade]) -> None:
    """The positions are the same otherwise."""
    async with vault.unit_of_work(read_only=True) as uow:
        found = await positions(uow)
        bare = await positions(uow, exec_ids=False)
    assert [replace(position, exec_ids=()) for position in found] == list(bare)
    assert len(trades) == ROWS


async def store(uow: SqlAlchemyUnitOfWork, fills: Sequence[Trade]) -> None:
    """Store executions in account ``U1``."""
    await uow.accounts.save(make_account())
    await uow.trades.save_many(fills)


async def execute(uow: SqlAlchemyUnitOfWork, sql: str) -> None:
    """Write as another program would."""
    await (await uow.connection()).execute(text(sql))


@pytest.mark.timeout(60)
async def test_executions_of_one_time_are_in_order_across_slices(vault: Vault) -> None:
    """By their place in the source where it is stored, else by identifier with digits as numbers."""
    count = 2 * EXECUTION_ROWS + 30
    fills = [make_trade(f"S/{n}", action=BOT, quantity=1, price=n) for n in range(1, count)]
    fills.append(make_trade("T", time=minutes_later(1), action=SLD, quantity=3, price=1000.0))
    async with vault.unit_of_work() as uow:
        await store(uow, fills)
        (found,) = await positions(uow, open=True)
        assert found.exec_ids == tuple(fill.exec_id for fill in fills)
        assert found.gross == 3000.0 - (1 + 2 + 3)
        await execute(uow, f"UPDATE trades SET sequence = {count} - price WHERE exec_id LIKE 'S/%'")  # noqa: S608
        (found,) = await positions(uow, open=True)
        assert found.exec_ids == (*(fill.exec_id for fill in reversed(fills[:-1])), "T")


async def test_very_many_executions_of_one_time_are_folded_in_a_thread(vault: Vault) -> None:
    """They give what they give at hand."""
    fills = [make_trade(f"{n}", action=BOT if n % 2 else SLD, quantity=1, price=n) for n in range(2_600)]
    async with vault.unit_of_work() as uow:
        await store(uow, fills)
        found = await positions(uow)
    assert found == positions_of(fills, [make_account()])
    assert len(found) == 1_300


async def test_conflicting_multipliers_are_reported(vault: Vault) -> None:
    """The executions of each are folded apart; the answer says which instrument it is about."""
    fills = [
        make_trade("1", instrument="SPX C5000", quantity=1, price=2.0, multiplier=100.0, asset_class=AssetClass.OPTION),
        make_trade("2", instrument="SPX C5000", action=SLD, time=minutes_later(1), quantity=1, price=3.0),
        make_trade("3", time=minutes_later(2)),
    ]
    async with vault.unit_of_work() as uow:
        await store(uow, fills)
        found = await positions(uow, open=True)
        (conflict,) = found.conflicts
        assert (conflict.instrument, conflict.asset_class, conflict.multipliers) == (
            "SPX C5000",
            "option",
            (1.0, 100.0),
        )
        assert [position.closed for position in found] == [None, None, None]
        assert (await positions(uow, TradeFilter(instrument="SPY"))).conflicts == ()
        assert (await positions(uow, TradeFilter(asset_class=AssetClass.STOCK))).conflicts == ()
    assert found == positions_of(fills, [make_account()], open=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", f"'{STRANGER}'"), ("quantity", "-1"), ("price", f"'{STRANGER}'"), ("commission", "9e999"),
        ("realized_pnl", f"'{STRANGER}'"), ("multiplier", "0"), ("fees", f"'{STRANGER}'"), ("instrument", "x'41'"),
        ("currency", "x'41'"), ("commission_currency", "x'41'"), ("result_after_costs", "7"),
        ("sequence", f"'{STRANGER}'"),
    ],
)  # fmt: skip
async def test_a_value_that_no_release_stores_is_a_typed_error(vault: Vault, field: str, value: str) -> None:
    """It names the field, not the value, and the unit of work goes on."""
    async with vault.unit_of_work() as uow:
        await store(uow, [make_trade(f"{n}") for n in range(3)])
        await execute(uow, f"UPDATE trades SET {field} = {value} WHERE exec_id = '1'")  # noqa: S608 - a test's own
        with pytest.raises(ValidationError, match="is stored in a form that no release writes") as caught:
            await positions(uow)
        assert (caught.value.entity, caught.value.field) == ("Trade", field)
        assert STRANGER not in "".join(traceback.format_exception(caught.value))
        await uow.settings.set("still", "usable")


async def test_times_that_do_not_sort_are_refused(vault: Vault) -> None:
    """Executions in another order than their times would make other positions."""
    async with vault.unit_of_work() as uow:
        await store(uow, [make_trade(f"{n}", time=minutes_later(n)) for n in range(3)])
        await execute(uow, "UPDATE trades SET time = '2024-03-08T14:00:00' WHERE exec_id = '0'")
        with pytest.raises(ValidationError, match="is stored in a form that no release writes"):
            await positions(uow)


async def test_arguments_that_are_invalid_leave_the_unit_of_work_usable(vault: Vault, trades: list[Trade]) -> None:
    """Each is a typed error that says what to do."""
    split = Split("SPY", OPENING_BELL, 2)
    arguments: list[tuple[dict[str, Any], str]] = [
        ({"method": "hifo"}, "method must be one of: fifo, lifo, average"),
        ({"splits": [split, split]}, "two splits at the same time"),
        ({"splits": ["SPY"]}, "splits must be an iterable of Split"),
        ({"convert": {"EUR": 1.1}}, "convert must be Rates"),
        ({"convert": Rates("USD", {})}, "no rate"),
        ({"prices": 5.0}, "prices must be a mapping"),
        ({"prices": {"SPY": 5.0}, "open": True}, "several currencies"),
        ({"trade_filter": "SPY"}, "trade_filter must be a TradeFilter"),
    ]
    async with vault.unit_of_work(read_only=True) as uow:
        for options, problem in arguments:
            with pytest.raises(InvalidQueryError, match=problem):
                await positions(uow, **options)
        with pytest.raises(ValidationError, match="finite"):
            await positions(uow, open=True, prices={("SPY", "USD"): float("nan")})
        assert len(await positions(uow)) > 50
    assert len(trades) == ROWS


async def test_an_account_that_is_not_there_is_named(vault: Vault) -> None:
    """In a database whose foreign keys nothing checks."""
    async with vault.unit_of_work() as uow:
        await store(uow, [make_trade()])
        await execute(uow, "PRAGMA defer_foreign_keys = ON")
        await execute(uow, "UPDATE trades SET account_id = 'gone'")
        with pytest.raises(NotFoundError) as caught:
            await positions(uow)
        assert (caught.value.entity, caught.value.key) == ("Account", "gone")


async def test_an_empty_vault_has_no_positions(vault: Vault) -> None:
    """Neither positions nor conflicts."""
    async with vault.unit_of_work(read_only=True) as uow:
        assert await positions(uow, open=True) == Positions((), ())


async def test_cancelling_stops_between_slices(vault: Vault, trades: list[Trade], monkeypatch: Any) -> None:
    """Soon, with the connection given back."""
    started, folded = asyncio.Event(), 0
    fold = Folding.fold

    def note(self: Folding, *arguments: Any) -> Any:
        nonlocal folded
        started.set()
        folded += 1
        return fold(self, *arguments)

    async def ask() -> None:
        async with vault.unit_of_work(read_only=True) as uow:
            await positions(uow)

    monkeypatch.setattr(Folding, "fold", note)
    task = asyncio.create_task(ask())
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert folded < len(trades) // EXECUTION_ROWS
    assert vault.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the queue pool
