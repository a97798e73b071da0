"""The program ``zorivest``: the commands of all areas under one name.

An area is a module with a ``typer.Typer`` of its own. It is imported when one of its commands is needed, so the list of
commands below is all that ``zorivest --help`` needs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperGroup

from zorivest_async._version import __version__
from zorivest_async.cli.exits import CODES, PROGRAM, ExitCode, exit_code_of, say_error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "run"]

_UsageError: Final[Any] = typer.BadParameter.__mro__[1]
"""Click's class, from whichever package this release of typer takes it."""

_COMPLETING: Final = f"_{PROGRAM.upper()}_COMPLETE"
"""The environment variable with which a shell asks for completions."""


class Entry(NamedTuple):
    """A command in the list of commands.

    Attributes:
        section: The heading above it.
        module: The module that has it.
        help: What it does.
    """

    section: str
    module: str
    help: str


_JOURNAL, _VAULT, _MORE = "The journal", "The vault", "More"

COMMANDS: Final = {
    "trades": Entry(_JOURNAL, "trade_commands", "List, show, add, edit and delete executions."),
    "positions": Entry(_JOURNAL, "analytics_commands", "List positions: round trips from flat to flat."),
    "stats": Entry(_JOURNAL, "analytics_commands", "Show the performance, by month, instrument, tag and others."),
    "chart": Entry(_JOURNAL, "analytics_commands", "Draw the equity curve or the calendar into a file."),
    "accounts": Entry(_JOURNAL, "account_commands", "List, show, add, edit and delete accounts."),
    "balances": Entry(_JOURNAL, "account_commands", "List and add the balances of an account."),
    "plans": Entry(_JOURNAL, "plan_commands", "List, show, add, edit and delete plans of trades."),
    "reports": Entry(_JOURNAL, "report_commands", "List, show, write, edit and delete reviews of trades."),
    "watchlists": Entry(_JOURNAL, "watchlist_commands", "List, show, add and delete watchlists and their tickers."),
    "images": Entry(_JOURNAL, "image_commands", "List, add, export, open and delete images."),
    "settings": Entry(_JOURNAL, "setting_commands", "List, get, set and delete settings."),
    "search": Entry(_JOURNAL, "search_commands", "Find words in reviews, plans, captions and notes."),
    "import": Entry(_JOURNAL, "transfer_commands", "Import executions from a broker's file, after a dry run."),
    "imports": Entry(_JOURNAL, "import_commands", "List imports, and take one back."),
    "export": Entry(_JOURNAL, "transfer_commands", "Export trades to a file, or the journal to a folder."),
    "create": Entry(_VAULT, "vault_commands", "Create an empty vault."),
    "adopt": Entry(_VAULT, "vault_commands", "Create a vault from a plaintext SQLite journal."),
    "info": Entry(_VAULT, "vault_commands", "Show the size of a vault and the numbers of its rows."),
    "verify": Entry(_VAULT, "vault_commands", "Check every page, structure and reference of a vault."),
    "backup": Entry(_VAULT, "vault_commands", "Copy a vault, which may be in use, to a new file."),
    "restore": Entry(_VAULT, "vault_commands", "Create a vault from a backup, which is checked first."),
    "rekey": Entry(_VAULT, "vault_commands", "Change the passphrase of a vault."),
    "sql": Entry(_VAULT, "sql_commands", "Run one query that only reads, or a prompt for queries."),
    "doctor": Entry(_VAULT, "doctor_commands", "Look for what is wrong around a vault, and say what to do."),
    "keyring": Entry(_MORE, "keyring_commands", "Keep the passphrase in the keyring of the system."),
    "config": Entry(_MORE, "config_commands", "Show the configuration, and where each value comes from."),
    "completion": Entry(_MORE, "completion_commands", "Print the completion script for bash, zsh or fish."),
    "server": Entry(_MORE, "server_commands", "Prepare a PostgreSQL server for journals."),
    "demo": Entry(_MORE, "demo_commands", "Store a small journal in a new vault, reopen it, and compare."),
}
"""All commands, in the order of the help."""


class Program(TyperGroup):
    """Group of the commands, each of which is imported when it is needed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names: Any = dict.fromkeys(COMMANDS)
        self.commands = names  # for suggestions

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - overrides
        return [*COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - overrides
        if cmd_name not in COMMANDS:
            return None
        app: typer.Typer = import_module(f"zorivest_async.cli.{COMMANDS[cmd_name].module}").app
        found: Any = typer.main.get_command(app)
        if app.info.name == cmd_name:
            return found
        commands = getattr(found, "commands", None)  # what has one command alone is that command
        return found if commands is None else commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - overrides
        for section in (_JOURNAL, _VAULT, _MORE):
            with formatter.section(section):
                formatter.write_dl([(name, each.help) for name, each in COMMANDS.items() if each.section == section])


app = typer.Typer(
    cls=Program,
    help="""Keep a trading journal in one encrypted file.

    \b
    Begin with:
      zorivest create journal.vault
      export ZORIVEST_VAULT=journal.vault
      zorivest import statement.xml
      zorivest stats --by month --zone America/New_York""",
    epilog=CODES,
    no_args_is_help=True,
    add_completion=False,
    # A traceback that shows local variables would show the passphrase.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    # Rich's help takes longer than the rest of the program's start.
    rich_markup_mode=None,
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The arguments without the program's name; the default is ``sys.argv[1:]``.
    """
    return exit_code_of(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> None:
    if _COMPLETING in os.environ:
        completion: Any = import_module("typer.completion")
        completion.completion_init()
    try:
        ended = app(arguments, prog_name=PROGRAM, complete_var=_COMPLETING, standalone_mode=False)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error.format_message()}\n")
        else:
            command = error.ctx.command_path if error.ctx is not None else PROGRAM
            say_error(f"{error.format_message().rstrip('.')}; see {command} --help")
        raise SystemExit(ExitCode.USAGE) from None
    except typer.Abort:
        raise SystemExit(ExitCode.INTERRUPTED) from None
    raise SystemExit(ended if isinstance(ended, int) else ExitCode.OK)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Define the options before a command."""
