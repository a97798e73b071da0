"""Write units of work from a number on, and acknowledge each on the standard output once its commit has returned.

Usage: ``python -m workers.write_units PATH DURABILITY FIRST COUNT IMAGE_BYTES CHECKPOINT_PAGES [WRITERS]``, where
WRITERS is the number of tasks that write; their units are committed in the order of their numbers.
"""

from __future__ import annotations

import asyncio
import os
import sys

from sqlalchemy import text

from workers.ledger import KEY, write_account, write_unit
from zorivest_async import Vault


def tell(line: str) -> None:
    """Print with one unbuffered system call."""
    os.write(1, f"{line}\n".encode())


async def main(path: str, durability: str, *numbers: str) -> None:
    """Write until done, or killed."""
    first, count, image_bytes, checkpoint_pages, *writers = map(int, numbers)
    units = iter(range(first, first + count))
    tell("ready")
    async with Vault.open(path, key=KEY, durability=durability) as vault:  # type: ignore[arg-type]
        await write_account(vault)
        async with vault.engine.connect() as connection:
            await connection.execute(text(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}"))

        async def write() -> None:
            while True:
                async with vault.unit_of_work() as uow:
                    if writers > [1]:
                        await uow.settings.get("absent")  # the number is taken in the turn
                    if (unit := next(units, None)) is None:
                        return
                    await write_unit(uow, unit, image_bytes)
                    await uow.commit()
                tell(f"{unit}")

        await asyncio.gather(*[write() for _ in range(writers[0] if writers else 1)])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
