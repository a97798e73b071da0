"""The program ``zorivest``: the commands of all areas under one name."""

from collections.abc import Sequence
from typing import Annotated

import typer

from zorivest_async import __version__
from zorivest_async.cli import demo_commands, server_commands, vault_commands
from zorivest_async.cli.exits import CODES, PROGRAM, exit_code_of

__all__ = ["run"]

app = typer.Typer(
    help="Keep a trading journal in one encrypted file.",
    epilog=CODES,
    no_args_is_help=True,
    add_completion=False,
    # A traceback that shows local variables would show the passphrase.
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)
# Each area is a module with a Typer of its own. Without a name its commands stand at the top level: `zorivest create`.
app.add_typer(vault_commands.app)
app.add_typer(demo_commands.app)
app.add_typer(server_commands.app)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The arguments without the program's name; the default is ``sys.argv[1:]``.
    """
    return exit_code_of(lambda: app(arguments, prog_name=PROGRAM))


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
