"""Passphrases of a journal on a server: each wraps the journal's random key, under one derivation.

The salt and the profile belong to the journal, so that a passphrase is derived once and tried on all wrapped keys.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.domain.validation import identifier
from zorivest_async.errors import ConfigurationError, ValidationError, VaultNotFoundError, WrongPassphraseError
from zorivest_async.security import ApiKeyCipher, KdfProfile, new_salt
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine
from zorivest_async.security.wrapping import KEY_BYTES, WrappingKey, new_journal_key, sub_key
from zorivest_async.vault.deriving import file_key

if TYPE_CHECKING:
    from zorivest_async.database.postgresql.connecting import Server
    from zorivest_async.database.postgresql.journals import JournalRow, NewJournal, WrappedKey
    from zorivest_async.security import Credentials

__all__ = ["Passphrases", "Unwrapped", "api_key_cipher", "open_row"]

FIRST_NAME: Final = "first"
"""Name of the passphrase that a journal is created with."""

LONGEST_NAME: Final = 200

FIRST_KEY: Final = 1
"""Number of a journal's first key."""

NO_JOURNAL: Final = "there is no journal of this name; pass create=True to make one"
OTHER: Final = "the journal was created with encryption={!r}; pass that"
NEEDED: Final = "a sealed journal needs its passphrase"
NONE: Final = "this journal was opened without a passphrase; open it with one first"
TAKEN: Final = "there is a passphrase of this name; choose another name, or revoke that one first"
REVOKED: Final = "the passphrase that this vault was opened with was revoked; open it with another one"
UNKNOWN: Final = "there is no passphrase of this name"
LAST: Final = "this is the only passphrase, without which nothing opens the journal; add another one first"
WRONG: Final = "the passphrase does not open this journal"


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """What a passphrase opens.

    Attributes:
        name: The name of the passphrase.
        keys: The keys of the journal by their number; none without a passphrase.
    """

    name: str
    keys: dict[int, bytes] = field(repr=False)

    def __reduce__(self) -> str:
        raise TypeError("keys are not pickled")


class Passphrases:
    """The passphrases of an open journal.

    Args:
        server: The server.
        row: The journal.
        unwrapped: What its passphrase has opened.
    """

    def __init__(self, server: Server, row: JournalRow, unwrapped: Unwrapped) -> None:
        self._server = server
        self._journal = row.number
        self._salt = row.salt
        self._unwrapped = unwrapped

    async def names(self) -> list[str]:
        """Return the names of the passphrases, in the order in which they were added."""
        from zorivest_async.database.postgresql.journals import list_passphrases  # noqa: PLC0415 - it needs asyncpg

        return await list_passphrases(self._server, self._journal)

    async def add(self, credentials: Credentials, name: str) -> None:
        """Add a passphrase.

        Raises:
            ConfigurationError: The vault was opened without a passphrase, or another one has the name.
        """
        from zorivest_async.database.postgresql.journals import add_passphrase  # noqa: PLC0415 - it needs asyncpg

        try:
            name = identifier("Vault", "name", name)
        except ValidationError as error:
            raise ConfigurationError(f"the name of the passphrase {error.problem}") from None
        if len(name) > LONGEST_NAME:
            raise ConfigurationError(f"the name of the passphrase must have at most {LONGEST_NAME} characters")
        if not await add_passphrase(self._server, self._journal, await self._wrapped(credentials, name)):
            raise ConfigurationError(TAKEN)

    async def replace(self, credentials: Credentials) -> None:
        """Replace the passphrase that has opened the journal.

        Raises:
            ConfigurationError: The vault was opened without a passphrase, or it was revoked meanwhile.
        """
        from zorivest_async.database.postgresql.journals import replace_passphrase  # noqa: PLC0415 - it needs asyncpg

        keys = await self._wrapped(credentials, self._unwrapped.name)
        if not await replace_passphrase(self._server, self._journal, keys):
            raise ConfigurationError(REVOKED)

    async def revoke(self, name: str) -> None:
        """Revoke a passphrase; vaults that it has opened stay open.

        Raises:
            ConfigurationError: There is no such passphrase, or it is the last one.
        """
        from zorivest_async.database.postgresql.journals import revoke_passphrase  # noqa: PLC0415 - it needs asyncpg

        was_there, others = await revoke_passphrase(self._server, self._journal, name)
        if not was_there:
            raise ConfigurationError(UNKNOWN)
        if not others:
            raise ConfigurationError(LAST)

    async def _wrapped(self, credentials: Credentials, name: str) -> list[WrappedKey]:
        from zorivest_async.database.postgresql.journals import WrappedKey  # noqa: PLC0415 - it needs asyncpg

        if not self._unwrapped.keys or self._salt is None:
            raise ConfigurationError(NONE)
        wrapping = await _derived(credentials, self._salt)
        return [
            WrappedKey(number, name, wrapping.wrap(key, self._journal, number, name))
            for number, key in self._unwrapped.keys.items()
        ]


