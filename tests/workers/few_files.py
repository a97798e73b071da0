"""Use a vault while the process may open no further file, and say what comes of it.

Usage: ``python -m workers.few_files PATH``; prints a line for each thing that it does.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from workers.ledger import KEY
from zorivest_async import Vault, ZorivestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

assert sys.platform != "win32", "descriptors are limited as on POSIX"

MOST_FILES = 64
"""More than are open."""


@contextmanager
def few_files(more: int) -> Iterator[None]:
    """Leave so many descriptors free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, hard))
    taken = list[int]()
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(more):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)


async def attempt(name: str, work: Awaitable[object]) -> None:
    """Await something and say how it ended."""
    try:
        await work
        print(name, "ok", flush=True)
    except ZorivestError as error:
        print(name, type(error).__name__, "too many files open" in str(error), flush=True)


async def main(path: str) -> None:
    """Do it."""

    async def put(vault: Vault) -> None:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("n", 1)
            await uow.commit()

    async def reopen() -> None:
        await (await Vault.open(path, key=KEY, create=False)).aclose()

    async with Vault.open(path, key=KEY) as vault:
        with few_files(0):
            await attempt("write", put(vault))
            await attempt("verify", vault.verify())
        await attempt("write", put(vault))
    for more in range(1, 4):
        with few_files(more):
            await attempt("open", reopen())
    await attempt("open", reopen())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
