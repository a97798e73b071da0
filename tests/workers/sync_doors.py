"""Commit by one door after another, and say when each has answered.

Usage: ``python -m workers.sync_doors PATH``; prints ``begin DOOR`` before each, ``end DOOR`` once it has answered, and
finally the level of ``synchronous`` that the connection of the vault has outside a transaction.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from workers.ledger import KEY, trades_of
from zorivest_async import (
    KdfProfile,
    RepositoryError,
    SqlAlchemyUnitOfWork,
    Vault,
    create_encrypted_connection,
    create_vault_engine,
)
from zorivest_async.database.models import SettingModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

INSERT = "INSERT INTO settings (key, value, value_type) VALUES ('{}', '1', 'int')"


def tell(line: str) -> None:
    """Print with one unbuffered system call."""
    os.write(1, f"{line}\n".encode())


async def driver_of(connection: AsyncConnection) -> Any:
    """Return the driver's connection."""
    return (await connection.get_raw_connection()).driver_connection


def adapter_of(connection: Connection) -> Any:
    """Return the connection of the DB-API."""
    return connection.connection.dbapi_connection


async def by_repository(vault: Vault, key: str) -> None:
    """Commit a unit of work."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set(key, 1)
        await uow.commit()


async def by_savepoint(vault: Vault, key: str) -> None:
    """Commit a unit of work with a savepoint."""
    async with vault.unit_of_work() as uow:
        async with uow.savepoint():
            await uow.settings.set(key, 1)
        await uow.commit()


async def by_session(vault: Vault, key: str) -> None:
    """Commit what a session has."""
    async with vault.unit_of_work() as uow:
        uow.session.add(SettingModel(key=key, value="1", value_type="int"))
        await uow.commit()


async def by_connection(vault: Vault, key: str) -> None:
    """Commit what was sent on the unit's connection."""
    async with vault.unit_of_work() as uow:
        await (await uow.connection()).execute(text(INSERT.format(key)))
        await uow.commit()


async def by_own_engine(vault: Vault, key: str) -> None:
    """Commit a unit of work on an engine of its own."""
    engine = create_vault_engine(vault.path or "", KEY, pool_size=2)
    async with SqlAlchemyUnitOfWork(engine) as uow:
        await uow.settings.set(key, 1)
        await uow.commit()
    await engine.dispose()


async def end_driver(vault: Vault, key: str, end: Callable[[Any], Awaitable[object]]) -> None:
    """End a unit's transaction on the driver's connection, which loses the unit of work."""
    uow = vault.unit_of_work()
    async with uow:
        await uow.settings.set(key, 1)
        await end(await driver_of(await uow.connection()))
        tell(f"end {key}")
    assert uow.outcome == "unknown"


async def by_driver_commit(vault: Vault, key: str) -> None:
    """Call the driver's commit()."""
    await end_driver(vault, key, lambda driver: driver.commit())


async def by_driver_statement(vault: Vault, key: str) -> None:
    """Execute a statement on the driver's connection."""
    await end_driver(vault, key, lambda driver: driver.execute("COMMIT"))


async def by_driver_cursor(vault: Vault, key: str) -> None:
    """Execute a statement with a cursor of the driver."""

    async def end(driver: Any) -> None:
        cursor = await driver.cursor()
        await cursor.execute("END")

    await end_driver(vault, key, end)


async def by_driver_thread(vault: Vault, key: str) -> None:
    """Execute a statement on the driver's thread."""
    await end_driver(vault, key, lambda driver: driver.call(lambda: driver.raw.execute("END TRANSACTION")))


async def by_driver_script(vault: Vault, key: str) -> None:
    """Execute a script that begins another transaction."""
    uow = vault.unit_of_work()
    async with uow:
        await uow.settings.set(key, 1)
        driver = await driver_of(await uow.connection())
        await driver.executescript("BEGIN")  # it commits first, as of sqlite3
        tell(f"end {key}")


async def by_driver_script_that_commits(vault: Vault, key: str) -> None:
    """Execute a script that commits more by itself."""
    await end_driver(vault, key, lambda driver: driver.executescript(f"{INSERT.format(key + '2')}"))


async def by_dbapi_statement(vault: Vault, key: str) -> None:
    """Execute a statement with a cursor of the DB-API."""
    uow = vault.unit_of_work()
    async with uow:
        await uow.settings.set(key, 1)
        connection = await uow.connection()
        await connection.run_sync(lambda sync: adapter_of(sync).cursor().execute("commit"))
        tell(f"end {key}")
    assert uow.outcome == "unknown"


async def by_dbapi_commit(vault: Vault, key: str) -> None:
    """Call the DB-API's commit()."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set(key, 1)
        connection = await uow.connection()
        await connection.run_sync(lambda sync: adapter_of(sync).commit())
        tell(f"end {key}")


async def by_engine(vault: Vault, key: str) -> None:
    """Commit a block of the engine."""
    async with vault.engine.begin() as connection:
        await connection.execute(text(INSERT.format(key)))


async def by_engine_statement(vault: Vault, key: str) -> None:
    """Execute a statement that ends the engine's transaction."""
    async with vault.engine.connect() as connection:
        await connection.execute(text(INSERT.format(key)))
        await connection.exec_driver_sql("COMMIT")
        tell(f"end {key}")


async def by_engine_session(vault: Vault, key: str) -> None:
    """Commit a session of the engine."""
    async with AsyncSession(vault.engine) as session:
        session.add(SettingModel(key=key, value="1", value_type="int"))
        await session.commit()


async def by_autocommit(vault: Vault, key: str) -> None:
    """Execute a statement without a transaction."""
    async with vault.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text(INSERT.format(key)))
        tell(f"end {key}")


async def by_refused_commit(vault: Vault, key: str) -> None:
    """Execute a statement without a transaction, after SQLite has refused a commit."""
    try:
        async with vault.unit_of_work() as uow:
            await (await uow.connection()).exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            await uow.trades.save(trades_of(1)[0])  # its account is missing
            await uow.commit()
    except RepositoryError:
        await by_autocommit(vault, key)


DOORS: dict[str, Callable[[Vault, str], Awaitable[None]]] = {
    name.removeprefix("by_"): door for name, door in list(globals().items()) if name.startswith("by_")
}


async def main(path: str) -> None:
    """Go through them."""
    async with Vault.open(path, key=KEY) as vault:
        for name, door in DOORS.items():
            tell(f"begin {name}")
            await door(vault, name)
            tell(f"end {name}")
            async with vault.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                level = (await connection.execute(text("PRAGMA synchronous"))).scalar()
            tell(f"level {level}")
    beside = Path(path).with_name("beside.vault")
    async with create_encrypted_connection(beside, "passphrase", profile=KdfProfile.CHEAPEST) as connection:
        await connection.execute("CREATE TABLE t (x)")
        tell("begin encrypted_connection")
        await connection.execute("INSERT INTO t VALUES (1)")
        await connection.commit()
        tell("end encrypted_connection")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
