"""Savepoints that are what they say on every driver."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import delete, false

from zorivest_async.database.dialect import SQLiteDialect_aiosqlcipher
from zorivest_async.database.tables import SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["savepoint_on"]


@asynccontextmanager
async def savepoint_on(connection: AsyncConnection) -> AsyncGenerator[None]:
    """Undo the statements of the block, and no others, if it raises."""
    if not isinstance(connection.dialect, SQLiteDialect_aiosqlcipher):
        # The sqlite3 module begins a transaction before DML alone: a savepoint without one would be the transaction,
        # and releasing it would commit.
        await connection.execute(delete(SETTINGS).where(false()))
    async with connection.begin_nested():
        yield
