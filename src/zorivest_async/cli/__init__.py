"""The program ``zorivest``. Its commands need the extra ``cli``, except ``demo``, which runs without it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; ``zorivest --help`` lists both.

    Args:
        arguments: The arguments without the program's name; the default is ``sys.argv[1:]``.
    """
    try:
        for package in ("platformdirs", "rich", "typer"):
            import_module(package)
    except ImportError:
        from zorivest_async.cli.without_extra import run
    else:
        from zorivest_async.cli.program import run
    return run(arguments)
