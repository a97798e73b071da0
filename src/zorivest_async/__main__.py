"""The command line: ``python -m zorivest_async``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zorivest_async import ZorivestError, __version__
from zorivest_async.demo.command import PASSPHRASE_VARIABLE, demo

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_USAGE_ERROR = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0, 1 where it failed, 2 where there is no such command.

    Args:
        arguments: What follows the program's name; the default is ``sys.argv[1:]``.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return _USAGE_ERROR
    try:
        return demo(options.vault, options.executions, options.images)
    except ZorivestError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}" if error.filename is not None else str(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    sys.stderr.write(f"{parser.prog}: error: {problem}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zorivest_async", description="A trading journal in one encrypted file, for code that awaits."
    )
    parser.add_argument("--version", action="version", version=f"zorivest-async {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    command = commands.add_parser(
        "demo",
        help="keep a small journal, close it, reopen it, and compare what came back",
        description="Keep a small journal in a new vault, close it, show that the file cannot be read without the "
        "passphrase, reopen it, and compare everything that comes back with what was stored.",
        epilog=f"The environment variable {PASSPHRASE_VARIABLE} holds the passphrase. Without it, a "
        "temporary vault gets a random one.",
    )
    command.add_argument(
        "--vault", type=Path, metavar="PATH", help="where to keep the vault; nothing must be there (default: nowhere)"
    )
    command.add_argument(
        "--executions",
        type=Path,
        metavar="CSV",
        help="executions of ETH/USDT: columns id, date, side, price and amount (default: a bundled sample of 100)",
    )
    command.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="a folder of PNG, JPEG, WebP or GIF images (default: charts are drawn)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
