"""Where a passphrase comes from: a file, the environment or a prompt, and never an argument, which others can see."""

from __future__ import annotations

import getpass
import os
import stat
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from zorivest_async import ConfigurationError
from zorivest_async.cli.exits import warn
from zorivest_async.domain.secret import MaskedSecret
from zorivest_async.domain.tracebacks import sealed

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CURRENT", "NEW", "PassphraseSource"]


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """Where one of a command's passphrases comes from.

    Attributes:
        what: What the prompt asks for.
        variable: The environment variable that may hold it.
        option: The option that names a file with it.
    """

    what: str
    variable: str
    option: str

    def read(self, file: str | None, vault: Path, *, twice: bool = False) -> MaskedSecret:
        """Return the passphrase, which no traceback shows: the file's, else the environment's, else what is typed.

        Args:
            file: A file whose first line it is, ``"-"`` for stdin, or ``None``.
            vault: What it is for; the prompt says so.
            twice: Have it typed twice, because a typing error would lock the vault.

        Raises:
            ConfigurationError: There is no passphrase anywhere, or it cannot be one.
            OSError: The file cannot be read.
        """
        if file is not None:
            return MaskedSecret(_first_line_of_stdin() if file == "-" else _first_line_of(file))
        if os.environ.get(self.variable):
            return MaskedSecret(os.environ[self.variable])
        if sys.stdin is None or not sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
            raise ConfigurationError(
                f"no passphrase: set {self.variable}, name a file with {self.option}, or run this in a terminal"
            )
        passphrase = MaskedSecret(_typed(f"{self.what} of {vault.name}: "))
        if twice and _typed("The same again: ") != passphrase.reveal():
            raise ConfigurationError("the two passphrases differ")
        return passphrase


CURRENT = PassphraseSource("Passphrase", "ZORIVEST_PASSPHRASE", "--passphrase-file")
NEW = PassphraseSource("New passphrase", "ZORIVEST_NEW_PASSPHRASE", "--new-passphrase-file")


def _first_line_of(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - Path would take "./-" for "-"
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            warn(f"{path}: others can read this file; chmod 600 keeps it to you")
        return _first_line(file, path)


def _first_line_of_stdin() -> str:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise ConfigurationError("stdin is closed; no passphrase can be read from it")
    return _first_line(sys.stdin.buffer, "stdin")


@sealed
def _first_line(file: BinaryIO, name: str) -> str:
    try:
        line = file.readline().decode("utf-8-sig")  # editors on Windows begin files with a mark
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: the passphrase is not UTF-8 text") from None
    passphrase = line.removesuffix("\n").removesuffix("\r")
    if not passphrase:
        raise ConfigurationError(f"{name}: the first line, the passphrase, is empty")
    return passphrase


def _typed(prompt: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # it would go on, and show what is typed
        try:
            return getpass.getpass(prompt)
        except getpass.GetPassWarning:
            raise ConfigurationError("this terminal would show the passphrase; use a file or the environment") from None
        except EOFError:
            raise ConfigurationError("no passphrase was typed") from None
