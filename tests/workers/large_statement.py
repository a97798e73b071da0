"""Run a statement that needs more memory than the process may have: ``python -m workers.large_statement VAULT``.

The limit is the whole process's. Printed is what the driver raised, what the library says of it, and what became of the
unit of work.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from workers.ledger import KEY
from zorivest_async import Vault
from zorivest_async.database.backend import BACKENDS
from zorivest_async.database.error_mapping import translation_of

assert sys.platform != "win32", "memory, sizes and descriptors are limited as on POSIX"

SPARE_BYTES = 200 * 1024**2


async def main(path: str) -> None:
    """Run it, and go on in the same unit of work."""
    async with Vault.open(path, key=KEY) as vault, vault.unit_of_work() as uow:
        await uow.settings.set("before", 1)
        connection = await uow.connection()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])  # noqa: ASYNC240 - nothing else waits
        limit = pages * resource.getpagesize() + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
        try:
            await connection.execute(text("SELECT hex(zeroblob(300000000))"))
        except OperationalError as error:
            print(type(error.orig).__name__, translation_of(BACKENDS["sqlite"], error), sep="\n", flush=True)
        await uow.settings.set("after", 2)
        await uow.commit()
        print(uow.outcome, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
