"""Fill a small file system with a vault, and see what is left of it.

Usage: ``python -m workers.fill_disk FOLDER``, where the folder is on a file system of few megabytes;
prints what happened as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import KdfProfile, Vault, VaultError

IMAGE_BYTES = 40_000


async def write_units(vault: Vault, first: int, most: int) -> tuple[int, str]:
    """Commit unit after unit, and return how many were acknowledged and the error that ended it, if one did."""
    for unit in range(first, first + most):
        try:
            async with vault.unit_of_work() as uow:
                await write_unit(uow, unit, IMAGE_BYTES)
                await uow.commit()
        except VaultError as error:
            return unit - first, f"{type(error).__name__}: {error.problem}"
    return most, ""


async def error_of(work: Any) -> str:
    """Return the library's error that it ends with: its name and what it says."""
    try:
        await work
    except VaultError as error:
        return f"{type(error).__name__}: {error.problem}"
    return ""


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, without locks."""
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")


async def main(folder: Path) -> dict[str, Any]:
    """Fill, look, make room, go on."""
    happened: dict[str, Any] = {}
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2_400_000))  # room for a checkpoint, in the end
    async with Vault.open(folder / "journal.vault", key=KEY) as vault:
        await write_account(vault)
        count, happened["writing"] = await write_units(vault, 0, 100_000)
        happened["present when full"] = (await present_units(vault, IMAGE_BYTES)) == list(range(count))
        happened["backup"] = await error_of(vault.backup(folder / "copy.vault"))
        with (folder / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass
        happened["creating"] = await error_of(Vault.open(folder / "another.vault", key=KEY).__aenter__())
        happened["verifying"] = await error_of(vault.verify())
        happened["names"] = names_in(folder)
        (folder / "filler").unlink()
        ballast.unlink()
        more, happened["writing again"] = await write_units(vault, count, 5)
        happened["acknowledged"] = count
    (folder / "filler").write_bytes(bytes(2_400_000))
    async with Vault.open(folder / "journal.vault", key=KEY, create=False) as vault:
        happened["rekey"] = await error_of(vault.rekey("new", profile=KdfProfile.CHEAPEST))
    (folder / "filler").unlink()
    async with Vault.open(folder / "journal.vault", key=KEY, create=False) as vault:
        happened["present"] = (await present_units(vault, IMAGE_BYTES)) == list(range(count + more))
        happened["problems"] = (await vault.verify()).problems
    happened["names in the end"] = names_in(folder)
    return happened


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
