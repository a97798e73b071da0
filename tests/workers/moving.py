"""Write to a vault whose file is moved or replaced meanwhile.

Usage: ``python -m workers.moving MANNER PATH``:

* ``write``: for each path that comes as a line, open that vault and commit numbered settings until it is refused; print
  ``open`` once one is committed, and then, as JSON, what was acknowledged and what is unknown.
* ``exit``: commit, print ``ready``, wait for a line, and end without closing the vault.
* ``exit-busy``: the same, while a statement is running.
* ``link``: leave a second name of the file behind as a publication that is killed does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path

from sqlalchemy import text

from workers.dying import die
from workers.ledger import KEY
from zorivest_async import Vault, VaultReplacedError
from zorivest_async.vault.work_folder import new_file

ENDLESS = text("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r")

kept: list[object] = []


async def write_until_refused(path: str) -> dict[str, list[str]]:
    """Commit until the file is found moved."""
    acknowledged, unknown = list[str](), list[str]()
    async with Vault.open(path, key=KEY) as vault:
        for number in itertools.count():
            uow = vault.unit_of_work()
            try:
                async with uow:
                    await uow.settings.set(str(number), number)
                    await uow.commit()
            except VaultReplacedError:
                if uow.outcome == "unknown":
                    unknown.append(str(number))
                return {"acknowledged": acknowledged, "unknown": unknown}
            acknowledged.append(str(number))
            if not number:
                print("open", flush=True)
    raise AssertionError


async def leave(path: str, *, busy: bool) -> None:
    """Commit, and end without closing, in the middle of a statement or between two."""
    vault = await Vault.open(path, key=KEY)
    async with vault.unit_of_work() as uow:
        await uow.settings.set("last", value=True)
        await uow.commit()
    if busy:
        kept.append(asyncio.create_task(_write_without_end(vault)))
        await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def _write_without_end(vault: Vault) -> None:
    async with vault.unit_of_work() as uow:
        await uow.settings.set("never", value=True)
        await (await uow.connection()).execute(ENDLESS)


def link(path: Path) -> None:
    """Die with two names, as between ``link()`` and ``unlink()``."""
    with new_file(path) as temporary:
        temporary.unlink()
        os.link(path, temporary)
        die()


if __name__ == "__main__":
    match sys.argv[1]:
        case "write":
            for line in sys.stdin:
                print(json.dumps(asyncio.run(write_until_refused(line.strip()))), flush=True)
        case "exit" | "exit-busy":  # without closing the event loop, which would cancel what is under way
            asyncio.new_event_loop().run_until_complete(leave(sys.argv[2], busy=sys.argv[1] == "exit-busy"))
        case _:
            link(Path(sys.argv[2]))
