"""What a vault's executions brought, one by one, beside what polars and fractions make of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import time
from fractions import Fraction
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import pytest_asyncio

from factories import make_account, make_report, make_trade, make_trades, minutes_later
from zorivest_async import (
    InvalidQueryError,
    NotFoundError,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeAction,
    TradeFilter,
    UnitOfWorkError,
    Vault,
    analytics,
)
from zorivest_async.analytics import GroupBy, Performance, Unit, match_fifo
from zorivest_async.analytics.tallies import GroupKey, Tallies
from zorivest_async.database.repositories.trade_executions import EXECUTION_ROWS
from zorivest_async.transfer.frames import to_polars

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.asyncio

performance = partial(analytics.performance, unit=Unit.EXECUTION)
performance_of = partial(analytics.performance_of, unit=Unit.EXECUTION)
equity_curve = partial(analytics.equity_curve, unit=Unit.EXECUTION)
equity_curve_of = partial(analytics.equity_curve_of, unit=Unit.EXECUTION)

ACCOUNTS = [make_account("U1"), make_account("U2"), make_account("E1", currency="EUR")]
CURRENCIES = {account.account_id: account.currency for account in ACCOUNTS}
NEW_YORK = "America/New_York"
TRADES = 6 * EXECUTION_ROWS + 17

EVERY_WAY: list[dict[str, Any]] = [
    {},
    {"by": GroupBy.DAY, "time_zone": NEW_YORK},
    {"by": GroupBy.DAY, "time_zone": NEW_YORK, "session_start": time(18)},
    {"by": GroupBy.MONTH, "time_zone": "Asia/Tokyo"},
    {"by": GroupBy.INSTRUMENT},
    {"by": GroupBy.TAG},
    {"by": GroupBy.ACCOUNT},
]


def invented_trades() -> list[Trade]:
    """Make executions over some weeks, several at each time, in three accounts, a third of them with results."""
    random = Random(20240308)  # noqa: S311 - the same every time
    return [
        make_trade(
            f"{random.getrandbits(32):08x}-{n}",
            time=minutes_later(random.randrange(0, 60_000, 300)),
            instrument=random.choice(["SPY", "QQQ", "ESZ4"]),
            account_id=random.choice(["U1", "U2", "E1"]),
            action=random.choice([*TradeAction]),
            commission=random.randrange(0, 300) / 100,
            realized_pnl=random.choice([0.0, 0.0, random.randrange(-50_000, 52_000) / 100]),
        )
        for n in range(TRADES)
    ]


@pytest_asyncio.fixture
async def trades(vault: Vault) -> list[Trade]:
    """Executions, stored, some of them with reports."""
    made = invented_trades()
    async with vault.unit_of_work() as uow:
        for account in ACCOUNTS:
            await uow.accounts.save(account)
        await uow.trades.save_many(made)
        for number, trade in enumerate(made[::7]):
            tags = (("breakout",), ("breakout", "late"), (), ("late", "late"))[number % 4]
            await uow.trade_reports.save(make_report(trade.exec_id, tags=tags))
        await uow.commit()
    return made


def total(amounts: Iterable[float]) -> float:
    """Return an exact sum, rounded once, by another way than the library's."""
    return float(sum((Fraction(repr(amount)) for amount in amounts), start=Fraction()))


@pytest.mark.parametrize("options", EVERY_WAY, ids=lambda options: str(options.get("by")))
async def test_a_vault_gives_what_its_trades_give(vault: Vault, trades: list[Trade], options: dict[str, Any]) -> None:
    """Read in slices by SQL, or from entities at hand: the same answers in the same order."""
    async with vault.unit_of_work(read_only=True) as uow:
        found = await performance(uow, **options)
        reports = [report for trade in trades if (report := await uow.trade_reports.get_for_trade(trade.exec_id))]
    assert found == performance_of(trades, ACCOUNTS, reports=reports, **options)
    if options.get("by") is not GroupBy.TAG:
        assert sum(answer.executions for answer in found) == len(trades)


@pytest.mark.parametrize("start", [None, time(18)])
async def test_days_are_those_that_polars_finds(vault: Vault, trades: list[Trade], start: time | None) -> None:
    """Grouped by its calendar, counted by its counts, and summed by fractions."""
    async with vault.unit_of_work(read_only=True) as uow:
        found = await performance(uow, by=GroupBy.DAY, time_zone=NEW_YORK, session_start=start)
    local = pl.col("time").dt.convert_time_zone(NEW_YORK)
    evening = (local.dt.time() >= time(18)).cast(pl.Int8) if start else pl.lit(0)
    frame = to_polars(trades).with_columns(
        pl.col("account_id").replace_strict(CURRENCIES).alias("currency"),
        (local.dt.date() + pl.duration(days=evening)).alias("day"),
    )
    result = pl.col("realized_pnl")
    expected = frame.group_by("day", "currency").agg(
        pl.len().alias("executions"), (result > 0).sum().alias("wins"), (result < 0).sum().alias("losses"),
        result, pl.col("commission"),
    ).sort("day", "currency")  # fmt: skip
    assert [
        (a.group, a.currency, a.executions, a.wins, a.losses, a.realized_pnl, a.commission) for a in found
    ] == [
        (*row[:5], total(row[5]), total(row[6])) for row in expected.rows()
    ]  # fmt: skip
    assert len(found) > 60


