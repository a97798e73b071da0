"""One small table, for tests of the dialect that need no journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlcipher3 import dbapi2 as sqlcipher


async def count(connection: AsyncConnection) -> int:
    """Return how many rows the connection sees."""
    return int((await connection.execute(text("SELECT count(*) FROM t"))).scalar_one())


async def add(connection: AsyncConnection, x: str = "row") -> None:
    """Insert a row."""
    await connection.execute(text("INSERT INTO t (x) VALUES (:x)"), {"x": x})


def create_table(raw: sqlcipher.Connection) -> None:
    """Create it."""
    raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")