@sealed_coroutine
async def open_row(
    server: Server,
    name: str,
    *,
    encryption: str,
    search: str,
    create: bool,
    credentials: Credentials | None,
    profile: KdfProfile,
) -> tuple[JournalRow, Unwrapped]:
    """Find a journal, or create it, and return it with what its passphrase opens, which is nothing without one.

    Args:
        server: The server.
        name: The name of the journal.
        encryption: ``"sealed"`` or ``"server"``.
        search: What its search index has if it is new.
        create: Whether to create it if it does not exist.
        credentials: The passphrase; ``None`` for a journal in clear whose API keys are not needed.
        profile: What a guess at its first passphrase costs.

    Raises:
        VaultNotFoundError: It does not exist, and is not to be created.
        ConfigurationError: It has the other encryption, or is sealed and there is no passphrase.
        WrongPassphraseError: The passphrase does not open it.
        VaultError: As for a connection.
    """
    from zorivest_async.database.postgresql.journals import create_journal, find_journal  # noqa: PLC0415 - it needs asyncpg

    if encryption == "sealed" and credentials is None:
        raise ConfigurationError(NEEDED)
    row = await find_journal(server, name)
    if row is None and not create:
        raise VaultNotFoundError(problem=NO_JOURNAL)
    if row is None or row.encryption is None:
        row = await create_journal(server, name, await _new_journal(encryption, search, credentials, profile))
    if row.encryption != encryption:
        raise ConfigurationError(OTHER.format(row.encryption))
    if credentials is None:
        return row, Unwrapped("", {})
    if row.salt is None:
        row = await _with_first_passphrase(server, row, credentials, profile)
    unwrapped = await to_thread.run_sync(hidden_call(_unwrapped, row, credentials))
    if unwrapped is None:
        raise WrongPassphraseError(problem=WRONG)
    return row, unwrapped


async def _new_journal(
    encryption: str, search: str, credentials: Credentials | None, profile: KdfProfile
) -> NewJournal:
    from zorivest_async.database.postgresql.journals import NewJournal  # noqa: PLC0415 - it needs asyncpg

    hash_key = None if encryption == "sealed" else secrets.token_bytes(KEY_BYTES)
    if credentials is None:
        return NewJournal(encryption, None, None, hash_key, search, None)
    salt = new_salt(profile)
    wrapping = await _derived(credentials, salt)
    return NewJournal(encryption, salt, profile.name, hash_key, search, lambda journal: _wrapped(wrapping, journal))


async def _with_first_passphrase(
    server: Server, row: JournalRow, credentials: Credentials, profile: KdfProfile
) -> JournalRow:
    from zorivest_async.database.postgresql.journals import add_first_passphrase  # noqa: PLC0415 - it needs asyncpg

    salt = new_salt(profile)
    wrapping = await _derived(credentials, salt)
    return await add_first_passphrase(server, row.number, salt, profile.name, _wrapped(wrapping, row.number))


async def _derived(credentials: Credentials, salt: bytes) -> WrappingKey:
    return await to_thread.run_sync(hidden_call(_wrapping_key, credentials, salt))


def _wrapping_key(credentials: Credentials, salt: bytes) -> WrappingKey:
    return WrappingKey(file_key(credentials, salt).key)


def _wrapped(wrapping: WrappingKey, journal: int) -> WrappedKey:
    from zorivest_async.database.postgresql.journals import WrappedKey  # noqa: PLC0415 - it needs asyncpg

    wrapped = wrapping.wrap(new_journal_key(), journal, FIRST_KEY, FIRST_NAME)
    return WrappedKey(FIRST_KEY, FIRST_NAME, wrapped)


def _unwrapped(row: JournalRow, credentials: Credentials) -> Unwrapped | None:
    """Return the keys that a passphrase has wrapped; ``None`` if it has wrapped none; it blocks."""
    try:
        wrapping = _wrapping_key(credentials, row.salt or b"")
    except LookupError:  # the salt names no profile
        return None
    found = [(each, wrapping.unwrap(each.wrapped, row.number, each.number, each.name)) for each in row.keys]
    keys = {each.number: key for each, key in found if key is not None}
    name = next((each.name for each, key in found if key is not None), "")
    return Unwrapped(name, keys) if keys else None


def api_key_cipher(key: bytes) -> ApiKeyCipher:
    """Return the cipher of API keys under a journal's key; it blocks when it is first called."""
    return ApiKeyCipher(sub_key(key, "API keys"))
