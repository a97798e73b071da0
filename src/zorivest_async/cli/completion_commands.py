"""The command ``zorivest completion``."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer

from zorivest_async.cli.commands import area, described
from zorivest_async.cli.exits import PROGRAM

__all__ = ["app"]

app = area()


class Shell(StrEnum):
    """A shell that completes command lines."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command(
    "completion",
    help=described(
        """Print the completion script for a shell.

        \b
        bash: eval "$(zorivest completion bash)" in ~/.bashrc
        zsh:  eval "$(zorivest completion zsh)" in ~/.zshrc, after compinit
        fish: zorivest completion fish > ~/.config/fish/completions/zorivest.fish""",
        "completion bash",
    ),
)
def print_script(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the completion script for a shell."""
    completion: Any = import_module("typer.completion")  # where each release of typer has it, without exporting it
    typer.echo(
        completion.get_completion_script(prog_name=PROGRAM, complete_var=f"_{PROGRAM.upper()}_COMPLETE", shell=shell)
    )
