"""Configuration of the program: options, then environment variables, then a file in the platform's place."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from zorivest_async.errors import ConfigurationError

__all__ = ["CONFIGURATION_VARIABLE", "NAMES", "Configuration", "Value", "configuration_path"]

CONFIGURATION_VARIABLE: Final = "ZORIVEST_CONFIG"
"""The environment variable that names another configuration file."""


@dataclass(frozen=True, slots=True)
class Name:
    """A value that can be configured.

    Attributes:
        variable: The environment variable.
        is_flag: Whether it is true or false, instead of a text.
        is_path: Whether it is a path; in the file it is relative to the file's folder.
        help: What it is.
    """

    variable: str
    help: str
    is_flag: bool = False
    is_path: bool = False


NAMES: Final = {
    "vault": Name("ZORIVEST_VAULT", "the vault: a file, or the address of a server", is_path=True),
    "journal": Name("ZORIVEST_JOURNAL", "the journal on a server"),
    "encryption": Name("ZORIVEST_ENCRYPTION", "what a server may see: sealed, or server for all"),
    "passphrase_file": Name("ZORIVEST_PASSPHRASE_FILE", "a file whose first line is the passphrase", is_path=True),
    "passphrase_command": Name("ZORIVEST_PASSPHRASE_COMMAND", "a command that prints the passphrase"),
    "keyring": Name("ZORIVEST_KEYRING", "whether the keyring of the system has the passphrase", is_flag=True),
    "zone": Name("ZORIVEST_ZONE", "the time zone of times that are shown and typed"),
}
"""All values that can be configured, by their names in the file."""

_FLAGS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Value:
    """A configured value.

    Attributes:
        value: The value.
        origin: Where it comes from: the environment variable, or the file.
    """

    value: str | bool
    origin: str


class Configuration:
    """Values from the environment and from the file; the file is read when a value is not in the environment."""

    def get(self, name: str) -> Value | None:
        """Return a value; ``None`` if it is nowhere.

        Raises:
            ConfigurationError: The file cannot be read, or a value in it is invalid.
        """
        known = NAMES[name]
        if text := os.environ.get(known.variable):
            if not known.is_flag:
                return Value(text, known.variable)
            if text.lower() not in _FLAGS:
                raise ConfigurationError(f"{known.variable} must be 1 or 0")
            return Value(_FLAGS[text.lower()], known.variable)
        return self._file.get(name)

    def text(self, name: str) -> str | None:
        """Return a text; ``None`` if it is nowhere."""
        found = self.get(name)
        return None if found is None else str(found.value)

    def read_all(self) -> None:
        """Read every value.

        Raises:
            ConfigurationError: The file cannot be read, or a value is invalid.
        """
        for name in NAMES:
            self.get(name)
        _ = self._file

    @cached_property
    def _file(self) -> dict[str, Value]:
        path = configuration_path()
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if CONFIGURATION_VARIABLE in os.environ:
                raise ConfigurationError(f"{path}: {CONFIGURATION_VARIABLE} names a file that does not exist") from None
            return {}
        except (OSError, ValueError) as error:
            problem = error.strerror if isinstance(error, OSError) else "is not a TOML file in UTF-8"
            raise ConfigurationError(f"{path}: {problem}") from None
        return {name: _value_of(name, value, path) for name, value in found.items()}


def configuration_path() -> Path:
    """Return the path of the configuration file, which need not exist."""
    if named := os.environ.get(CONFIGURATION_VARIABLE):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("zorivest", appauthor=False) / "config.toml"


def _value_of(name: str, value: object, path: Path) -> Value:
    if name not in NAMES:
        raise ConfigurationError(f"{path}: there is no value {name!r}; there are {', '.join(NAMES)}")
    known = NAMES[name]
    if not isinstance(value, str | bool) or isinstance(value, bool) is not known.is_flag or value == "":
        raise ConfigurationError(f"{path}: {name} must be {'true or false' if known.is_flag else 'a text'}")
    if known.is_path and isinstance(value, str) and "://" not in value:
        value = str(path.parent / Path(value).expanduser())
    return Value(value, str(path))
