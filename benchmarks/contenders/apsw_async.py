"""apsw's asyncio connection over SQLite3 Multiple Ciphers, which reads SQLCipher's format."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

import apsw

from benchmarks.connecting import PRAGMAS
from benchmarks.contenders.base import File
from benchmarks.contenders.statements import CHANGE, COMMISSION_COLUMN, NEWEST, READ, prepare
from benchmarks.trades import INSERT_TRADE, NEW_ACCOUNT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from zorivest_async import Trade

__all__ = ["Apsw"]

if not hasattr(apsw, "mc_version"):
    raise ImportError("apsw without SQLite3 Multiple Ciphers: the distribution apsw-sqlite3mc brings it")

_SQLCIPHERS_OWN: Final = "PRAGMA cipher_compatibility"


def _pragmas(key: bytes) -> list[str]:
    as_sqlcipher_4 = ("PRAGMA cipher = 'sqlcipher'", "PRAGMA legacy = 4", f"PRAGMA key = \"x'{key.hex()}'\"")
    return [*as_sqlcipher_4, *(pragma for pragma in PRAGMAS if not pragma.startswith(_SQLCIPHERS_OWN))]


class Apsw:
    """One connection, and a lock around transactions; its results are apsw's tuples."""

    file = File.COPY

    def __init__(self, connection: apsw.AsyncConnection) -> None:
        self._connection = connection
        self._writing = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, key: bytes, connections: int | None = None) -> Self:  # noqa: ARG003
        """See :class:`~benchmarks.contenders.base.Contender`, here and below."""
        connection = await apsw.Connection.as_async(str(path), apsw.SQLITE_OPEN_READWRITE)
        for pragma in _pragmas(key):
            await (await connection.execute(pragma)).fetchall()
        return cls(connection)

    @staticmethod
    def observe(path: Path, key: bytes) -> apsw.Connection:  # noqa: D102
        connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
        for pragma in _pragmas(key):
            connection.execute(pragma).fetchall()
        return connection

    async def aclose(self) -> None:  # noqa: D102
        await self._connection.aclose()

    def prepare(self, trades: Sequence[Trade]) -> list[Any]:  # noqa: D102
        return prepare(trades)

    async def read_fresh(self, exec_id: str) -> object:  # noqa: D102
        return await (await self._connection.execute(READ, (exec_id,))).get

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[apsw.AsyncConnection]:
        # Not the connection's own context manager, which holds the GIL while SQLite syncs the commit.
        async with self._writing:
            await self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                await self._connection.execute("COMMIT")
            except BaseException:
                with suppress(apsw.SQLError):  # "no transaction is active": a cancelled COMMIT has come through
                    await self._connection.execute("ROLLBACK")
                raise

    async def save_commit(self, trade: Any) -> None:  # noqa: D102
        async with self._transaction() as connection:
            await connection.execute(INSERT_TRADE, trade)

    async def read_modify_write(self, exec_id: str) -> None:  # noqa: D102
        async with self._transaction() as connection:
            row: Any = await (await connection.execute(READ, (exec_id,))).get
            await connection.execute(CHANGE, (row[COMMISSION_COLUMN] + 0.01, exec_id))

    async def bulk_save(self, trades: list[Any]) -> None:  # noqa: D102
        async with self._transaction() as connection:
            await connection.executemany(INSERT_TRADE, trades)

    async def list_trades(self, count: int) -> Sequence[object]:  # noqa: D102
        return await (await self._connection.execute(NEWEST, (count,))).fetchall()

    async def remove_new(self, path: Path) -> None:  # noqa: ARG002, D102 - no other SQLite may open its file
        await self._connection.execute("DELETE FROM trades WHERE account_id = ?", (NEW_ACCOUNT.account_id,))
        await (await self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")).fetchall()
