"""Attach many files at once beside a slow writer, and tell how much more memory that took.

Usage: ``python -m workers.in_flight FOLDER COUNT MEGABYTES SECONDS``; prints how many were stored and the most
megabytes of resident memory beyond those at the start (Linux).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

from PIL import Image

from factories import make_account, make_trade
from zorivest_async import ImageOwnerType, KdfProfile, Vault

SAMPLE_S = 0.005
WIDTH_PX = 2000


def resident_mb() -> float:
    """Return the resident memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def watch(done: threading.Event, start: float, most: list[float]) -> None:
    """Note the most memory until the work is done."""
    while not done.wait(SAMPLE_S):
        most[0] = max(most[0], resident_mb() - start)


async def attach_all(folder: Path, count: int, file: Path, seconds: float) -> tuple[int, float]:
    """Return how many were stored, and the most memory beyond that of the start."""

    async def attach(vault: Vault) -> None:
        async with vault.unit_of_work() as uow:
            await uow.images.attach(ImageOwnerType.TRADE, "0001", file)
            await uow.commit()

    async with Vault.open(folder / "journal.vault", passphrase="p", profile=KdfProfile.CHEAPEST) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            await uow.trades.save(make_trade())
            await uow.commit()
        done, most = threading.Event(), [0.0]
        watcher = threading.Thread(target=watch, args=(done, resident_mb(), most))
        watcher.start()
        async with vault.unit_of_work() as slow:
            await slow.settings.set("slow", value=True)
            tasks = [asyncio.create_task(attach(vault)) for _ in range(count)]
            await asyncio.sleep(seconds)  # the writer is slow
            await slow.commit()
        await asyncio.gather(*tasks)
        done.set()
        watcher.join()
        async with vault.unit_of_work(read_only=True) as uow:
            stored = len(await uow.images.list_for_owner(ImageOwnerType.TRADE, "0001", limit=None))
    return stored, most[0]


def main() -> None:
    """Make the file, attach it so often, and tell."""
    folder, count, megabytes, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    height = int(megabytes * 1_000_000 / WIDTH_PX / 3)
    file = folder / "shot.png"
    Image.frombytes("RGB", (WIDTH_PX, height), os.urandom(WIDTH_PX * height * 3)).save(file, compress_level=0)
    print(*asyncio.run(attach_all(folder, count, file, seconds)))


if __name__ == "__main__":
    main()
