"""Increment one counter from many tasks, all processes starting when they are told to; print the longest wait.

Usage: ``python -m workers.increment TARGET TASKS INCREMENTS``; prints ``ready``, waits for a line, prints seconds. The
target is the path of a vault, or the URL of a server.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from workers.ledger import KEY
from zorivest_async import Vault

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

JOURNAL = "counter"
"""Name of the journal on a server."""


def opened(target: str) -> AbstractAsyncContextManager[Vault]:
    """Open a vault that exists."""
    if target.startswith("postgresql:"):
        return Vault.connect(target, journal=JOURNAL, encryption="server", create=False)
    return Vault.open(target, key=KEY, create=False)


async def main(target: str, tasks: int, increments: int) -> None:
    """Read and write back, again and again."""
    longest_s = 0.0

    async def increment(vault: Vault) -> None:
        nonlocal longest_s
        for _ in range(increments):
            asked = time.monotonic()
            async with vault.unit_of_work() as uow:
                await uow.settings.set("counter", await uow.settings.get("counter", 0) + 1)
                await uow.commit()
            longest_s = max(longest_s, time.monotonic() - asked)

    async with opened(target) as vault:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await asyncio.gather(*(increment(vault) for _ in range(tasks)))
    print(longest_s, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
