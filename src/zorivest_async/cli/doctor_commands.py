"""The command ``zorivest doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import ExitCode
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.output import Rows

if TYPE_CHECKING:
    from zorivest_async.cli.examinations import Finding

__all__ = ["app", "finding_row"]

app = area()


@journal_command(app, "doctor", "doctor", "doctor journal.vault --open", has_times=False, names_vault=True)
def doctor(
    journal: Journal,
    opens: Annotated[bool, typer.Option("--open", help="Open the vault, too, with its passphrase.")] = False,
) -> Rows:
    """Look for what is wrong around a vault: versions, driver, file, permissions, links, clock, time zone data.

    Without --open it needs no passphrase. It changes nothing.
    """
    from zorivest_async.cli.examinations import State, examine_file, examine_opening, examine_system

    found = examine_system(journal.configuration)
    if journal.is_named and not journal.is_server:
        found += examine_file(journal.place)
    if opens:
        found += examine_opening(journal)
    is_well = all(each.state is not State.WRONG for each in found)
    return Rows([finding_row(each) for each in found], code=ExitCode.OK if is_well else ExitCode.FAILED)


def finding_row(finding: Finding) -> dict[str, Any]:
    """Return a finding by name."""
    return {"state": finding.state, "what": finding.what, "found": finding.found, "advice": finding.advice or None}
