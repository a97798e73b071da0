"""What a vault answers where other programs have written to it: forms and gaps that no release writes."""

from __future__ import annotations

import threading
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from factories import OPENING_BELL, make_account, make_report, make_trades
from zorivest_async import SqlAlchemyUnitOfWork, ValidationError, Vault, analytics
from zorivest_async.analytics import GroupBy, Unit
from zorivest_async.analytics.tallies import Tallies
from zorivest_async.database.mapping import SLICE_ROWS
from zorivest_async.database.repositories import trade_reports
from zorivest_async.database.repositories.trade_links import decode_reviews

if TYPE_CHECKING:
    from zorivest_async import Trade

pytestmark = pytest.mark.asyncio

performance = partial(analytics.performance, unit=Unit.EXECUTION)
performance_of = partial(analytics.performance_of, unit=Unit.EXECUTION)
equity_curve = partial(analytics.equity_curve, unit=Unit.EXECUTION)
equity_curve_of = partial(analytics.equity_curve_of, unit=Unit.EXECUTION)

STRANGER = "canary-value"


async def execute(uow: SqlAlchemyUnitOfWork, sql: str) -> None:
    """Write as another program would."""
    await (await uow.connection()).execute(text(sql))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.000000", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"])
async def test_each_execution_counts_once_whatever_the_form_of_its_time(vault: Vault, form: str) -> None:
    """Also where a slice ends among them."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        executions = make_trades(SLICE_ROWS + 50, time=OPENING_BELL, realized_pnl=1.0)
        await uow.trades.save_many(executions)
        await execute(uow, f"UPDATE trades SET time = '{OPENING_BELL.strftime(form)}'")  # noqa: S608 - a test's own
        (found,) = await performance(uow)
        assert (found.executions, found.realized_pnl) == (len(executions), float(len(executions)))
        (curve,) = await equity_curve(uow)
        assert (len(curve.values), {*curve.times}) == (len(executions), {OPENING_BELL})


@pytest.mark.parametrize(
    ("by", "entity", "field", "value"),
    [
        (None, "Trade", "time", f"'{STRANGER}'"),
        (None, "Trade", "commission", f"'{STRANGER}'"),
        (None, "Trade", "realized_pnl", f"'{STRANGER}'"),
        (None, "Trade", "realized_pnl", "9e999"),
        (GroupBy.INSTRUMENT, "Trade", "instrument", "x'41'"),
        (GroupBy.TAG, "TradeReport", "tags", f"'{STRANGER}'"),
        (GroupBy.TAG, "TradeReport", "tags", "'\"abc\"'"),
        (GroupBy.TAG, "TradeReport", "tags", "'[7]'"),
        (GroupBy.TAG, "TradeReport", "tags", f"'{'[' * 100_000}'"),
    ],
)
async def test_a_value_that_no_release_stores_is_a_typed_error(
    vault: Vault, by: GroupBy | None, entity: str, field: str, value: str
) -> None:
    """It names the entity and its field, not the value, and the unit of work goes on."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(make_trades(3))
        await uow.trade_reports.save(make_report("00001"))
        table, key = ("trades", "exec_id") if entity == "Trade" else ("trade_reports", "trade_id")
        await execute(uow, f"UPDATE {table} SET {field} = {value} WHERE {key} = '00001'")  # noqa: S608 - a test's own
        with pytest.raises(ValidationError, match="is stored in a form that no release writes") as caught:
            await performance(uow, by=by)
        assert (caught.value.entity, caught.value.field) == (entity, field)
        assert STRANGER not in "".join(traceback.format_exception(caught.value))
        await uow.settings.set("still", "usable")


async def test_what_was_left_out_counts_alike_from_a_vault_and_at_hand(vault: Vault) -> None:
    """Amounts as zero, an account's currency as the default: beside others, in sums and in their order."""
    accounts = [make_account("U1"), make_account("U2"), make_account("E1", currency="EUR")]
    made: list[Trade] = []
    for number, account in enumerate(accounts):
        made += make_trades(3, first=10 * number, account_id=account.account_id, realized_pnl=5.0, commission=1.0)
    async with vault.unit_of_work() as uow:
        for account in accounts:
            await uow.accounts.save(account)
        await uow.trades.save_many(made)
        await execute(uow, "UPDATE accounts SET currency = NULL WHERE account_id = 'U2'")
        await execute(uow, "UPDATE trades SET commission = NULL WHERE exec_id = '00011'")
        await execute(uow, "UPDATE trades SET realized_pnl = NULL WHERE exec_id = '00012'")
        euros, dollars = await performance(uow)
        assert (euros.currency, dollars.currency) == ("EUR", "USD")
        assert (dollars.executions, dollars.closed, dollars.realized_pnl, dollars.commission) == (6, 5, 25.0, 5.0)
        curves = await equity_curve(uow, less_commission=True)
        assert [(curve.currency, curve.values[-1]) for curve in curves] == [("EUR", 12.0), ("USD", 20.0)]
        listed, known = await uow.trades.list_all(limit=None), await uow.accounts.list_all(limit=None)
    assert performance_of(listed, known) == [euros, dollars]
    assert equity_curve_of(listed, known, less_commission=True) == curves


async def test_tags_are_read_and_added_up_beside_the_event_loop(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one report may have any number of them."""
    threads: dict[str, set[int]] = {"read": set(), "added": set()}
    add = Tallies.add_executions

    def note_read(rows: Any) -> Any:
        threads["read"].add(threading.get_ident())
        return decode_reviews(rows)

    def note_added(self: Tallies, rows: Any, *more: Any) -> None:
        threads["added"].add(threading.get_ident())
        add(self, rows, *more)

    monkeypatch.setattr(trade_reports, "decode_reviews", note_read)
    monkeypatch.setattr(Tallies, "add_executions", note_added)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(make_trades(2))
        await uow.trade_reports.save(make_report("00001", tags=[f"tag {n}" for n in range(1000)]))
        assert len(await performance(uow, by=GroupBy.TAG)) == 1001
    for seen in threads.values():
        assert seen
        assert threading.get_ident() not in seen