@pytest.mark.parametrize(
    "trade_filter",
    [
        TradeFilter(account_id="U2"),
        TradeFilter(instrument="ESZ4", action=TradeAction.SLD),
        TradeFilter(since=minutes_later(10_000), until=minutes_later(40_000)),
        TradeFilter(search="e1"),
        TradeFilter(account_id="absent"),
    ],
)
async def test_the_filter_says_which_executions(vault: Vault, trades: list[Trade], trade_filter: TradeFilter) -> None:
    """It is the one of listings, for performances and curves alike."""
    async with vault.unit_of_work(read_only=True) as uow:
        listed = await uow.trades.list_filtered(trade_filter, limit=None)
        found = await performance(uow, trade_filter, by=GroupBy.INSTRUMENT)
        curves = await equity_curve(uow, trade_filter)
    assert len(listed) < len(trades)
    assert found == performance_of(listed, ACCOUNTS, by=GroupBy.INSTRUMENT)
    assert curves == equity_curve_of(listed, ACCOUNTS)


async def test_a_curve_per_currency_ends_at_the_sum(vault: Vault, trades: list[Trade]) -> None:
    """And its deepest point is the drawdown of the performance."""
    async with vault.unit_of_work(read_only=True) as uow:
        curves = await equity_curve(uow)
        net = await equity_curve(uow, less_commission=True)
        answers = await performance(uow)
    assert [curve.currency for curve in curves] == [answer.currency for answer in answers] == ["EUR", "USD"]
    for curve, after_costs, answer in zip(curves, net, answers, strict=True):
        mine = [trade for trade in trades if CURRENCIES[trade.account_id] == curve.currency]
        assert curve.values[-1] == answer.realized_pnl == total(trade.realized_pnl or 0.0 for trade in mine)
        assert answer.drawdown is not None
        assert max(curve.drawdowns) == answer.drawdown.amount
        assert curve.times[curve.drawdowns.index(max(curve.drawdowns))] == answer.drawdown.end
        costs = [-trade.commission for trade in mine]
        assert after_costs.values[-1] == total([*costs, *(trade.realized_pnl or 0.0 for trade in mine)])
    assert net == equity_curve_of(trades, ACCOUNTS, less_commission=True)


async def test_a_unit_of_work_asks_one_state_of_the_vault(vault: Vault, trades: list[Trade]) -> None:
    """Between slices as between questions, whatever others commit meanwhile."""
    async with vault.unit_of_work(read_only=True) as reader:
        slices = reader.trades.stream_executions()
        rows = len(await anext(slices))
        before = await performance(reader, by=GroupBy.ACCOUNT)
        async with vault.unit_of_work() as writer:
            await writer.trades.save(make_trade("later", time=minutes_later(70_000), realized_pnl=1e6))
            await writer.trades.delete(trades[0].exec_id)
            await writer.commit()
        assert await performance(reader, by=GroupBy.ACCOUNT) == before
        rows += sum([len(chunk) async for chunk in slices])
    assert rows == len(trades)
    async with vault.unit_of_work(read_only=True) as reader:
        assert await performance(reader, by=GroupBy.ACCOUNT) != before


async def test_a_writer_asks_about_what_it_has_written(vault: Vault) -> None:
    """Before it commits, and through SQLAlchemy's connection too."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade(realized_pnl=5.0))
        (alone,) = await performance(uow)
        await uow.connection()
        assert await performance(uow) == [alone]
        assert alone.realized_pnl == 5.0


async def test_an_empty_vault_has_no_answers(vault: Vault) -> None:
    """Neither groups nor curves."""
    async with vault.unit_of_work(read_only=True) as uow:
        assert await performance(uow, by=GroupBy.TAG) == []
        assert await equity_curve(uow) == []


async def test_nulls_of_other_programs_count_as_zero(vault: Vault) -> None:
    """The columns allow them, though the library writes none."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(make_trades(2, realized_pnl=5.0, commission=1.0))
        connection = await uow.connection()
        await connection.exec_driver_sql("UPDATE trades SET commission = NULL WHERE exec_id = '00000'")
        await connection.exec_driver_sql("UPDATE trades SET realized_pnl = NULL WHERE exec_id = '00001'")
        (found,) = await performance(uow)
        assert (found.executions, found.closed, found.commission) == (2, 1, 1.0)
        (curve,) = await equity_curve(uow, less_commission=True)
        assert curve.values == (5.0, 4.0)


