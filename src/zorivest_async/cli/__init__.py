"""The command line ``zorivest-vault``: looking after vaults without writing a program. It needs the extra ``cli``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from zorivest_async.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; ``zorivest-vault --help`` lists both.

    Args:
        arguments: What follows the program's name; the default is ``sys.argv[1:]``.
    """
    try:
        for package in ("rich", "typer"):
            import_module(package)
    except ImportError:
        error = MissingDependencyError('the command line needs an extra: pip install "zorivest-async[cli]"')
        sys.stderr.write(f"zorivest-vault: error: {error}\n")
        return 1
    from zorivest_async.cli.commands import run  # noqa: PLC0415 - it needs both

    return run(arguments)
