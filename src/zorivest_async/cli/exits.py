"""Exit codes and error messages of the commands."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from zorivest_async import VaultBusyError, VaultInUseError, WrongPassphraseError, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["CODES", "PROGRAM", "ExitCode", "exit_code_of", "printable", "reported", "warn"]

PROGRAM: Final = "zorivest"

CODES: Final = (
    "Exit codes: 0 done; 1 a problem was found, or the command failed; 2 wrong usage; 3 wrong passphrase; "
    "4 the vault is in use or busy; 130 interrupted."
)
"""The exit codes in the help."""


class ExitCode(IntEnum):
    """Exit code of a command. Wrong usage is 2, with which typer and argparse end the program themselves."""

    OK = 0
    FAILED = 1
    WRONG_PASSPHRASE = 3
    IN_USE = 4
    INTERRUPTED = 130


def exit_code_of(program: Callable[[], object]) -> int:
    """Run a program that may end with :class:`SystemExit`, and return its exit code instead."""
    code: str | int | None = None
    try:
        program()
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    return int(code or ExitCode.OK)


@contextmanager
def reported() -> Generator[None]:
    """End the command with one line and an exit code if the block raises an error.

    Raises:
        SystemExit: The block raised an error.
    """
    try:
        yield
    except ZorivestError as error:
        _say("error", str(error))
        raise SystemExit(_code_of(error)) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of the output has closed it
            raise
        _say("error", f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))
        raise SystemExit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.INTERRUPTED) from None


def warn(message: str) -> None:
    """Write a warning to stderr."""
    _say("warning", message)


def printable(text: object) -> str:
    """Return a text with control characters and line breaks escaped, which is safe to print to a terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in str(text)
    )


def _say(kind: str, message: str) -> None:
    sys.stderr.write(f"{PROGRAM}: {kind}: {printable(message)}\n")


def _code_of(error: ZorivestError) -> ExitCode:
    match error:
        case WrongPassphraseError():
            return ExitCode.WRONG_PASSPHRASE
        case VaultInUseError() | VaultBusyError():
            return ExitCode.IN_USE
        case _:
            return ExitCode.FAILED
