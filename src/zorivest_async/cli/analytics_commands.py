"""The commands ``zorivest positions``, ``zorivest stats`` and ``zorivest chart``."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zorivest_async.analytics.answers import GroupBy, Unit
from zorivest_async.analytics.position import Matching
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import MisuseError
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.output import Done, Rows
from zorivest_async.cli.selecting import FILTERS, filter_of

if TYPE_CHECKING:
    from zorivest_async.analytics import EquityCurve, Performance, Position, Positions
    from zorivest_async.domain.queries import TradeFilter
    from zorivest_async.ports import UnitOfWork

__all__ = ["app", "position_row", "stats_row"]

_POSITION_COLUMNS: Final = (
    "instrument", "side", "opened", "closed", "net", "currency", "quantity", "average_entry", "average_exit",
    "r_multiple", "account_id",
)  # fmt: skip
_STATS_COLUMNS: Final = (
    "group", "currency", "closed", "wins", "losses", "win_rate", "realized_pnl", "expectancy", "profit_factor",
    "average_r", "drawdown",
)  # fmt: skip
_STATS_FORMATS: Final = {
    "win_rate": ".1%",
    "realized_pnl": ".2f",
    "expectancy": ".2f",
    "profit_factor": ".2f",
    "average_r": ".2f",
    "drawdown": ".2f",
}
_POSITION_FORMATS: Final = {"net": ".2f", "r_multiple": ".2f"}
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Method = Annotated[Matching, typer.Option(help="Which open lots a closing execution closes first.")]
Target = Annotated[str, typer.Argument(metavar="FILE", help="The file to write: .png, .svg or .pdf.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]
SessionStart = Annotated[
    str | None, typer.Option("--session-start", metavar="HH:MM", help="Local time at which a session begins.")
]

app = area()
_charts = area("chart", "Draw the equity curve or the calendar into a file, with the extra charts.")


@journal_command(app, "positions", "positions --open", "positions --instrument SPY --json", fields=FILTERS)
def list_positions(
    journal: Journal,
    with_open: Annotated[bool, typer.Option("--open", help="Open positions, too.")] = False,
    method: Method = Matching.FIFO,
    **fields: Any,
) -> Rows:
    """List positions: round trips from flat to flat, in the order of closing."""
    wanted = filter_of(journal, fields)

    async def work(uow: UnitOfWork) -> Positions:
        from zorivest_async.analytics import positions

        return await positions(uow, wanted, open=with_open, method=method)

    found = journal.read(work)
    notes = tuple(
        f"{each.instrument} in {each.account_id} has executions with the multipliers "
        f"{', '.join(format(number, 'g') for number in each.multipliers)}, which are not closed against each other"
        for each in found.conflicts
    )
    return Rows([position_row(each) for each in found], _POSITION_COLUMNS, _POSITION_FORMATS, journal.time_zone, notes)


def position_row(position: Position) -> dict[str, Any]:
    """Return a position by name, with its holding time."""
    return row_of(position) | {"holding_time": position.holding_time}


@journal_command(
    app,
    "stats",
    "stats",
    "stats --by month --zone America/New_York",
    "stats --by tag --since 2024-01-01",
    fields=FILTERS,
)
def stats(
    journal: Journal,
    by: Annotated[GroupBy | None, typer.Option("--by", help="What to group by. Default: all in one.")] = None,
    unit: Annotated[Unit, typer.Option("--unit", help="What to count.")] = Unit.POSITION,
    method: Method = Matching.FIFO,
    session_start: SessionStart = None,
    **fields: Any,
) -> Rows:
    """Show the performance of closed positions, by group and currency."""
    wanted = filter_of(journal, fields)
    zone = journal.zone_name
    found = journal.read(lambda uow: _performance(uow, zone, wanted, by, unit, method, session_start))
    columns = _STATS_COLUMNS if by is not None else _STATS_COLUMNS[1:]
    rows = [stats_row(each) for each in found]
    if journal.prints_text:
        rows = [row | {"group": _group_text(each)} for row, each in zip(rows, found, strict=True)]
    return Rows(rows, columns, _STATS_FORMATS, journal.time_zone)


def stats_row(each: Performance) -> dict[str, Any]:
    """Return a performance by name, with the drawdown in three fields."""
    fall = each.drawdown
    begin, end = (None, None) if fall is None else (fall.begin, fall.end)
    return row_of(each) | {
        "drawdown": None if fall is None else fall.amount,
        "drawdown_begin": begin,
        "drawdown_end": end,
    }


@journal_command(
    _charts, "equity", "chart equity equity.png", "chart equity equity.svg --currency USD --overwrite", fields=FILTERS
)
def chart_equity(journal: Journal, file: Target, overwrite: Overwrite = False, **fields: Any) -> Done:
    """Draw the equity curve with its drawdowns."""
    from zorivest_async.integrations.charts import plot_equity_curve

    wanted = filter_of(journal, fields)

    async def work(uow: UnitOfWork) -> list[EquityCurve]:
        from zorivest_async.analytics import equity_curve

        return await equity_curve(uow, wanted)

    curves = journal.read(work)
    _require_one_currency([curve.currency for curve in curves])
    return _draw(plot_equity_curve(curves, time_zone=journal.zone_name), file, overwrite=overwrite)


@journal_command(_charts, "calendar", "chart calendar march.png --since 2024-03-01 --until 2024-04-01", fields=FILTERS)
def chart_calendar(
    journal: Journal, file: Target, overwrite: Overwrite = False, session_start: SessionStart = None, **fields: Any
) -> Done:
    """Draw the daily results as a calendar, month by month."""
    from zorivest_async.integrations.charts import plot_calendar

    wanted = filter_of(journal, fields)
    zone = journal.zone_name
    daily = journal.read(
        lambda uow: _performance(uow, zone, wanted, GroupBy.DAY, Unit.POSITION, Matching.FIFO, session_start)
    )
    _require_one_currency([each.currency for each in daily])
    return _draw(plot_calendar(daily), file, overwrite=overwrite)


async def _performance(
    uow: UnitOfWork,
    zone: str,
    wanted: TradeFilter,
    by: GroupBy | None,
    unit: Unit,
    method: Matching,
    session_start: str | None,
) -> list[Performance]:
    from zorivest_async.analytics import performance

    try:
        start = None if session_start is None else time.fromisoformat(session_start)
    except ValueError:
        raise MisuseError("--session-start must be a time of day, such as 18:00") from None
    return await performance(
        uow,
        wanted,
        by=by,
        time_zone=None if by is None else zone,
        session_start=start,
        unit=unit,
        method=method,
    )


def _require_one_currency(currencies: list[str]) -> None:
    if len(found := sorted({*currencies})) > 1:
        raise MisuseError(
            f"amounts of several currencies are not drawn together; pass one of --currency {', '.join(found)}"
        )


def _draw(figure: Any, file: str, *, overwrite: bool) -> Done:
    from pathlib import Path

    from zorivest_async.transfer.exporting import published

    kind = Path(file).suffix.lower().removeprefix(".")
    if kind not in {"png", "svg", "pdf"}:
        raise MisuseError("the name of the file must end in .png, .svg or .pdf")
    with published(file, overwrite=overwrite) as part:
        figure.savefig(part, format=kind)
    return Done(f"{file}: drawn; it is not encrypted", {"path": file})


def _group_text(each: Performance) -> str:
    match each.by, each.group:
        case _, None:
            return "(none)"
        case GroupBy.WEEKDAY, int() as number:
            return _WEEKDAYS[number - 1]
        case GroupBy.HOUR, int() as number:
            return f"{number:02}:00"
        case GroupBy.MONTH, date() as first:
            return f"{first:%Y-%m}"
        case _, timedelta() as shortest:
            return f"from {shortest}"
        case _, group:
            return str(group)


app.add_typer(_charts)
