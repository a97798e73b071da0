"""The command ``zorivest plans``."""

from __future__ import annotations

from typing import Annotated

import typer

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.entity_commands import EntityArea
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import All, Limit  # noqa: TC001 - likewise
from zorivest_async.cli.output import Rows
from zorivest_async.domain.entities import TradePlan
from zorivest_async.domain.enums import PlanStatus  # noqa: TC001 - typer reads the annotations

__all__ = ["app"]

app = area("plans", "List, show, add, edit and delete plans of trades.")


@journal_command(app, "list", "plans list --status active")
def list_plans(
    journal: Journal,
    status: Annotated[PlanStatus | None, typer.Option(help="In this state.")] = None,
    ticker: Annotated[str | None, typer.Option(metavar="TEXT", help="Of this ticker.")] = None,
    limit: Limit = 100,
    all_rows: All = False,
) -> Rows:
    """List plans, newest first."""
    plans = journal.read(
        lambda uow: uow.trade_plans.list_all(None if all_rows else limit, status=status, ticker=ticker)
    )
    columns = ("id", "ticker", "direction", "conviction", "status", "strategy_name", "entry_price", "stop_loss")
    return Rows([row_of(plan) for plan in plans], (*columns, "target_price", "linked_trade_id"), zone=journal.time_zone)


EntityArea(
    app,
    TradePlan,
    "plan",
    "id",
    lambda uow: uow.trade_plans,
    "--ticker SPY --direction BOT --conviction high --entry-price 513 --stop-loss 511",
    "--status executed --trade 1001",
).add_commands()
