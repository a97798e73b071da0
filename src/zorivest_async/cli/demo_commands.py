"""The command ``zorivest demo``."""

from pathlib import Path
from typing import Annotated

import typer

from zorivest_async.cli.commands import area, described
from zorivest_async.cli.demo.texts import DESCRIPTION, EXECUTIONS_HELP, IMAGES_HELP, SUMMARY, VAULT_HELP
from zorivest_async.cli.exits import reported
from zorivest_async.cli.options import PassphraseFile

__all__ = ["app"]

app = area()


@app.command(help=described(DESCRIPTION, "demo", "demo --vault demo.vault"), short_help=SUMMARY)
def demo(
    vault: Annotated[Path | None, typer.Option(metavar="PATH", help=VAULT_HELP)] = None,
    executions: Annotated[Path | None, typer.Option(metavar="CSV", help=EXECUTIONS_HELP)] = None,
    images: Annotated[Path | None, typer.Option(metavar="DIR", help=IMAGES_HELP)] = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Run the demo."""
    from zorivest_async.cli.demo.command import run_demo

    with reported():
        raise typer.Exit(run_demo(vault, executions, images, passphrase_file))
