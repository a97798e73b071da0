"""The dialect's transactions: BEGIN rides with the first statement, and what SQLite undid is never half committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy import exc, text

from zorivest_async import KdfProfile, create_vault_engine
from zorivest_async.database.driver import CipherConnection
from zorivest_async.database.vault_file import create_file, new_vault_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlcipher3 import dbapi2 as sqlcipher

pytestmark = pytest.mark.asyncio


@pytest.fixture
def key(vault_path: Path) -> bytes:
    """The key of an encrypted file with one table."""
    made = new_vault_key("passphrase", KdfProfile.CHEAPEST)
    create_file(vault_path, made, _create_table)
    return made.key


def _create_table(raw: sqlcipher.Connection) -> None:
    raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")


@pytest_asyncio.fixture
async def engine(vault_path: Path, key: bytes) -> AsyncIterator[AsyncEngine]:
    """A writing engine over the file, its one connection open."""
    made = create_vault_engine(vault_path, key)
    async with made.connect() as connection:
        await count(connection)
    yield made
    await made.dispose()


@pytest.fixture
def hand_offs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call that goes to a connection's thread."""
    calls: list[str] = []
    original = CipherConnection._hand_over

    def count_and_hand_over(
        self: CipherConnection, function: Callable[[], object], interrupt: Callable[[], None] | None
    ) -> object:
        calls.append("statement" if interrupt is not None else "finish")
        return original(self, function, interrupt)

    monkeypatch.setattr(CipherConnection, "_hand_over", count_and_hand_over)
    return calls


async def count(connection: AsyncConnection) -> int:
    """Return how many rows the connection sees."""
    return int((await connection.execute(text("SELECT count(*) FROM t"))).scalar_one())


async def add(connection: AsyncConnection, x: str = "row") -> None:
    """Insert a row."""
    await connection.execute(text("INSERT INTO t (x) VALUES (:x)"), {"x": x})


async def test_a_block_that_sends_nothing_costs_nothing(engine: AsyncEngine, hand_offs: list[str]) -> None:
    """Neither BEGIN nor ROLLBACK is sent for an empty transaction."""
    async with engine.begin():
        pass
    assert hand_offs == []


async def test_a_statement_is_one_hand_off(engine: AsyncEngine, hand_offs: list[str]) -> None:
    """BEGIN, execution, rows and description travel together; COMMIT is the other."""
    async with engine.begin() as connection:
        result = await connection.execute(text("INSERT INTO t (x) VALUES ('a') RETURNING id, x"))
        assert result.all() == [(1, "a")]
        assert hand_offs == ["statement"]
    assert hand_offs == ["statement", "finish"]


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


async def test_ddl_is_rolled_back(engine: AsyncEngine) -> None:
    """A table made in a transaction goes with it."""
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE other (id INTEGER)"))
        await connection.rollback()
        names = (await connection.execute(text("SELECT name FROM sqlite_master"))).scalars().all()
    assert names == ["t"]


async def test_savepoints_are_exact(engine: AsyncEngine) -> None:
    """Rolling back an inner savepoint keeps the outer work; rolling back the outside drops a released one."""
    async with engine.connect() as connection:
        await add(connection, "outer")
        inner = await connection.begin_nested()
        await add(connection, "inner")
        await inner.rollback()
        released = await connection.begin_nested()
        await add(connection, "released")
        await released.commit()
        assert await count(connection) == 2
        await connection.rollback()
        assert await count(connection) == 0


async def test_a_savepoint_can_be_the_first_statement(engine: AsyncEngine) -> None:
    """BEGIN rides with it, so that releasing the savepoint does not commit."""
    async with engine.connect() as connection:
        async with connection.begin_nested():
            await add(connection)
        await connection.rollback()
        assert await count(connection) == 0


async def test_autocommit_runs_what_forbids_transactions(engine: AsyncEngine) -> None:
    """VACUUM works at the isolation level AUTOCOMMIT, and the next block has transactions again."""
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("VACUUM"))
        assert await connection.get_isolation_level() == "AUTOCOMMIT"
    async with engine.connect() as connection:
        assert await connection.get_isolation_level() == "SERIALIZABLE"
        await add(connection)
        await connection.rollback()
        assert await count(connection) == 0


async def test_a_transaction_opened_by_hand_does_not_outlive_its_block(engine: AsyncEngine) -> None:
    """A user's own BEGIN is rolled back when the connection goes back to the pool."""
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("BEGIN"))
        await add(autocommit)
    async with engine.connect() as connection:
        assert await count(connection) == 0


async def test_what_sqlite_rolled_back_by_itself_is_not_committed_in_part(engine: AsyncEngine) -> None:
    """After a full disk the transaction is refused until it is rolled back; then it works again."""
    async with engine.connect() as connection:
        pages = int((await connection.execute(text("PRAGMA page_count"))).scalar_one())
        await connection.execute(text(f"PRAGMA max_page_count = {pages + 3}"))
        await connection.rollback()
        await add(connection, "before")
        with pytest.raises(exc.OperationalError, match="full"):
            await add(connection, "x" * 1_000_000)
        with pytest.raises(exc.OperationalError, match="roll back") as refused:
            await add(connection, "after")
        assert refused.value.orig is not None
        assert refused.value.orig.sqlite_errorcode == 13  # type: ignore[attr-defined]  # SQLITE_FULL, as at first
        with pytest.raises(exc.OperationalError, match="roll back"):
            await connection.commit()
        await connection.rollback()
        assert await count(connection) == 0
        await add(connection, "again")
        await connection.commit()
        assert await count(connection) == 1


async def test_an_error_in_the_first_statement_leaves_the_transaction_usable(engine: AsyncEngine) -> None:
    """BEGIN succeeded and the statement did not: the next one joins the same transaction."""
    async with engine.begin() as connection:
        with pytest.raises(exc.OperationalError):
            await connection.execute(text("SELECT * FROM nothing"))
        await add(connection)
    async with engine.connect() as connection:
        assert await count(connection) == 1


async def test_operators_that_need_functions_have_them(engine: AsyncEngine) -> None:
    """REGEXP, which SQLite leaves to the application, and floor() are there on every connection."""
    async with engine.connect() as connection:
        row = (await connection.execute(text("SELECT 'SPY' REGEXP '^S', NULL REGEXP 'x', floor(2.7)"))).one()
    assert tuple(row) == (1, None, 2)


async def test_a_reading_engine_refuses_writes(vault_path: Path, key: bytes, engine: AsyncEngine) -> None:
    """Its transactions are deferred, so that they see a snapshot, and query_only keeps them from writing."""
    reading = create_vault_engine(vault_path, key, read_only=True)
    try:
        async with reading.connect() as reader, engine.begin() as writer:
            assert await count(reader) == 0
            await add(writer)
            await writer.commit()
            assert await count(reader) == 0
            with pytest.raises(exc.OperationalError, match="readonly"):
                await add(reader)
    finally:
        await reading.dispose()
