"""Fork while commits wait for a sync, and report what the child finds, and what became of the commits.

Usage: ``python -m workers.fork_syncing PATH``; prints a line of JSON. The child counts its descriptors of the WAL: that
of SQLite stays, as of every file that it inherits, and the library's own is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from workers.ledger import KEY
from zorivest_async import Vault

if TYPE_CHECKING:
    from zorivest_async import SqlAlchemyUnitOfWork

assert sys.platform != "win32", "no process forks on Windows"

warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")  # it is what this is about


def open_wals() -> int:
    """Return how many descriptors of a WAL this process has."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.readlink().name.endswith("-wal") for link in links)


async def put(unit: SqlAlchemyUnitOfWork, key: str) -> None:
    """Commit a setting."""
    async with unit:
        await unit.settings.set(key, 1)
        await unit.commit()


async def main(path: str) -> None:
    """Do it."""
    may_sync, sync = threading.Event(), os.fsync

    def wait_and_sync(descriptor: int) -> None:
        may_sync.wait(20)
        sync(descriptor)

    async with Vault.open(path, key=KEY) as vault:
        await put(vault.unit_of_work(), "before")
        os.fsync = wait_and_sync  # type: ignore[assignment]
        units = [vault.unit_of_work() for _ in range(3)]
        commits = [asyncio.create_task(put(unit, f"{number}")) for number, unit in enumerate(units)]
        await asyncio.sleep(0)
        async with vault.unit_of_work() as uow:
            await uow.settings.get("absent")  # the others are written when its turn has come
        found: dict[str, object] = {"WALs": open_wals(), "waiting": [unit.outcome for unit in units]}
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, json.dumps({"WALs": open_wals(), "waiting": [unit.outcome for unit in units]}).encode())
            os._exit(0)  # closing the loop would break the parent's
        os.close(writing)
        with os.fdopen(reading) as report:
            found["child"] = json.loads(await asyncio.to_thread(report.read))
        await asyncio.to_thread(os.waitpid, child, 0)
        may_sync.set()
        await asyncio.gather(*commits)
        found["afterwards"] = [unit.outcome for unit in units]
    found["WALs at the end"] = open_wals()
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
