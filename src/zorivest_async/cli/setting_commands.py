"""The command ``zorivest settings``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zorivest_async.cli.commands import area, journal_command
from zorivest_async.cli.exits import MisuseError
from zorivest_async.cli.fields import row_of
from zorivest_async.cli.journal import Journal  # noqa: TC001 - typer reads the annotations
from zorivest_async.cli.output import Done, Record, Rows
from zorivest_async.errors import NotFoundError

if TYPE_CHECKING:
    from zorivest_async.domain.settings import Setting
    from zorivest_async.ports import UnitOfWork

__all__ = ["app"]

Key = Annotated[str, typer.Argument(metavar="KEY", help="The name of the setting.")]

app = area("settings", "List, get, set and delete settings.")


@journal_command(app, "list", "settings list", "settings list --prefix display.")
def list_settings(
    journal: Journal,
    prefix: Annotated[str, typer.Option(metavar="TEXT", help="What their names begin with.")] = "",
) -> Rows:
    """List the settings."""
    found = journal.read(lambda uow: uow.settings.list_prefixed(prefix) if prefix else uow.settings.get_all())
    return Rows([row_of(each) for each in found], ("key", "value", "value_type"), zone=journal.time_zone)


@journal_command(app, "get", "settings get display.zone")
def get(journal: Journal, key: Key) -> Record:
    """Show a setting."""
    return Record(row_of(journal.read(lambda uow: _setting_of(uow, key))), zone=journal.time_zone)


@journal_command(
    app,
    "set",
    "settings set display.zone Europe/Berlin",
    "settings set risk.percent 0.5 --as-json",
    takes_dashes=True,
)
def set_value(
    journal: Journal,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="The value: a text, unless --as-json.")],
    is_json: Annotated[bool, typer.Option("--as-json", help="The value is JSON: a number, true, a list.")] = False,
) -> Done:
    """Set a setting, also one that is set already."""
    try:
        decoded: Any = json.loads(value) if is_json else value
    except (ValueError, RecursionError):
        raise MisuseError("the value is not JSON; leave out --as-json for a text") from None

    async def work(uow: UnitOfWork) -> Setting:
        await uow.settings.set(key, decoded)
        return await _setting_of(uow, key)

    return Done(f"{key}: set", row_of(journal.write(work)))


@journal_command(app, "delete", "settings delete display.zone")
def delete(journal: Journal, key: Key) -> Done:
    """Delete a setting."""

    async def work(uow: UnitOfWork) -> None:
        await _setting_of(uow, key)
        await uow.settings.delete(key)

    journal.write(work)
    return Done(f"{key}: deleted", {"key": key, "deleted": True})


async def _setting_of(uow: UnitOfWork, key: str) -> Setting:
    for found in await uow.settings.list_prefixed(key):
        if found.key == key:
            return found
    raise NotFoundError("Setting", key)
