"""The command ``zorivest imports``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from zorivest_async.cli.asking import ask
from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import MisuseError
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.options import All, Limit, Yes  # noqa: TC001 - likewise
from zorivest_async.cli.output import Done, Rows

if TYPE_CHECKING:
    from zorivest_async.domain.queries import UndoResult

__all__ = ["app"]

app = area("imports", "List imports, and take one back.")


@journal_command(app, "list", "imports list")
def list_imports(journal: Journal, limit: Limit = 100, all_rows: All = False) -> Rows:
    """List imports, newest first."""
    imports = journal.read(lambda uow: uow.imports.list_all(None if all_rows else limit))
    columns = ("id", "imported_at", "source", "profile", "inserted", "duplicate", "updated", "failed")
    return Rows([row_of(one) for one in imports], columns, zone=journal.time_zone)


@journal_command(app, "undo", "imports undo 3")
def undo(
    journal: Journal,
    number: Annotated[int, typer.Argument(metavar="ID", help="The number of the import.")],
    yes: Yes = False,
) -> Done:
    """Take an import back: delete what it inserted, restore what it changed, all of it or nothing.

    It is refused if something of yours or of a later import would be lost, such as a review of an execution.
    """
    if not (journal.prints_text or yes):
        raise MisuseError("a program is not asked: pass --yes, too")
    if not yes:
        found = journal.read(lambda uow: uow.imports.get_one(number))
        ask(f"Take back import {number} of {found.source}, with {found.inserted:,} new executions?")
    result: UndoResult = journal.write(lambda uow: uow.imports.undo(number))
    values = asdict(result)
    said = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in values.items())
    return Done(f"import {number}: undone ({said})", {"import_id": number, **values})
