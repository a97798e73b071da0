"""The program ``zorivest`` without the extra ``cli``: it runs the demo, and names the extra for other commands."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zorivest_async import MissingDependencyError, __version__
from zorivest_async.cli.demo.texts import DESCRIPTION, EXECUTIONS_HELP, IMAGES_HELP, SUMMARY, VAULT_HELP
from zorivest_async.cli.exits import CODES, PROGRAM, exit_code_of, reported
from zorivest_async.cli.words import FILE_HELP

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run"]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the demo, or print which extra another command needs, and return the exit code.

    Args:
        arguments: The arguments without the program's name; the default is ``sys.argv[1:]``.
    """
    return exit_code_of(lambda: _run(sys.argv[1:] if arguments is None else arguments))


def _run(arguments: Sequence[str]) -> None:
    with reported():
        if arguments and arguments[0] != "demo" and not arguments[0].startswith("-"):
            raise MissingDependencyError('every command but demo needs an extra: pip install "zorivest-async[cli]"')
        parser = _parser()
        options = parser.parse_args(arguments)
        if options.command is None:
            parser.print_help(sys.stderr)
            parser.exit(2)
        from zorivest_async.cli.demo.command import run_demo

        raise SystemExit(run_demo(options.vault, options.executions, options.images, options.passphrase_file))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Keep a trading journal in one encrypted file.",
        epilog=f'Other commands need an extra: pip install "zorivest-async[cli]". {CODES}',
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    demo = commands.add_parser("demo", help=SUMMARY, description=DESCRIPTION)
    demo.add_argument("--vault", type=Path, metavar="PATH", help=VAULT_HELP)
    demo.add_argument("--executions", type=Path, metavar="CSV", help=EXECUTIONS_HELP)
    demo.add_argument("--images", type=Path, metavar="DIR", help=IMAGES_HELP)
    demo.add_argument("--passphrase-file", metavar="FILE", help=FILE_HELP)
    return parser
