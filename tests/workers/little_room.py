"""Commit under limits on the size of files that change all the time, say what each commit came to, and die.

Usage: ``python -m workers.little_room PATH SEED COUNT``; a line of JSON gives the outcome of each unit of work, by the
key that it stores.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import sys
from pathlib import Path

from workers.ledger import KEY
from zorivest_async import Vault, ZorivestError

assert sys.platform != "win32", "memory, sizes and descriptors are limited as on POSIX"

LARGEST = 4_000_000
"""More than SQLite's cache of pages holds, so that some transactions reach the WAL before they are committed."""


PART = 500_000


def size_of(path: Path) -> int:
    """Return the size of a file; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


async def main(path: Path, seed: int, count: int) -> dict[str, str]:
    """Do it."""
    chance, outcomes = random.Random(seed), dict[str, str]()
    wal = path.with_name(f"{path.name}-wal")
    vault = await Vault.open(path, key=KEY)
    for number in range(count):
        size = int(chance.triangular(1, LARGEST, 1))
        room = await asyncio.to_thread(size_of, wal) + int(chance.uniform(-0.5, 1.5) * size)
        uow = vault.unit_of_work()
        try:
            async with uow:
                for part in range(size // PART + 1):
                    await uow.settings.set(f"k{number}" if not part else f"part {part} of k{number}", "z" * PART)
                if chance.random() < 0.7:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (max(room, 4096), resource.RLIM_INFINITY))
                await uow.commit()
        except ZorivestError as error:
            outcomes[f"error of k{number}"] = type(error).__name__
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        outcomes[f"k{number}"] = uow.outcome
        if uow.outcome == "unknown":
            await vault.aclose()
            vault = await Vault.open(path, key=KEY)
        if chance.random() < 0.1:
            async with vault.unit_of_work() as cleaning:
                await cleaning.settings.delete(f"k{number}")
                await cleaning.commit()
            outcomes[f"k{number}"] = "rolled_back"
    return outcomes


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))), flush=True)
    os._exit(0)