async def test_what_cannot_be_asked_leaves_the_unit_of_work_usable(vault: Vault, trades: list[Trade]) -> None:
    """An error that says what to do, and the next question is answered."""
    questions: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"by": GroupBy.DAY}, InvalidQueryError),
        ({"by": GroupBy.DAY, "time_zone": "Mars/Olympus"}, InvalidQueryError),
        ({"by": "moon"}, InvalidQueryError),
    ]
    async with vault.unit_of_work() as uow:
        for options, error in questions:
            with pytest.raises(error):
                await performance(uow, **options)
        await uow.trades.save_many([make_trade(f"huge {n}", realized_pnl=1.7e308) for n in range(2)])
        for ask in (performance, equity_curve):
            with pytest.raises(InvalidQueryError, match="beyond the range"):
                await ask(uow, TradeFilter(search="huge"))
        found = await performance(uow, TradeFilter(search="-"))
        assert sum(answer.executions for answer in found) == len(trades)
    with pytest.raises(UnitOfWorkError):
        await performance(uow)


async def test_an_account_that_is_not_there_is_named(vault: Vault) -> None:
    """In a database whose foreign keys nobody checks."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        await (await uow.connection()).exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        await (await uow.connection()).exec_driver_sql("UPDATE trades SET account_id = 'gone'")
        with pytest.raises(NotFoundError) as caught:
            await performance(uow)
        assert (caught.value.entity, caught.value.key) == ("Account", "gone")


@pytest.mark.usefixtures("trades")
async def test_the_loop_has_its_turn_between_slices(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows than a slice are added up, and no more groups finished than a few, before others may run."""
    turns = 0
    added: Counter[int] = Counter()
    finished: Counter[int] = Counter()
    add, finish = Tallies.add_executions, Tallies.performance

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    def note_added(self: Tallies, rows: Any, *more: Any) -> None:
        added[turns] += len(rows)
        add(self, rows, *more)

    def note_finished(self: Tallies, key: GroupKey) -> Performance:
        finished[turns] += 1
        return finish(self, key)

    monkeypatch.setattr(Tallies, "add_executions", note_added)
    monkeypatch.setattr(Tallies, "performance", note_finished)
    others = asyncio.create_task(take_turns())
    async with vault.unit_of_work(read_only=True) as uow:
        groups = await performance(uow, by=GroupBy.DAY, time_zone=NEW_YORK)
    others.cancel()
    assert added.total() == TRADES
    assert max(added.values()) < 2 * EXECUTION_ROWS  # those of the same time stay together
    assert (finished.total(), max(finished.values())) == (len(groups), 20)


async def test_cancelling_stops_between_slices(vault: Vault, trades: list[Trade], monkeypatch: Any) -> None:
    """Soon, with the connection given back and the vault at everyone's service."""
    started, added = asyncio.Event(), 0
    add = Tallies.add_executions

    def note(self: Tallies, rows: Any, *more: Any) -> None:
        nonlocal added
        started.set()
        added += 1
        add(self, rows, *more)

    async def ask() -> None:
        async with vault.unit_of_work(read_only=True) as uow:
            await performance(uow)

    monkeypatch.setattr(Tallies, "add_executions", note)
    task = asyncio.create_task(ask())
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert added < len(trades) // EXECUTION_ROWS
    assert vault.read_engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of the queue pool
    monkeypatch.undo()
    await ask()


async def test_matched_fills_are_stored_by_the_caller_alone(vault: Vault) -> None:
    """Matching stores nothing; saved as updates, its results are what the vault then answers with."""
    bought, sold = make_trades(2)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many([bought, make_trade(sold.exec_id, time=sold.time, action="SLD", price=514.07)])
        match = await asyncio.to_thread(match_fifo, await uow.trades.list_all(limit=None))
        assert (await performance(uow))[0].closed == 0
        await uow.trades.save_many(match.trades, on_duplicate="update")
        assert (await performance(uow))[0].realized_pnl == 100.0
        await uow.commit()


async def test_any_engine_with_the_schema_can_be_asked(vault: Vault, trades: list[Trade]) -> None:
    """A unit of work made by hand gives what the vault's gives."""
    async with SqlAlchemyUnitOfWork(vault.engine) as uow:
        assert await performance(uow) == performance_of(trades, ACCOUNTS)
