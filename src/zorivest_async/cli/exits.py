"""How a command ends: its exit code, and the one line that says why."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import typer

from zorivest_async import VaultBusyError, VaultInUseError, WrongPassphraseError, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["PROGRAM", "ExitCode", "printable", "reported", "warn"]

PROGRAM = "zorivest-vault"


class ExitCode(IntEnum):
    """What a command's exit code says; 2, wrong usage, is typer's own."""

    OK = 0
    FAILED = 1
    WRONG_PASSPHRASE = 3
    IN_USE = 4
    INTERRUPTED = 130


@contextmanager
def reported() -> Generator[None]:
    """End the command with one line and the exit code that says what went wrong, where something does.

    Raises:
        typer.Exit: Something went wrong.
    """
    try:
        yield
    except ZorivestError as error:
        _say("error", str(error))
        raise typer.Exit(_code_of(error)) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # nobody reads the output any more
            raise
        _say("error", f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))
        raise typer.Exit(ExitCode.FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def warn(message: str) -> None:
    """Write a line to stderr, and go on."""
    _say("warning", message)


def printable(text: object) -> str:
    """Return a text that may go to a terminal: what would steer one, or end the line, is written as an escape."""
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
