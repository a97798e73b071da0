"""The commands ``zorivest import`` and ``zorivest export``."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import PROGRAM, ExitCode, MisuseError, in_options, warn
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Format, Output, Rows, show
from zorivest_async.cli.selecting import FILTERS, filter_of
from zorivest_async.cli.sources import JournalFolder, choose_source
from zorivest_async.errors import ImportSourceError

if TYPE_CHECKING:
    from zorivest_async import Vault
    from zorivest_async.cli.sources import Source
    from zorivest_async.transfer.importers import ImportReport

__all__ = ["app", "report_values"]

_LISTS: Final = ("inserted", "duplicate", "updated", "failed")
_SHOWN_FAILURES: Final = 20
"""Maximum number of rows that are listed for a person; --json has all of them."""


class Conflict(StrEnum):
    """What to do with an execution that is stored with other values."""

    FAIL = "fail"
    KEEP = "keep"
    UPDATE = "update"


class Accounts(StrEnum):
    """What to do with rows whose account is not stored."""

    CREATE = "create"
    REQUIRE = "require"


app = area()
_exports = area("export", "Export trades to a file, or the journal to a folder. Exports are not encrypted.")


@journal_command(
    app,
    "import",
    "import statement.xml",
    "import trades.csv --profile ibkr-activity-statement --yes",
    "import charts --zone Europe/Berlin --dry-run",
)
def import_file(
    journal: Journal,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A broker's file, or a folder of screenshots or a journal.")
    ],
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="How to read it. Default: the profile that fits the file.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Account of all rows, if the file does not name it.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Currency of all rows, if the file does not name it.")
    ] = None,
    accounts: Annotated[Accounts, typer.Option(help="What to do with accounts that are not stored.")] = Accounts.CREATE,
    on_conflict: Annotated[
        Conflict, typer.Option(help="What to do with an execution that is stored with other values.")
    ] = Conflict.FAIL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what the import would do, and store nothing.")
    ] = False,
    yes: Yes = False,
) -> Output | None:
    """Import a file: show what would be done, ask, and store it in one transaction.

    Importing a file again adds only what is not stored. Times without an offset are in the time zone of the profile,
    unless --zone names another.
    """
    if not (journal.prints_text or yes or dry_run):
        raise MisuseError("a program is not asked: pass --yes or --dry-run, too")
    source = choose_source(file, profile, journal.zone, account=account, currency=currency)
    try:
        if dry_run or not yes:
            planned = _import(journal, source, accounts, on_conflict, dry_run=True)
            if dry_run:
                return _shown(journal, planned)
            show(_shown(journal, planned), Format.TEXT)
            changes = len(planned.inserted) + len(planned.updated)
            if not changes:
                return None
            ask(f"Import {file}?")
        report = _import(journal, source, accounts, on_conflict, dry_run=False)
    except ImportSourceError as error:
        raise ImportSourceError(f"{file}: {error}") from None
    return _shown(journal, report)


@journal_command(_exports, "trades", "export trades trades.csv --since 2024-01-01", fields=FILTERS)
def export_trades_to(
    journal: Journal,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file to write: .csv or .parquet.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    **fields: Any,
) -> Done:
    """Write trades to a CSV or Parquet file, oldest first."""
    wanted = filter_of(journal, fields)

    async def work(vault: Vault) -> int:
        from zorivest_async.transfer.exporting import export_trades

        return await export_trades(vault, file, wanted, overwrite=overwrite)

    count = journal.use(work)
    return Done(f"{file}: {count:,} trades written; it is not encrypted", {"path": file, "trades": count})


@journal_command(_exports, "journal", "export journal everything", has_times=False)
def export_everything(
    journal: Journal,
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="The folder to write; it must not exist.")],
) -> Done:
    """Write everything except API keys to a new folder, which zorivest import reads."""
    from zorivest_async.cli.progress import progress_bar

    async def work(vault: Vault) -> dict[str, int]:
        from zorivest_async.transfer.journal import export_journal

        return await export_journal(vault, folder, progress=progress)

    with progress_bar() as progress:
        counts = journal.use(work)
    said = f"{folder}: {sum(counts.values()):,} rows written; it is not encrypted"
    return Done(said, {"path": folder, "rows": counts})


def report_values(report: ImportReport) -> dict[str, Any]:
    """Return the report of an import for a program."""
    rows = {
        name: [
            {"row": entry.row, "key": entry.key, "reason": entry.reason.name.lower(), "detail": entry.detail}
            for entry in getattr(report, name)
        ]
        for name in _LISTS
    }
    return {
        "dry_run": report.dry_run,
        "import_id": report.import_id,
        **rows,
        "warnings": report.warnings,
        "accounts_created": report.accounts_created,
    }


def _import(
    journal: Journal, source: Source, accounts: Accounts, on_conflict: Conflict, *, dry_run: bool
) -> ImportReport:
    from zorivest_async.cli.progress import progress_bar

    async def work(vault: Vault) -> ImportReport:
        from zorivest_async.transfer.importers import Screenshots, import_screenshots, import_trades
        from zorivest_async.transfer.journal import import_journal

        match source:
            case JournalFolder():
                return await import_journal(vault, source, dry_run=dry_run, progress=progress)
            case Screenshots():
                return await import_screenshots(vault, source, dry_run=dry_run, progress=progress)
            case _:
                return await import_trades(
                    vault,
                    source,
                    dry_run=dry_run,
                    accounts=accounts.value,
                    on_conflict=on_conflict.value,
                    progress=progress,
                )

    with progress_bar() as progress:
        return journal.use(work)


def _shown(journal: Journal, report: ImportReport) -> Output:
    code = ExitCode.FAILED if report.failed else ExitCode.OK
    if not journal.prints_text:
        return Done("", report_values(report), code)
    for warning in report.warnings:
        warn(warning)
    counts = [
        {"what": name, "why": reason.value, "rows": count}
        for name in _LISTS
        for reason, count in Counter(entry.reason for entry in getattr(report, name)).items()
    ]
    failed = [*report.failed[:_SHOWN_FAILURES]]
    more = len(report.failed) - len(failed)
    notes = [f"not imported: {in_options(str(entry))}" for entry in failed]
    notes += [f"and {more:,} more; --json lists all"] if more else []
    if report.accounts_created:
        verb = "would be created" if report.dry_run else "created"
        notes.append(f"accounts {verb}: {', '.join(report.accounts_created)}")
    if report.import_id is not None:
        notes.append(f"to take it back: {PROGRAM} imports undo {report.import_id}")
    if report.dry_run:
        notes.append("this was a dry run: nothing is stored yet")
    return Rows(counts, notes=tuple(notes), code=code)


app.add_typer(_exports)
