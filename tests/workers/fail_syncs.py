"""Commit while the disk fails to sync, say what was said of it, and die.

Usage: ``python -m workers.fail_syncs PATH WAY ERROR``, where WAY is one of ``WAYS``, or ``autocommit`` for a second
commit without a transaction, or ``together`` for several commits that wait for one sync while another transaction is
open, and ERROR is a name such as ``EIO``; prints a line for each thing that it does. From the
second commit on, ``fsync()`` and ``fdatasync()`` fail with that error, as those of a failing disk do. A network file
system says ``EDQUOT`` that has taken the data before it knew of the quota: there is no more room then, either.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from workers.ledger import KEY
from workers.system_calls import fail
from zorivest_async import KdfProfile, Vault, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from zorivest_async import SqlAlchemyUnitOfWork


async def set_plainly(uow: SqlAlchemyUnitOfWork, key: str) -> None:
    """Store a setting past SQLAlchemy."""
    await uow.settings.set(key, 1)


async def set_on_the_connection(uow: SqlAlchemyUnitOfWork, key: str) -> None:
    """Store a setting through SQLAlchemy."""
    statement = text("INSERT INTO settings (key, value, value_type) VALUES (:key, '1', 'int')")
    await (await uow.connection()).execute(statement, {"key": key})


TOGETHER = 8
"""The number of commits that wait for one sync."""

WAYS: dict[str, Callable[[SqlAlchemyUnitOfWork, str], Awaitable[None]]] = {
    "plain": set_plainly,
    "connection": set_on_the_connection,
}


async def attempt(name: str, work: Awaitable[object]) -> None:
    """Await something and say how it ended."""
    try:
        await work
        print(name, "ok", flush=True)
    except (ZorivestError, DBAPIError) as error:
        print(name, type(error).__name__, flush=True)


async def put_together(vault: Vault) -> None:
    """Commit several units that wait for one sync, and another that began before it failed."""
    may_fail, sync = Event(), os.fsync

    def wait_and_sync(descriptor: int) -> None:
        assert may_fail.wait(20)
        sync(descriptor)

    async def put(unit: SqlAlchemyUnitOfWork, key: str) -> None:
        async with unit:
            await unit.settings.set(key, 1)
            await unit.commit()

    os.fsync = wait_and_sync  # type: ignore[assignment]
    units = [vault.unit_of_work() for _ in range(TOGETHER)]
    commits = [asyncio.create_task(put(unit, f"second {number}")) for number, unit in enumerate(units)]
    await asyncio.sleep(0)  # they stand in the queue
    last = vault.unit_of_work()
    try:
        async with last:
            await last.settings.set("begun", 1)  # which has its turn once they are all written
            assert not any(commit.done() for commit in commits)
            assert {unit.outcome for unit in units} == {"unknown"}
            may_fail.set()
            errors = await asyncio.gather(*commits, return_exceptions=True)
            print("together", *sorted({type(error).__name__ for error in errors}), flush=True)
            print("together", *sorted({unit.outcome for unit in units}), flush=True)
            await last.commit()
    finally:
        print("begun", last.outcome, flush=True)


async def main(path: str, way: str, error: str) -> None:
    """Do it."""
    vault = await Vault.open(path, key=KEY)

    async def put(key: str) -> None:
        uow = vault.unit_of_work()
        try:
            async with uow:
                await WAYS.get(way, set_plainly)(uow, key)
                await uow.commit()
        finally:
            print(key, uow.outcome, flush=True)

    async def put_by_engine(key: str, *, autocommit: bool) -> None:
        options = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
        async with vault.engine.execution_options(**options).begin() as connection:
            await connection.execute(
                text("INSERT INTO settings (key, value, value_type) VALUES (:key, '1', 'int')"), {"key": key}
            )

    async def look() -> None:
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("first") == 1

    wal = Path(f"{path}-wal")
    await attempt("put", put("zeroth"))
    before = await asyncio.to_thread(wal.stat)
    await attempt("put", put("first"))
    after = await asyncio.to_thread(wal.stat)
    fail({"fsync", "fdatasync"}, errno.__dict__[error])
    if error == "EDQUOT" and sys.platform != "win32":
        commits = TOGETHER if way == "together" else 1
        room = after.st_size + commits * (after.st_size - before.st_size) + 100  # for these commits, and no other
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    if way == "autocommit":
        await attempt("autocommit", put_by_engine("second", autocommit=True))
    elif way == "together":
        await attempt("begun", put_together(vault))
    else:
        await attempt("put", put("second"))
    await attempt("put", put("third"))
    await attempt("begin", put_by_engine("fourth", autocommit=False))
    await attempt("autocommit", put_by_engine("fifth", autocommit=True))
    await attempt("rekey", vault.rekey("another", profile=KdfProfile.CHEAPEST))
    await attempt("look", look())
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
