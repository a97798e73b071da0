"""Leave without saying goodbye: end, or wait to be interrupted, with queries under way and the vault open.

Usage: ``python -m workers.leave PATH MANNER``; prints ``busy`` once the queries run.

* ``return``: the main coroutine returns while its tasks run on.
* ``raise``: it raises.
* ``forget``: it returns too, and the event loop is neither emptied nor closed.
* ``wait``: it waits to be interrupted.
* ``commit``: it writes and commits without end, and waits to be interrupted.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from sqlalchemy import text

from workers.ledger import KEY, write_account, write_unit
from zorivest_async import Vault

ENDLESS = text("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r")


async def query_without_end(vault: Vault, *, read_only: bool) -> None:
    """Keep a connection's thread busy."""
    async with vault.unit_of_work(read_only=read_only) as uow:
        if not read_only:
            await uow.settings.set("unseen", 1)
        await (await uow.connection()).execute(ENDLESS)


async def commit_without_end(vault: Vault) -> None:
    """Keep the disk busy, and acknowledge."""
    for unit in itertools.count():
        async with vault.unit_of_work() as uow:
            await write_unit(uow, unit, 5_000)
            await uow.commit()
        print(unit, flush=True)


async def main(path: str, manner: str) -> None:
    """Make threads busy and go."""
    vault = await Vault.open(path, key=KEY)
    await write_account(vault)
    work = [query_without_end(vault, read_only=True) for _ in range(3)]
    work.append(commit_without_end(vault) if manner == "commit" else query_without_end(vault, read_only=False))
    tasks = [asyncio.create_task(task) for task in work]
    while vault.read_engine.pool.checkedout() < 3:  # type: ignore[attr-defined]  # noqa: ASYNC110 - pools set no Event
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    print("busy", flush=True)
    match manner:
        case "return" | "forget":
            return
        case "raise":
            raise RuntimeError("on purpose")
        case _:
            await asyncio.wait(tasks)


if __name__ == "__main__":
    if sys.argv[2] == "forget":
        asyncio.new_event_loop().run_until_complete(main(*sys.argv[1:]))
    else:
        asyncio.run(main(*sys.argv[1:]))
