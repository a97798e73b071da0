"""The command ``zorivest reports``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.fields import Clear, options_of, row_of, values_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Record, Rows
from zorivest_async.domain.entities import TradeReport
from zorivest_async.errors import NotFoundError

if TYPE_CHECKING:
    from zorivest_async.ports import UnitOfWork

__all__ = ["app"]

TradeId = Annotated[str, typer.Argument(metavar="EXEC_ID", help="The trade of the report.")]

app = area("reports", "List, show, write, edit and delete reviews of trades.")


async def _report_of(uow: UnitOfWork, trade_id: str) -> TradeReport:
    report = await uow.trade_reports.get_for_trade(trade_id)
    if report is None:
        await uow.trades.get_one(trade_id)
        raise NotFoundError("TradeReport", trade_id, "this trade has no report")
    return report


@journal_command(app, "list", "reports list")
def list_reports(journal: Journal) -> Rows:
    """List all reports, in the order in which they were written."""

    async def work(uow: UnitOfWork) -> list[TradeReport]:
        found: list[TradeReport] = []
        while page := await uow.rows.page(TradeReport, found[-1].id if found else None):
            found += page
        return found

    columns = ("trade_id", "setup_quality", "execution_quality", "followed_plan", "emotional_state", "tags")
    return Rows([row_of(report) for report in journal.read(work)], columns, zone=journal.time_zone)


@journal_command(app, "show", "reports show 1001")
def show(journal: Journal, trade_id: TradeId) -> Record:
    """Show the report of a trade."""
    return Record(row_of(journal.read(lambda uow: _report_of(uow, trade_id))), zone=journal.time_zone)


@journal_command(
    app,
    "write",
    "reports write 1001 --setup-quality 4 --followed-plan --tag breakout --lessons-learned 'Wait for the retest'",
    fields=options_of(TradeReport, "trade_id", required=True),
)
def write(journal: Journal, trade_id: TradeId, **fields: Any) -> Done:
    """Write the report of a trade that has none."""
    report = TradeReport(trade_id=trade_id, **values_of(TradeReport, fields, journal))
    number = journal.write(lambda uow: uow.trade_reports.save(report))
    return Done(f"report of {trade_id}: written", row_of(report) | {"id": number})


@journal_command(
    app,
    "edit",
    "reports edit 1001 --execution-quality 2",
    fields=options_of(TradeReport, "trade_id", required=False),
)
def edit(journal: Journal, trade_id: TradeId, clear: Clear = None, **fields: Any) -> Done:
    """Change fields of the report of a trade; the others stay, and tags replace all tags."""
    changes = values_of(TradeReport, fields, journal, clear)

    async def work(uow: UnitOfWork) -> TradeReport:
        report = replace(await _report_of(uow, trade_id), **changes)
        await uow.trade_reports.update(report)
        return report

    return Done(f"report of {trade_id}: changed {', '.join(changes) or 'nothing'}", row_of(journal.write(work)))


@journal_command(app, "delete", "reports delete 1001")
def delete(journal: Journal, trade_id: TradeId, yes: Yes = False) -> Done:
    """Delete the report of a trade."""
    if not yes:
        journal.read(lambda uow: _report_of(uow, trade_id))
        ask(f"Delete the report of {trade_id}?")

    async def work(uow: UnitOfWork) -> None:
        report = await _report_of(uow, trade_id)
        if report.id is not None:
            await uow.trade_reports.delete(report.id)

    journal.write(work)
    return Done(f"report of {trade_id}: deleted", {"trade_id": trade_id, "deleted": True})
