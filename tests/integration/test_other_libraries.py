"""What is written for ``sqlite+aiosqlite`` works with a vault's engine: listeners, descriptions, columns' types."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from sqlalchemy import Double, Numeric, event, select, text
from sqlalchemy import Float as SqlAlchemyFloat
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from factories import make_account, make_trade
from zorivest_async import Vault
from zorivest_async.database.models import Base, TradeModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

LISTENED_TO: Final = ("stock", "file", "memory")


@asynccontextmanager
async def engine_of(name: str, folder: Path, listen: Callable[[Any], object]) -> AsyncGenerator[AsyncEngine]:
    """An engine that is listened to: SQLAlchemy's own, or a vault's."""
    if name == "stock":
        engine = await asyncio.to_thread(create_async_engine, f"sqlite+aiosqlite:///{folder / 'plain.db'}")
        listen(engine.sync_engine)
        yield engine
        await engine.dispose()
        return
    opening = Vault.in_memory() if name == "memory" else Vault.open(folder / "journal.vault", key=bytes(32))
    async with opening as vault:
        listen(vault.engine.sync_engine)
        yield vault.engine


def _on_connect(call: Callable[[Any], object]) -> Callable[[Any], None]:
    return lambda engine: event.listen(engine, "connect", lambda connection, _record: call(connection))


@pytest.mark.parametrize("name", LISTENED_TO)
async def test_the_recipe_for_savepoints_works(name: str, tmp_path: Path) -> None:
    """SQLAlchemy's documentation has listeners that set ``isolation_level`` and send ``BEGIN``."""

    def listen(engine: Any) -> None:
        event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    async with engine_of(name, tmp_path, listen) as engine:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER)")
        async with engine.begin() as connection:
            await connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
            async with connection.begin_nested() as savepoint:
                await connection.exec_driver_sql("INSERT INTO numbers VALUES (2)")
                await savepoint.rollback()
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT n FROM numbers")).all() == [(1,)]
            with pytest.raises(DBAPIError, match="cannot start a transaction within a transaction"):
                await connection.exec_driver_sql("BEGIN IMMEDIATE")


@pytest.mark.parametrize("name", LISTENED_TO)
@pytest.mark.parametrize("level", [None, "", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"])
async def test_listeners_set_isolation_levels(name: str, level: str | None, tmp_path: Path) -> None:
    """Whatever they set, a transaction is one."""
    async with engine_of(name, tmp_path, _on_connect(lambda c: setattr(c, "isolation_level", level))) as engine:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE numbers (n INTEGER)")
            await connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        async with engine.connect() as connection:
            assert (await connection.exec_driver_sql("SELECT n FROM numbers")).all() == [(1,)]


async def test_an_isolation_level_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    """The error names those that do."""
    async with engine_of("file", tmp_path, _on_connect(lambda c: setattr(c, "isolation_level", "SERIAL"))) as engine:
        with pytest.raises(DBAPIError, match='isolation_level must be None, "", "DEFERRED"'):
            await engine.connect()


@pytest.mark.parametrize("name", LISTENED_TO)
async def test_listeners_make_functions_and_send_pragmas(name: str, tmp_path: Path) -> None:
    """``create_function``, a cursor, and coroutines of the driver's connection through ``run_async``."""

    def prepare(connection: Any) -> None:
        connection.create_function("twice", 1, lambda n: n * 2)
        connection.create_function("thrice", 1, lambda n: n * 3, deterministic=True)
        cursor = connection.cursor()
        cursor.execute("PRAGMA case_sensitive_like = ON")
        cursor.close()
        connection.run_async(lambda driver: driver.create_function("four", 0, lambda: 4))
        assert connection.isolation_level in (None, "")

    async with engine_of(name, tmp_path, _on_connect(prepare)) as engine, engine.connect() as connection:
        found = await connection.exec_driver_sql("SELECT twice(1), thrice(1), four(), 'a' LIKE 'A'")
        assert tuple(found.one()) == (2, 3, 4, 0)


@pytest.mark.parametrize("streamed", [False, True])
async def test_descriptions_have_names_alone(vault: Vault, streamed: bool) -> None:
    """As in the standard library: what a column is declared as says nothing about its values."""
    async with vault.read_engine.connect() as connection:
        statement = text("SELECT exec_id, time, price AS amount FROM trades")
        result: Any = await (connection.stream(statement) if streamed else connection.execute(statement))
        cursor = (result._real_result if streamed else result).cursor
        assert [*cursor.description] == [(name, *6 * (None,)) for name in ("exec_id", "time", "amount")]


async def test_polars_reads_the_trades_of_a_vault(vault: Vault) -> None:
    """``polars.read_database`` takes a description at its word."""
    polars = pytest.importorskip("polars")
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many([make_trade("0001"), make_trade("0002", price=0.1)])
        await uow.commit()
    async with vault.read_engine.connect() as connection:
        frame = await connection.run_sync(
            lambda sync: polars.read_database("SELECT exec_id, time, price FROM trades", sync)
        )
    assert frame.shape == (2, 3)
    assert frame["price"].to_list()[1] == 0.1


async def test_numbers_are_of_a_type_that_admin_panels_know(vault: Vault) -> None:
    """They look for ``Numeric`` and ``Float`` among its bases; the schema and what is stored stay as they were."""
    numbers = [
        c for table in Base.metadata.tables.values() for c in table.columns if isinstance(c.type, SqlAlchemyFloat)
    ]
    assert len(numbers) == 10
    for column in numbers:
        assert isinstance(column.type, Numeric)
        assert not column.type.asdecimal
        assert isinstance(column.type.dialect_impl(sqlite.dialect()), Double)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade("0001", price=0.1 + 0.2))
        (read,) = await uow.session.scalars(select(TradeModel))
        assert (type(read.price), read.price) == (float, 0.1 + 0.2)
        stored = await uow.session.execute(text("SELECT typeof(price), price FROM trades"))
        assert stored.all() == [("real", 0.1 + 0.2)]
