"""The command ``zorivest trades``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.fields import Clear, options_of, row_of, values_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import All, Limit, Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Record, Rows
from zorivest_async.cli.selecting import FILTERS, filter_of
from zorivest_async.domain.entities import Trade
from zorivest_async.domain.enums import ImageOwnerType

if TYPE_CHECKING:
    from zorivest_async.ports import UnitOfWork

__all__ = ["app"]

_COLUMNS: Final = (
    "exec_id", "time", "instrument", "action", "quantity", "price", "realized_pnl", "currency", "account_id",
)  # fmt: skip

ExecId = Annotated[str, typer.Argument(metavar="EXEC_ID", help="The broker's identifier of the execution.")]
Sort = Annotated[str, typer.Option(metavar="FIELD", help="Field to sort by; - before it: largest first.")]

app = area("trades", "List, show, add, edit and delete executions.")


@journal_command(
    app,
    "list",
    "trades list --instrument SPY --since 2024-03-01",
    "trades list --all --csv > trades.csv",
    fields=FILTERS,
)
def list_trades(
    journal: Journal, limit: Limit = 100, all_rows: All = False, sort: Sort = "-time", **fields: Any
) -> Rows:
    """List executions, newest first."""
    wanted = filter_of(journal, fields)

    async def work(uow: UnitOfWork) -> tuple[list[Trade], int]:
        rows = await uow.trades.list_filtered(wanted, sort=sort, limit=None if all_rows else limit)
        return rows, await uow.trades.count_filtered(wanted)

    trades, count = journal.read(work)
    notes = (f"{len(trades):,} of {count:,} executions; --all lists the others",) if len(trades) < count else ()
    return Rows([row_of(trade) for trade in trades], _COLUMNS, zone=journal.time_zone, notes=notes)


@journal_command(app, "show", "trades show 0000e0d5.65cb1f2a.01.01")
def show(journal: Journal, exec_id: ExecId) -> Record:
    """Show all fields of an execution."""
    return Record(row_of(journal.read(lambda uow: uow.trades.get_one(exec_id))), zone=journal.time_zone)


@journal_command(
    app,
    "add",
    "trades add 1001 --time '2024-03-08 09:30' --zone America/New_York --instrument SPY --action BOT --quantity 100 "
    "--price 513.07 --account U1",
    fields=options_of(Trade, "exec_id", required=True),
)
def add(journal: Journal, exec_id: ExecId, **fields: Any) -> Done:
    """Add an execution by hand. Without --realized-pnl, its result is matched from the prices."""
    stated = {"realized_pnl": None} | values_of(Trade, fields, journal)
    trade = Trade(exec_id=exec_id, **stated)
    journal.write(lambda uow: uow.trades.save(trade))
    return Done(f"{exec_id}: added", row_of(trade))


@journal_command(
    app,
    "edit",
    "trades edit 1001 --notes 'Entered too early'",
    "trades edit 1001 --clear realized-pnl",
    fields=options_of(Trade, "exec_id", required=False),
)
def edit(journal: Journal, exec_id: ExecId, clear: Clear = None, **fields: Any) -> Done:
    """Change fields of an execution; the others stay."""
    changes = values_of(Trade, fields, journal, clear)

    async def work(uow: UnitOfWork) -> Trade:
        trade = replace(await uow.trades.get_one(exec_id), **changes)
        await uow.trades.update(trade)
        return trade

    return Done(f"{exec_id}: changed {', '.join(changes) or 'nothing'}", row_of(journal.write(work)))


@journal_command(app, "delete", "trades delete 1001")
def delete(journal: Journal, exec_id: ExecId, yes: Yes = False) -> Done:
    """Delete an execution, with its report and its images."""

    async def belongings(uow: UnitOfWork) -> str:
        trade = await uow.trades.get_one(exec_id)
        report = await uow.trade_reports.get_for_trade(exec_id)
        images = await uow.images.list_for_owner(ImageOwnerType.TRADE, exec_id, limit=None)
        lost = ["its report"] * (report is not None) + [f"{len(images)} images"] * bool(images)
        what = f"{trade.action} {trade.quantity:g} {trade.instrument} at {trade.price:g}"
        return f"{exec_id} ({what}){', with ' + ' and '.join(lost) if lost else ''}"

    if not yes:
        ask(f"Delete {journal.read(belongings)}?")

    async def work(uow: UnitOfWork) -> None:
        await uow.trades.get_one(exec_id)
        await uow.trades.delete(exec_id)

    journal.write(work)
    return Done(f"{exec_id}: deleted", {"exec_id": exec_id, "deleted": True})
