"""Derive many keys at the same time, and report the memory that it took.

Usage: ``python -m workers.deriving WAY COUNT``, where WAY is ``open`` or ``derive``; prints the peak of resident
memory, in mebibytes, after one key and after COUNT.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Thread

from zorivest_async import Vault, WrongPassphraseError, create_encrypted_connection, derive_key

assert sys.platform != "win32", "memory, sizes and descriptors are limited as on POSIX"

MEBIBYTE = 2**20 if sys.platform == "darwin" else 2**10


def peak() -> int:
    """Return the peak of resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEBIBYTE


def derive(count: int) -> None:
    """Derive keys in threads."""
    threads = [Thread(target=derive_key, args=("passphrase", bytes(16))) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def open_wrongly(path: Path, count: int) -> None:
    """Try to open a vault with wrong passphrases, by every door."""

    async def attempt(number: int) -> None:
        with suppress(WrongPassphraseError):
            if number % 2:
                await create_encrypted_connection(path, "wrong", create=False)
            else:
                await Vault.open(path, passphrase="wrong", create=False)

    await asyncio.gather(*map(attempt, range(count)))


async def main(way: str, count: int) -> None:
    """Do it once, and then so many times at once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.vault")
        await (await Vault.open(path, passphrase="right")).aclose()
        for number in (1, count):
            if way == "derive":
                await asyncio.to_thread(derive, number)
            else:
                await open_wrongly(path, number)
            print(peak())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
