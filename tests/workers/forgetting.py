"""Forget open vaults one after the other, and have the garbage collector find each with its connections.

Arguments: ``memory`` or the folder for the vaults' files. Prints ``done``; it would be killed by a signal where the
collector and a connection's thread are inside SQLite with one connection at the same time.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import warnings
from pathlib import Path

from workers.ledger import KEY
from zorivest_async import Vault

VAULTS = 40


async def opened(where: str, number: int) -> Vault:
    """Open a new vault."""
    if where == "memory":
        return await Vault.in_memory()
    return await Vault.open(Path(where) / f"{number}.vault", key=KEY)


async def use(vault: Vault) -> None:
    """Commit something."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("used", value=True)
        await uow.commit()


async def main() -> None:
    """Open, use and forget."""
    for number in range(VAULTS):
        await use(await opened(sys.argv[1], number))
        for _ in range(3):
            gc.collect()
            await asyncio.sleep(0)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ResourceWarning)
    asyncio.run(main())
    print("done")
