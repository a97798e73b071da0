"""An import adds what is not stored and changes nothing that its source does not state."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from statements import confirmation, flex, trade
from zorivest_async import Account, AccountType, AssetClass, Trade, TradeAction, TradeFilter, Vault
from zorivest_async.database.repositories import SqlAlchemyTradeRepository
from zorivest_async.domain.entities import SequencedTrade
from zorivest_async.transfer.importers import (
    CsvProfile,
    CsvTrades,
    Execution,
    FlexTrades,
    ImportReport,
    ReadRows,
    Reason,
    import_trades,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zorivest_async.database.sqlcipher.long_operation import Operation

pytestmark = pytest.mark.asyncio

MOMENT = datetime(2024, 1, 2, 15, 0, tzinfo=UTC)
OLD = Trade("0001.01.01", MOMENT, "SPY", TradeAction.SLD, 10, 5, "U1", 1)
"""The sale below as a release without units stored it, from a trade confirmation."""

SALE = {"buySell": "SELL", "quantity": "-10", "fifoPnlRealized": "12.5"}


async def import_flex(vault: Vault, tmp_path: Path, *trades: str, **options: Any) -> ImportReport:
    """Import a Flex statement of these executions."""
    path = await flex(tmp_path / "statement.xml", *trades)
    return await import_trades(vault, FlexTrades(path), **{"accounts": "create", **options})


async def store(vault: Vault, *trades: Trade) -> None:
    """Store trades as they are."""
    async with vault.unit_of_work() as uow:
        if not await uow.accounts.exists("U1"):
            await uow.accounts.save(Account("U1", "mine", AccountType.BROKER))
        await uow.trades.save_many(trades, on_duplicate="update")
        await uow.commit()


async def stored(vault: Vault) -> Trade:
    """Return the only trade of a vault."""
    async with vault.unit_of_work(read_only=True) as uow:
        (found,) = await uow.trades.list_filtered(TradeFilter(), limit=None)
    return found


def reasons(report: ImportReport) -> list[Reason]:
    """Return the reasons of all rows."""
    lists = (report.inserted, report.duplicate, report.updated, report.failed)
    return [entry.reason for entries in lists for entry in entries]


async def test_a_statement_adds_the_result_that_its_confirmation_lacks(vault: Vault, tmp_path: Path) -> None:
    """The confirmation in the evening, the statement the next morning, and both again, in any order."""
    confirmed, booked = confirmation(**SALE), trade(**SALE, ibOrderID="77", taxes="-0.25")
    assert reasons(await import_flex(vault, tmp_path, confirmed)) == [Reason.NEW]
    assert ((await stored(vault)).realized_pnl, (await stored(vault)).result_after_costs) == (None, None)
    dry = await import_flex(vault, tmp_path, booked, dry_run=True)
    report = await import_flex(vault, tmp_path, booked)
    assert reasons(dry) == reasons(report) == [Reason.FILLED]
    assert report.updated[0].detail == "realized_pnl, fees, order_id, result_after_costs"
    complete = await stored(vault)
    assert (complete.realized_pnl, complete.result_after_costs) == (12.5, True)
    assert (complete.order_id, complete.fees) == ("77", 0.25)
    for again in (booked, confirmation(**SALE, taxes=None)):
        assert reasons(await import_flex(vault, tmp_path, again)) == [Reason.STORED]
    assert await stored(vault) == complete


async def test_a_confirmation_after_its_statement_takes_nothing_away(vault: Vault, tmp_path: Path) -> None:
    """Even if stored values are to be replaced, or the statement names more than it."""
    await import_flex(vault, tmp_path, trade(**SALE, subCategory="ETF", ibOrderID="77"))
    complete = await stored(vault)
    for on_conflict in ("fail", "keep", "update"):
        report = await import_flex(vault, tmp_path, confirmation(**SALE), on_conflict=on_conflict)
        assert reasons(report) == [Reason.STORED]
    assert await stored(vault) == complete
    assert complete.asset_class is AssetClass.ETF


@pytest.mark.parametrize("recorded", [0.0, 12.5, None])
async def test_an_execution_without_units_gets_them(vault: Vault, tmp_path: Path, recorded: float | None) -> None:
    """As an older release stored it: with the multiplier 1, no fees, and 0 for a result that it did not have."""
    await store(vault, replace(OLD, realized_pnl=recorded))
    option = {**SALE, "assetCategory": "OPT", "multiplier": "100", "currency": "SEK", "taxes": "-0.5"}
    report = await import_flex(vault, tmp_path, trade(**option, ibCommissionCurrency="SEK"))
    assert reasons(report) == [Reason.FILLED]
    expected = replace(
        OLD, realized_pnl=12.5, currency="SEK", multiplier=100, asset_class=AssetClass.OPTION, fees=0.5,
        result_after_costs=True,
    )  # fmt: skip
    assert await stored(vault) == expected
    assert reasons(await import_flex(vault, tmp_path, trade(**option, ibCommissionCurrency="SEK"))) == [Reason.STORED]


@pytest.mark.parametrize(
    ("on_conflict", "reason", "expected"),
    [
        ("fail", Reason.CONFLICT, (-3, None, None, None)),
        ("keep", Reason.FILLED, (-3, None, "USD", AssetClass.STOCK)),
        ("update", Reason.CHANGED, (12.5, True, "USD", AssetClass.STOCK)),
    ],
)
async def test_a_result_of_ones_own_is_not_taken_for_a_missing_one(
    vault: Vault, tmp_path: Path, on_conflict: str, reason: Reason, expected: tuple[Any, ...]
) -> None:
    """It conflicts; when it is kept, the units are added, but not the broker's word about its own result."""
    await store(vault, replace(OLD, realized_pnl=-3))
    report = await import_flex(vault, tmp_path, trade(**SALE), on_conflict=on_conflict)
    assert reasons(report) == [reason]
    details = [entry.detail for entry in (*report.failed, *report.updated)]
    assert details == {"fail": ["realized_pnl"], "keep": ["currency, asset_class"], "update": [""]}[on_conflict]
    found = await stored(vault)
    assert (found.realized_pnl, found.result_after_costs, found.currency, found.asset_class) == expected


