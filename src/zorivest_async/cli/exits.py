"""Exit codes and error messages of the commands."""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from zorivest_async import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = [
    "CODES",
    "MEANINGS",
    "PROGRAM",
    "ExitCode",
    "MisuseError",
    "code_of",
    "exit_code_of",
    "in_options",
    "printable",
    "reported",
    "say_error",
    "warn",
]

PROGRAM: Final = "zorivest"


class ExitCode(IntEnum):
    """Exit code of a command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    WRONG_PASSPHRASE = 3
    IN_USE = 4
    NOT_FOUND = 5
    REFUSED = 6
    NOT_USABLE = 7
    NO_SPACE = 8
    UNKNOWN = 9
    INTERRUPTED = 130


MEANINGS: Final = {
    ExitCode.OK: "done",
    ExitCode.FAILED: (
        "`verify`, `doctor` or `demo` found a problem, rows of an import failed, or the command failed in another way"
    ),
    ExitCode.USAGE: "wrong usage",
    ExitCode.WRONG_PASSPHRASE: "the passphrase does not open the vault, or a server refuses the login",
    ExitCode.IN_USE: "the vault is in use or busy, or a server does not answer; try again",
    ExitCode.NOT_FOUND: "there is no such file, vault or row",
    ExitCode.REFUSED: "the input is invalid, so that nothing was stored",
    ExitCode.NOT_USABLE: "the file is damaged, not a vault, of another release, or was replaced meanwhile",
    ExitCode.NO_SPACE: "there is no space, or the file is read-only",
    ExitCode.UNKNOWN: "a commit failed, and it is not known whether it is stored: look before you repeat it",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
}
"""Meanings of the exit codes, as the document has them."""

CODES: Final = (
    "Exit codes: 0 done; 1 a problem was found, or the command failed; 2 wrong usage; 3 wrong passphrase; 4 in use or "
    "busy; 5 not found; 6 invalid input; 7 damaged or not a vault; 8 no space; 9 not known whether it is stored; 130 "
    "interrupted."
)
"""The exit codes in the help."""

_CODES_OF_ERRORS: Final[tuple[tuple[type[errors.ZorivestError], ExitCode], ...]] = (
    # The first class that an error is an instance of has its code; the classes of a line are no parts of each other.
    (errors.WrongPassphraseError, ExitCode.WRONG_PASSPHRASE),
    (errors.VaultAccessError, ExitCode.WRONG_PASSPHRASE),
    (errors.VaultInUseError, ExitCode.IN_USE),
    (errors.VaultBusyError, ExitCode.IN_USE),
    (errors.VaultUnreachableError, ExitCode.IN_USE),
    (errors.VaultNotFoundError, ExitCode.NOT_FOUND),
    (errors.NotFoundError, ExitCode.NOT_FOUND),
    (errors.CommitOutcomeUnknownError, ExitCode.UNKNOWN),
    (errors.VaultFullError, ExitCode.NO_SPACE),
    (errors.ReadOnlyError, ExitCode.NO_SPACE),
    (errors.NotEncryptedError, ExitCode.NOT_USABLE),
    (errors.NotAVaultError, ExitCode.NOT_USABLE),
    (errors.VaultVersionError, ExitCode.NOT_USABLE),
    (errors.VaultUpgradeError, ExitCode.NOT_USABLE),
    (errors.VaultSchemaError, ExitCode.NOT_USABLE),
    (errors.VaultDamagedError, ExitCode.NOT_USABLE),
    (errors.VaultReplacedError, ExitCode.NOT_USABLE),
    (errors.AdoptionError, ExitCode.REFUSED),
    (errors.ValidationError, ExitCode.REFUSED),
    (errors.ImportSourceError, ExitCode.REFUSED),
    (errors.RepositoryError, ExitCode.REFUSED),
    (errors.ImageError, ExitCode.REFUSED),
    (errors.ZorivestError, ExitCode.FAILED),
)


_OPTIONS: Final = {
    "pass overwrite=True": "pass --overwrite",
    "pass create=True to make one": f"create one with {PROGRAM} create",
    "accounts='create'": "--accounts create",
    'encryption="server"': "--encryption server",
}
"""What the program calls arguments of the library that its messages name."""


def in_options(text: str) -> str:
    """Return a message of the library with the program's options instead of the library's arguments."""
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text


def code_of(error: errors.ZorivestError) -> ExitCode:
    """Return the exit code of an error."""
    return next(code for kind, code in _CODES_OF_ERRORS if isinstance(error, kind))


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


class MisuseError(Exception):
    """Arguments of a command that are invalid, or are invalid together; the program ends as for a wrong option."""


@contextmanager
def reported() -> Generator[None]:
    """End the command with one line and an exit code if the block raises an error.

    Raises:
        SystemExit: The block raised an error.
    """
    try:
        yield
    except MisuseError as error:
        say_error(str(error))
        raise SystemExit(ExitCode.USAGE) from None
    except errors.ZorivestError as error:
        say_error(_text_of(error))
        raise SystemExit(code_of(error)) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of the output has closed it
            raise
        say_error(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))
        raise SystemExit(_code_of_os(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.INTERRUPTED) from None


def say_error(message: str) -> None:
    """Write an error to stderr, in one line."""
    _say("error", message)


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


def _text_of(error: errors.ZorivestError) -> str:
    # The library leaves identifiers out of messages, because programs log them. Here the user has just typed it.
    match error:
        case errors.NotFoundError(entity=str() as entity, key=key) if key is not None:
            return f"{entity} {key}: {error.problem}"
        case _:
            return in_options(str(error))


def _code_of_os(error: OSError) -> ExitCode:
    if isinstance(error, FileNotFoundError):
        return ExitCode.NOT_FOUND
    return ExitCode.NO_SPACE if error.errno in {errno.ENOSPC, errno.EROFS} else ExitCode.FAILED
