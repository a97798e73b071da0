"""Results and streams: every row arrives, once, in as few hand-offs as were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text
from sqlcipher3 import dbapi2 as sqlcipher

from tables import add, count

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.asyncio


async def test_a_stream_fetches_in_chunks(engine: AsyncEngine, hand_offs: list[str]) -> None:
    """A server-side cursor brings many rows per hand-off; SQLAlchemy lets its buffer grow to what was asked for."""
    series = text("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 1000) SELECT n FROM r")
    options = {"yield_per": 250}
    async with engine.connect() as connection, connection.stream(series, execution_options=options) as result:
        rows = [row.n async for row in result]
    assert rows == list(range(1, 1001))
    assert 4 < hand_offs.count("statement") <= 10


async def test_a_stream_can_be_left_early(engine: AsyncEngine) -> None:
    """An unfinished cursor is closed, and holds up neither a commit nor the next statement."""
    async with engine.begin() as connection:
        await add(connection)
        async with connection.stream(text("SELECT id FROM t")) as result:
            assert await result.first() == (1,)
        await add(connection)
    async with engine.connect() as connection:
        assert await count(connection) == 2


@pytest.mark.parametrize("method", ["fetchone", "fetchmany", "fetchall", "partitions"])
async def test_every_way_to_read_a_stream_gives_the_rows(engine: AsyncEngine, method: str) -> None:
    """Rows come one by one, in parts and all together."""
    async with engine.begin() as connection:
        for letter in "abc":
            await add(connection, letter)
        async with connection.stream(text("SELECT x FROM t ORDER BY id")) as result:
            if method == "fetchone":
                rows = [await result.fetchone() for _ in range(4)]
                assert rows.pop() is None
            elif method == "fetchmany":
                rows = [*await result.fetchmany(2), *await result.fetchmany(2)]
            elif method == "fetchall":
                rows = list(await result.fetchall())
            else:
                rows = [row async for part in result.partitions(2) for row in part]
    assert [row.x for row in rows if row is not None] == ["a", "b", "c"]


@pytest.mark.parametrize("method", ["fetchone", "fetchmany", "fetchall", "partitions"])
async def test_every_way_to_read_a_result_gives_all_rows(engine: AsyncEngine, method: str) -> None:
    """A result that was fetched at once loses no row between two parts."""
    async with engine.begin() as connection:
        for letter in "abcde":
            await add(connection, letter)
        result = await connection.execute(text("SELECT x FROM t ORDER BY id"))
        if method == "fetchone":
            rows = [result.fetchone() for _ in range(6)]
            assert rows.pop() is None
        elif method == "fetchmany":
            rows = [*result.fetchmany(2), *result.fetchmany(2), *result.fetchmany(2)]
        elif method == "fetchall":
            rows = list(result.fetchall())
        else:
            rows = [row for part in result.partitions(2) for row in part]
    assert [row.x for row in rows if row is not None] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("server_side", [False, True])
async def test_cursors_are_db_api_cursors(engine: AsyncEngine, server_side: bool) -> None:
    """PEP 249's methods work on both kinds, one row, some rows and the rest at a time."""

    def use(connection: Connection) -> list[object]:
        cursor = cast("Any", connection.connection.dbapi_connection).cursor(server_side=server_side)
        cursor.setinputsizes()
        cursor.execute("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 6) SELECT n FROM r")
        found = [cursor.fetchone(), cursor.fetchmany(), cursor.fetchmany(2), cursor.fetchall(), cursor.fetchone()]
        cursor.close()
        return found

    async with engine.connect() as connection:
        assert await connection.run_sync(use) == [(1,), [(2,)], [(3,), (4,)], [(5,), (6,)], None]


async def test_a_closed_server_side_cursor_says_so(engine: AsyncEngine) -> None:
    """Fetching from it is a driver error; closing it again is none."""

    def use(connection: Connection) -> None:
        cursor = cast("Any", connection.connection.dbapi_connection).cursor(server_side=True)
        cursor.execute("SELECT 1")
        cursor.close()
        cursor.close()
        cursor.fetchone()

    async with engine.connect() as connection:
        with pytest.raises(sqlcipher.ProgrammingError, match="closed"):
            await connection.run_sync(use)


async def test_a_stream_of_a_closed_connection_is_an_error_of_the_drivers(engine: AsyncEngine) -> None:
    """Reading on and closing say so as the DB-API does."""

    def stream(connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        cursor = raw.cursor(server_side=True)
        cursor.execute("SELECT 1 UNION SELECT 2")
        raw.close()
        with pytest.raises(sqlcipher.OperationalError, match="Connection closed"):
            cursor.fetchone()
        with pytest.raises(sqlcipher.OperationalError, match="Connection closed"):
            cursor.close()
        connection.invalidate()

    async with engine.connect() as connection:
        await connection.run_sync(stream)