@pytest.mark.parametrize(
    "change", [{"currency": "SEK"}, {"multiplier": 50.0}, {"fees": 1.0}, {"asset_class": AssetClass.FUND}]
)
async def test_other_units_than_the_stored_ones_conflict(vault: Vault, tmp_path: Path, change: dict[str, Any]) -> None:
    """What is stored is not taken for missing only because it differs."""
    await import_flex(vault, tmp_path, trade(**SALE))
    await store(vault, replace(await stored(vault), **change))
    assert reasons(await import_flex(vault, tmp_path, trade(**SALE))) == [Reason.CONFLICT]


@pytest.mark.parametrize("change", ["update", "same identifier", "another identifier"])
async def test_notes_stay_whatever_is_imported(vault: Vault, tmp_path: Path, change: str) -> None:
    """No statement has them, so neither a replacement nor a correction touches them."""
    await import_flex(vault, tmp_path, trade(**SALE))
    await store(vault, replace(await stored(vault), notes="waited too long"))
    assert reasons(await import_flex(vault, tmp_path, trade(**SALE))) == [Reason.STORED]
    changes: dict[str, dict[str, str | None]] = {
        "update": {},
        "same identifier": {"transactionType": "TradeCorrect"},
        "another identifier": {"ibExecID": "0001.01.02", "fifoPnlRealized": None},
    }
    row = trade(**{**SALE, "tradePrice": "6", **changes[change]})
    await import_flex(vault, tmp_path, row, on_conflict="update" if change == "update" else "fail")
    found = await stored(vault)
    assert (found.price, found.notes, found.asset_class) == (6, "waited too long", AssetClass.STOCK)
    # The result of a price that was wrong is not that of the right one.
    assert found.realized_pnl == (None if change == "another identifier" else 12.5)
    assert reasons(await import_flex(vault, tmp_path, row)) == [Reason.STORED]


async def test_rows_of_one_import_complete_each_other(vault: Vault, tmp_path: Path) -> None:
    """A row is compared with what the rows before it left, and that is not lost."""
    await store(vault, replace(OLD, notes="mine"))
    rows = [confirmation(**SALE), trade(**SALE, ibOrderID="77"), confirmation(**SALE)]
    dry = await import_flex(vault, tmp_path, *rows, dry_run=True)
    report = await import_flex(vault, tmp_path, *rows)
    assert reasons(dry) == reasons(report) == [Reason.REPEATED, Reason.FILLED, Reason.FILLED]
    found = await stored(vault)
    assert (found.notes, found.order_id, found.realized_pnl, found.currency) == ("mine", "77", 12.5, "USD")


