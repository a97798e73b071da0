"""Passphrases from a file, a command, the environment, the keyring or a prompt; never from an argument.

Other users of the machine can see arguments.
"""

from __future__ import annotations

import getpass
import os
import shlex
import stat
import subprocess
import sys
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, Final

from zorivest_async.cli.exits import warn
from zorivest_async.cli.keyrings import find_passphrase
from zorivest_async.errors import ConfigurationError
from zorivest_async.security.secret import MaskedSecret
from zorivest_async.security.tracebacks import sealed

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.cli.configuration import Configuration

__all__ = ["CURRENT", "NEW", "PassphraseSource"]

MIN_CHARACTERS: Final = 8
"""Recommended minimum length of a new passphrase (NIST SP 800-63B); a shorter one causes a warning."""


@dataclass(frozen=True, slots=True)
class PassphraseSource:
    """Source of one of a command's passphrases.

    Attributes:
        what: What the prompt asks for.
        variable: The environment variable that may contain the passphrase.
        option: The option that names a file with the passphrase.
    """

    what: str
    variable: str
    option: str

    def read(
        self,
        file: str | None,
        vault: Path | str,
        *,
        command: str | None = None,
        configuration: Configuration | None = None,
        twice: bool = False,
    ) -> MaskedSecret:
        """Return the passphrase from the first source that has it; no traceback shows it.

        The sources are the file, the command, the environment, what the configuration names, and a prompt.

        Args:
            file: The file, whose first line is the passphrase; ``"-"`` for stdin, or ``None``.
            vault: The vault, which the prompt names.
            command: A command whose first line of output is the passphrase, or ``None``.
            configuration: Names a file, a command or the keyring; ``None`` without one.
            twice: The passphrase is new: warn if it is short, and ask for it twice, because a typing error would lock
                the vault.

        Raises:
            ConfigurationError: No source provides a passphrase, or the passphrase is invalid.
            OSError: The file cannot be read.
        """
        passphrase = (
            self._found(file, command) or _configured(configuration, str(vault)) or self._asked(vault, twice=twice)
        )
        if twice and len(passphrase.reveal()) < MIN_CHARACTERS:
            warn(
                f"the passphrase has fewer than {MIN_CHARACTERS} characters, and will be guessed: use six random words"
            )
        return passphrase

    def _found(self, file: str | None, command: str | None) -> MaskedSecret | None:
        if file is not None and command is not None:
            raise ConfigurationError(f"pass either {self.option} or a command, not both")
        if file is not None:
            return MaskedSecret(_first_line_of_stdin() if file == "-" else _first_line_of(file))
        if command is not None:
            return MaskedSecret(_printed_by(command))
        return MaskedSecret(os.environ[self.variable]) if os.environ.get(self.variable) else None

    def _asked(self, vault: Path | str, *, twice: bool) -> MaskedSecret:
        if sys.stdin is None or not sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
            raise ConfigurationError(
                f"no passphrase: set {self.variable}, name a file with {self.option}, or run this in a terminal"
            )
        passphrase = MaskedSecret(_typed(f"{self.what} of {PurePath(vault).name}: "))
        if twice and _typed("Repeat it: ") != passphrase.reveal():
            raise ConfigurationError("the two passphrases differ")
        return passphrase


CURRENT = PassphraseSource("Passphrase", "ZORIVEST_PASSPHRASE", "--passphrase-file")
NEW = PassphraseSource("New passphrase", "ZORIVEST_NEW_PASSPHRASE", "--new-passphrase-file")


def _configured(configuration: Configuration | None, vault: str) -> MaskedSecret | None:
    if configuration is None:
        return None
    if command := configuration.text("passphrase_command"):
        return MaskedSecret(_printed_by(command))
    if file := configuration.text("passphrase_file"):
        return MaskedSecret(_first_line_of(file))
    wanted = configuration.get("keyring")
    return find_passphrase(vault) if wanted is not None and wanted.value else None


@sealed
def _printed_by(command: str) -> str:
    """Return the first line that a command prints; it runs without a shell, and may ask at the terminal."""
    try:
        arguments = shlex.split(command, posix=os.name == "posix")
        # Only stdout is read: what it asks for, or complains about, is for the user.
        finished = subprocess.run(arguments, stdout=subprocess.PIPE, check=False)  # noqa: S603 - the user's command
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it has a quotation mark that is not closed"
        raise ConfigurationError(f"the passphrase command cannot be run: {problem}") from None
    if finished.returncode:
        raise ConfigurationError(f"the passphrase command failed with exit code {finished.returncode}")
    return _first_line(BytesIO(finished.stdout), "the passphrase command")


def _first_line_of(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - Path would take "./-" for "-"
        mode = os.fstat(file.fileno()).st_mode
        if os.name == "posix" and stat.S_ISREG(mode) and mode & (stat.S_IRGRP | stat.S_IROTH):
            warn(f"{path}: other users can read this file; protect it with chmod 600")
        return _first_line(file, path)


def _first_line_of_stdin() -> str:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise ConfigurationError("stdin is closed; no passphrase can be read from it")
    return _first_line(sys.stdin.buffer, "stdin")


@sealed
def _first_line(file: BinaryIO, name: str) -> str:
    try:
        line = file.readline().decode("utf-8-sig")  # editors on Windows begin files with a byte order mark
    except UnicodeDecodeError:
        raise ConfigurationError(f"{name}: the passphrase is not UTF-8 text") from None
    passphrase = line.removesuffix("\n").removesuffix("\r")
    if not passphrase:
        raise ConfigurationError(f"{name}: the first line, the passphrase, is empty")
    return passphrase


def _typed(prompt: str) -> str:
    with warnings.catch_warnings():
        # After this warning, getpass would echo the passphrase.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except getpass.GetPassWarning:
            raise ConfigurationError("this terminal would show the passphrase; use a file or the environment") from None
        except EOFError:
            raise ConfigurationError("no passphrase was typed") from None
