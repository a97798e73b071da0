"""Passphrases in the keyring of the system: Keychain, Credential Locker or Secret Service.

It needs the extra ``keyring``. The keyring protects a passphrase from other users and while the computer is off.
Programs of the same user can read it while the user is logged in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from zorivest_async._extras import import_extra
from zorivest_async.errors import ConfigurationError
from zorivest_async.security.secret import MaskedSecret

__all__ = ["find_passphrase", "forget_passphrase", "keep_passphrase"]

_SERVICE: Final = "zorivest"


def find_passphrase(vault: str) -> MaskedSecret | None:
    """Return the passphrase that the keyring has of a vault; ``None`` if it has none.

    Raises:
        ConfigurationError: There is no keyring, or it is locked.
        MissingDependencyError: The extra is not installed.
    """
    found = _call("get_password", vault)
    return None if found is None else MaskedSecret(found)


def keep_passphrase(vault: str, passphrase: MaskedSecret) -> None:
    """Store the passphrase of a vault in the keyring.

    Raises:
        ConfigurationError: There is no keyring, or it is locked.
        MissingDependencyError: The extra is not installed.
    """
    _call("set_password", vault, passphrase.reveal())


def forget_passphrase(vault: str) -> bool:
    """Delete the passphrase of a vault from the keyring, and return whether it was there.

    Raises:
        ConfigurationError: There is no keyring, or it is locked.
        MissingDependencyError: The extra is not installed.
    """
    if find_passphrase(vault) is None:
        return False
    _call("delete_password", vault)
    return True


def _call(function: str, vault: str, *arguments: str) -> Any:
    keyring: Any = import_extra("keyring", "keyring")
    failed: type[Exception] = import_extra("keyring", "keyring.errors").KeyringError
    name = vault if "://" in vault else str(Path(vault).resolve())
    try:
        return getattr(keyring, function)(_SERVICE, name, *arguments)
    except failed as error:
        problem = type(error).__name__  # its text may hold what it was given
        raise ConfigurationError(
            f"the keyring of the system cannot be used ({problem}); unlock it, or use --passphrase-command"
        ) from None