@dataclass(frozen=True)
class Rows:
    """A source of one's own."""

    execution: Execution

    def read(self, operation: Operation) -> ReadRows:
        """Return the row."""
        operation.check()
        rows = ReadRows()
        rows.executions.append(self.execution)
        return rows


async def test_a_source_of_ones_own_states_what_differs_from_the_defaults(vault: Vault) -> None:
    """Unless it says what it states: then a 0 of it is one, too."""
    await store(vault, replace(OLD, notes="mine", realized_pnl=3))
    report = await import_trades(vault, Rows(Execution(1, replace(OLD, order_id="5"))))
    assert reasons(report) == [Reason.FILLED]
    assert await stored(vault) == replace(OLD, notes="mine", realized_pnl=3, order_id="5")
    states = frozenset({"realized_pnl"})
    assert reasons(await import_trades(vault, Rows(Execution(1, OLD, stated=states)))) == [Reason.CONFLICT]


async def test_the_account_of_a_source_of_ones_own_has_the_currency_of_its_trade(vault: Vault) -> None:
    """Where the source names no currencies of accounts."""
    report = await import_trades(vault, Rows(Execution(1, replace(OLD, currency="SEK"))), accounts="create")
    assert report.warnings == []
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.accounts.get_one("U1")).currency == "SEK"


async def test_a_commission_that_an_older_release_did_not_read_is_added(vault: Vault, tmp_path: Path) -> None:
    """As that of currencies in an activity statement; once the units are stored, 0 is what it was."""
    await store(vault, replace(OLD, commission=0, realized_pnl=None))
    assert reasons(await import_flex(vault, tmp_path, trade(**SALE))) == [Reason.FILLED]
    await store(vault, replace(await stored(vault), commission=0))
    assert reasons(await import_flex(vault, tmp_path, trade(**SALE))) == [Reason.CONFLICT]


DATES = CsvProfile(
    name="dates only",
    columns={"time": "Date", "instrument": "Symbol", "action": "Action", "quantity": "Quantity", "price": "Price"},
    constants={"account_id": "U1", "currency": "USD"},
    time_zone="America/New_York",
    time_formats=("%m/%d/%Y",),
    exec_id="{account_id}/{time}/{instrument}/{ordinal}",
)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_executions_of_one_time_keep_the_order_of_their_source(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, newest_first: bool
) -> None:
    """Of eleven fills of a day, the tenth is not the second; the oldest is the first, at either end of the file."""
    saved: list[Trade] = []
    save_many = SqlAlchemyTradeRepository.save_many

    async def save(self: SqlAlchemyTradeRepository, trades: Iterable[Trade], *options: Any, **named: Any) -> Any:
        saved.extend(trades := [*trades])
        return await save_many(self, trades, *options, **named)

    monkeypatch.setattr(SqlAlchemyTradeRepository, "save_many", save)
    rows = [f"01/02/2024,Buy,XYZ,1,{100 + number}" for number in range(1, 12)] + ["01/03/2024,Sell,XYZ,2,120"]
    lines = ["Date,Action,Symbol,Quantity,Price", *(reversed(rows) if newest_first else rows)]
    path = tmp_path / "dates.csv"
    await asyncio.to_thread(path.write_text, "\n".join(lines))
    await import_trades(vault, CsvTrades(path, DATES), accounts="create")
    in_order = sorted((each for each in saved if isinstance(each, SequencedTrade)), key=lambda each: each.sequence or 0)
    assert [each.price for each in in_order] == [*range(101, 112), 120]
    assert [each.sequence for each in in_order] == [*range(1, 13)]


async def test_a_statement_that_is_grouped_by_instrument_is_not_taken_for_newest_first(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only executions of the same instrument show which end of it is the oldest."""
    saved: list[Trade] = []
    save_many = SqlAlchemyTradeRepository.save_many

    async def save(self: SqlAlchemyTradeRepository, trades: Iterable[Trade], *options: Any, **named: Any) -> Any:
        saved.extend(trades := [*trades])
        return await save_many(self, trades, *options, **named)

    monkeypatch.setattr(SqlAlchemyTradeRepository, "save_many", save)
    moments = [("AAA", "20240105;100000"), ("AAA", "20240106;100000"), ("BBB", "20240102;100000")]
    trades = [trade(number, symbol=symbol, dateTime=moment) for number, (symbol, moment) in enumerate(moments)]
    await import_flex(vault, tmp_path, *trades)
    assert [(each.instrument, getattr(each, "sequence", None)) for each in saved] == [
        ("AAA", 1),
        ("AAA", 2),
        ("BBB", 3),
    ]
