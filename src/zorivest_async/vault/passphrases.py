"""Passphrases of a journal on a server: each wraps the journal's random key, under one derivation.

The salt and the profile belong to the journal, so that a passphrase is derived once and tried on all wrapped keys.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from anyio import to_thread

from zorivest_async.errors import ConfigurationError, VaultNotFoundError, WrongPassphraseError
from zorivest_async.security import ApiKeyCipher, KdfProfile, new_salt
from zorivest_async.security.tracebacks import hidden_call, sealed_coroutine
from zorivest_async.security.wrapping import KEY_BYTES, WrappingKey, new_journal_key, sub_key
from zorivest_async.vault.deriving import file_key

if TYPE_CHECKING:
    from zorivest_async.database.postgresql.connecting import Server
    from zorivest_async.database.postgresql.journals import JournalRow, NewJournal, WrappedKey
    from zorivest_async.security import Credentials

__all__ = ["api_key_cipher", "open_row"]

FIRST_NAME: Final = "first"
"""Name of the passphrase that a journal is created with."""

FIRST_KEY: Final = 1
"""Number of a journal's first key."""

NO_JOURNAL: Final = "there is no journal of this name; pass create=True to make one"
OTHER: Final = "the journal was created with encryption={!r}; pass that"
NEEDED: Final = "a sealed journal needs its passphrase"
WRONG: Final = "the passphrase does not open this journal"


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
) -> tuple[JournalRow, dict[int, bytes]]:
    """Find a journal, or create it, and return it with its keys by number, of which it has none without a passphrase.

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
    if row is None:
        if not create:
            raise VaultNotFoundError(problem=NO_JOURNAL)
        row = await create_journal(server, name, await _new_journal(encryption, search, credentials, profile))
    if row.encryption != encryption:
        raise ConfigurationError(OTHER.format(row.encryption))
    if credentials is None:
        return row, {}
    if row.salt is None:
        row = await _with_first_passphrase(server, row, credentials, profile)
    keys = await to_thread.run_sync(hidden_call(_unwrapped, row, credentials))
    if not keys:
        raise WrongPassphraseError(problem=WRONG)
    return row, keys


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


def _unwrapped(row: JournalRow, credentials: Credentials) -> dict[int, bytes]:
    """Return the keys that a passphrase has wrapped, by number; it blocks."""
    try:
        wrapping = _wrapping_key(credentials, row.salt or b"")
    except LookupError:  # the salt names no profile
        return {}
    found = [(each.number, wrapping.unwrap(each.wrapped, row.number, each.number, each.name)) for each in row.keys]
    return {number: key for number, key in found if key is not None}


def api_key_cipher(key: bytes) -> ApiKeyCipher:
    """Return the cipher of API keys under a journal's key; it blocks when it is first called."""
    return ApiKeyCipher(sub_key(key, "API keys"))
