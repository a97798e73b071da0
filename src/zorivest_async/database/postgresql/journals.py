"""Rows of journals: each is found by its name, or created, by a function that sees them all."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from zorivest_async.database.postgresql.failures import DRIVER_ERRORS, LOST_CONNECTION, vault_error_of
from zorivest_async.errors import ConfigurationError
from zorivest_async.security.tracebacks import forget_locals

if TYPE_CHECKING:
    import asyncpg

    from zorivest_async.database.postgresql.connecting import Server

__all__ = ["open_journal"]


SEALED: Final = "this journal is sealed, which this release cannot read; install the release that made it"


async def open_journal(server: Server, name: str, *, create: bool) -> tuple[int, bytes] | None:
    """Return the number and the hash key of a journal that is stored in clear; ``None`` if it does not exist.

    Args:
        server: The server.
        name: The name of the journal.
        create: Whether to create its row.

    Raises:
        ConfigurationError: The journal is sealed.
        VaultVersionError: The database does not have the schema of this release.
        VaultError: As for a connection.
    """
    connection = await server.connect()
    try:
        async with connection.transaction():
            number: int | None = await connection.fetchval("SELECT zorivest_open_journal($1, $2)", name, create)
            return None if number is None else (number, await _hash_key(connection, number))
    except (*DRIVER_ERRORS, *LOST_CONNECTION) as error:
        forget_locals(error)
        raise vault_error_of(error) from None
    finally:
        connection.terminate()


async def _hash_key(connection: asyncpg.Connection[Any], number: int) -> bytes:
    await connection.execute(f"SET LOCAL zorivest.journal = '{number:d}'")
    encryption = await connection.fetchval("SELECT encryption FROM journals WHERE id = $1", number)
    if encryption is None:  # it is new
        key = secrets.token_bytes(32)
        sql = "UPDATE journals SET encryption = 'server', hash_key = $2 WHERE id = $1 AND encryption IS NULL"
        await connection.execute(sql, number, key)
        encryption = await connection.fetchval("SELECT encryption FROM journals WHERE id = $1", number)
    if encryption != "server":
        raise ConfigurationError(SEALED)
    hash_key: bytes = await connection.fetchval("SELECT hash_key FROM journals WHERE id = $1", number)
    return hash_key
