"""Questions at the terminal."""

from __future__ import annotations

import sys

from zorivest_async.cli.exits import ExitCode, MisuseError, printable

__all__ = ["ask"]


def ask(question: str) -> None:
    """Ask a question, and go on if the answer is yes; the default is no.

    Raises:
        MisuseError: There is no answer, because stdin is not a terminal.
        SystemExit: The answer is no.
    """
    if sys.stdin is None or not sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        raise MisuseError("nothing was changed: pass --yes, or run this in a terminal")
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        sys.stderr.write("nothing was changed\n")
        raise SystemExit(ExitCode.FAILED)
