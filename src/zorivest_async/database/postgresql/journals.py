"""Rows of journals and of their wrapped keys: each journal is found by its name, by a function that sees them all."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, LOST_CONNECTION, vault_error_of
from zorivest_async.security.tracebacks import forget_locals

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    import asyncpg

    from zorivest_async.database.postgresql.connecting import Server

__all__ = [
    "JournalRow",
    "NewJournal",
    "WrappedKey",
    "add_first_passphrase",
    "add_passphrase",
    "create_journal",
    "find_journal",
    "list_passphrases",
    "replace_passphrase",
    "revoke_passphrase",
]


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key of a journal, wrapped under a passphrase.

    Attributes:
        number: The number of the key; passphrases that wrap the same key have the same.
        name: The name of the passphrase.
        wrapped: The wrapped key.
    """

    number: int
    name: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class JournalRow:
    """What a server stores about a journal and its keys.

    Attributes:
        number: The number of the journal.
        encryption: ``"sealed"`` or ``"server"``; ``None`` if only its row was made, by a statement of the user's own.
        salt: The salt of all its passphrases, which names the profile; ``None`` if it has none.
        hash_key: The key of hashes of a journal in clear.
        search: What the search index of a sealed journal has: ``"words"``, ``"prefixes"`` or ``"off"``.
        keys: The wrapped keys.
    """

    number: int
    encryption: str | None
    salt: bytes | None
    hash_key: bytes | None = field(repr=False)
    search: str
    keys: tuple[WrappedKey, ...]


@dataclass(frozen=True, slots=True)
class NewJournal:
    """What a new journal is created with.

    Attributes:
        encryption: ``"sealed"`` or ``"server"``.
        salt: The salt of its passphrases; ``None`` if it has none.
        profile: The name of the profile that the salt names.
        hash_key: The key of hashes of a journal in clear.
        search: What its search index has.
        wrapped: Returns the first wrapped key for the number of the journal; ``None`` if it has no passphrase.
    """

    encryption: str
    salt: bytes | None
    profile: str | None
    hash_key: bytes | None = field(repr=False)
    search: str
    wrapped: Callable[[int], WrappedKey] | None = field(repr=False)


async def find_journal(server: Server, name: str) -> JournalRow | None:
    """Return a journal; ``None`` if it does not exist.

    Raises:
        VaultVersionError: The database does not have the schema of this release.
        VaultError: As for a connection.
    """
    async with _transaction(server) as connection:
        number: int | None = await connection.fetchval("SELECT zorivest_open_journal($1, false)", name)
        return None if number is None else await _read(connection, number)


async def create_journal(server: Server, name: str, new: NewJournal) -> JournalRow:
    """Create a journal, unless another program has created it meanwhile, and return it.

    Raises:
        VaultError: As :func:`find_journal`.
    """
    async with _transaction(server) as connection:
        number: int = await connection.fetchval("SELECT zorivest_open_journal($1, true)", name)
        await _enter(connection, number)
        created = await connection.fetchval(
            "UPDATE journals SET encryption = $2, salt = $3, profile = $4, hash_key = $5, search = $6 "
            "WHERE id = $1 AND encryption IS NULL RETURNING id",
            number, new.encryption, new.salt, new.profile, new.hash_key, new.search,
        )  # fmt: skip
        if created is not None and new.wrapped is not None:
            await _insert(connection, new.wrapped(number))
        return await _read(connection, number)


async def add_first_passphrase(
    server: Server, number: int, salt: bytes, profile: str, wrapped: WrappedKey
) -> JournalRow:
    """Give a journal in clear its first passphrase, unless another program has done it meanwhile.

    Raises:
        VaultError: As :func:`find_journal`.
    """
    async with _transaction(server) as connection:
        await _enter(connection, number)
        changed = await connection.fetchval(
            "UPDATE journals SET salt = $2, profile = $3 WHERE id = $1 AND salt IS NULL RETURNING id",
            number, salt, profile,
        )  # fmt: skip
        if changed is not None:
            await _insert(connection, wrapped)
        return await _read(connection, number)


async def list_passphrases(server: Server, number: int) -> list[str]:
    """Return the names of a journal's passphrases, in the order in which they were added.

    Raises:
        VaultError: As :func:`find_journal`.
    """
    async with _transaction(server) as connection:
        await _enter(connection, number)
        rows = await connection.fetch("SELECT name FROM journal_keys GROUP BY name ORDER BY min(created_at), name")
        return [row["name"] for row in rows]


async def add_passphrase(server: Server, number: int, keys: Sequence[WrappedKey]) -> bool:
    """Store the keys that a new passphrase has wrapped, and return whether no other has its name.

    Raises:
        VaultError: As :func:`find_journal`.
    """
    async with _transaction(server) as connection:
        await _lock(connection, number)
        if await connection.fetchval("SELECT EXISTS (SELECT FROM journal_keys WHERE name = $1)", keys[0].name):
            return False
        for key in keys:
            await _insert(connection, key)
        return True


async def replace_passphrase(server: Server, number: int, keys: Sequence[WrappedKey]) -> bool:
    """Replace what a passphrase has wrapped, and return whether it was still there.

    Raises:
        VaultError: As :func:`find_journal`.
    """
    async with _transaction(server) as connection:
        await _lock(connection, number)
        if not await connection.fetch("DELETE FROM journal_keys WHERE name = $1 RETURNING number", keys[0].name):
            return False
        for key in keys:
            await _insert(connection, key)
        return True


async def revoke_passphrase(server: Server, number: int, name: str) -> tuple[bool, int]:
    """Delete what a passphrase has wrapped, unless it is the last one.

    Returns:
        Whether it was there, and the number of other passphrases.

    Raises:
        VaultError: As :func:`find_journal`.
    """
    async with _transaction(server) as connection:
        await _lock(connection, number)
        names = {row["name"] for row in await connection.fetch("SELECT name FROM journal_keys")}
        others = len(names - {name})
        if others:
            await connection.execute("DELETE FROM journal_keys WHERE name = $1", name)
        return name in names, others


async def _lock(connection: asyncpg.Connection[Any], number: int) -> None:
    """Have changes of a journal's passphrases wait for one another."""
    await _enter(connection, number)
    await connection.execute("SELECT FROM journals WHERE id = $1 FOR UPDATE", number)


async def _enter(connection: asyncpg.Connection[Any], number: int) -> None:
    await connection.execute(f"SET LOCAL zorivest.journal = '{number:d}'")


async def _insert(connection: asyncpg.Connection[Any], key: WrappedKey) -> None:
    sql = "INSERT INTO journal_keys (number, name, wrapped) VALUES ($1, $2, $3)"
    await connection.execute(sql, key.number, key.name, key.wrapped)


async def _read(connection: asyncpg.Connection[Any], number: int) -> JournalRow:
    await _enter(connection, number)
    encryption, salt, hash_key, search = await connection.fetchrow(
        "SELECT encryption, salt, hash_key, search FROM journals WHERE id = $1", number
    )
    keys = await connection.fetch("SELECT number, name, wrapped FROM journal_keys ORDER BY number DESC, name")
    return JournalRow(number, encryption, salt, hash_key, search, tuple(WrappedKey(*key) for key in keys))


@asynccontextmanager
async def _transaction(server: Server) -> AsyncGenerator[asyncpg.Connection[Any]]:
    """Open a connection with a transaction, and map the errors of its statements."""
    connection = await server.connect()
    try:
        async with connection.transaction():
            yield connection
    except (*DRIVER_ERRORS, *LOST_CONNECTION) as error:
        forget_locals(error)
        raise vault_error_of(error) from None
    finally:
        connection.terminate()
