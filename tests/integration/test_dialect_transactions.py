"""The dialect's transactions: BEGIN rides with the first statement, and what SQLite undid is never half committed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from tables import add, count
from zorivest_async import create_vault_engine
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.driver import CipherConnection
from zorivest_async.security import VaultKey

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine

pytestmark = pytest.mark.asyncio


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


async def test_what_a_failed_commit_left_is_not_in_the_next_transaction(engine: AsyncEngine) -> None:
    """A deferred foreign key fails at COMMIT, which leaves the transaction open; SQLAlchemy sends no ROLLBACK."""
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE child (t INTEGER REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED)"))
        await connection.commit()
        await connection.execute(text("INSERT INTO child VALUES (99)"))
        with pytest.raises(exc.IntegrityError):
            await connection.commit()
        await connection.rollback()
        await add(connection)
        await connection.commit()
        assert (await connection.execute(text("SELECT count(*) FROM child"))).scalar() == 0
        assert await count(connection) == 1


async def test_a_begin_that_fails_is_raised(vault_path: Path, key: bytes) -> None:
    """Only a busy database is asked again."""

    async def connect() -> CipherConnection:
        opened = partial(open_cipher, vault_uri(vault_path), VaultKey(key), ConnectionSettings())
        return await CipherConnection(opened, begin_statement="BEGIN NONSENSE", busy_timeout_s=30)

    engine = create_async_engine("sqlite+aiosqlcipher://", async_creator=connect)
    with pytest.raises(exc.OperationalError, match="NONSENSE"):
        async with engine.connect() as connection:
            await count(connection)
    await engine.dispose()


async def test_sqlalchemy_may_skip_rollbacks_under_autocommit(vault_path: Path, key: bytes) -> None:
    """skip_autocommit_rollback asks the dialect for the setting."""

    async def connect() -> CipherConnection:
        return await CipherConnection(partial(open_cipher, vault_uri(vault_path), VaultKey(key), ConnectionSettings()))

    engine = create_async_engine("sqlite+aiosqlcipher://", async_creator=connect, skip_autocommit_rollback=True)
    async with engine.connect() as connection:
        await add(connection)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        assert await count(autocommit) == 0
    await engine.dispose()


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
