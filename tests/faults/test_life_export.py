"""Exports that are cancelled: nothing of them is left, and no thread goes on writing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import Vault
from zorivest_async.transfer.journal import export_journal, import_journal

if TYPE_CHECKING:
    from pathlib import Path

IMAGE_BYTES = 20_000
UNITS = [1, 2, 3, 4]


async def fill(path: Path) -> None:
    """Make a vault with units."""
    async with Vault.open(path, key=KEY) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            for unit in UNITS:
                await write_unit(uow, unit, IMAGE_BYTES)
            await uow.commit()


async def units_of(folder: Path) -> list[int]:
    """Return the units in an exported journal."""
    async with Vault.in_memory() as copy:
        await import_journal(copy, folder)
        return await present_units(copy, IMAGE_BYTES)


@pytest.mark.parametrize("by_run", [False, True], ids=["task.cancel", "asyncio.run"])
def test_a_cancelled_export_leaves_nothing(tmp_path: Path, by_run: bool) -> None:
    """Whenever it is cancelled, and also where the end of the event loop cancels every task; or it is complete."""
    path, folder = tmp_path / "journal.vault", tmp_path / "exports"

    async def export(target: Path, begun: asyncio.Event) -> None:
        async with Vault.open(path, key=KEY, create=False) as vault:
            begun.set()
            await export_journal(vault, target)

    async def run(target: Path, turns: int) -> bool:
        begun = asyncio.Event()
        task = asyncio.create_task(export(target, begun))
        await begun.wait()
        for _ in range(turns):
            await asyncio.sleep(0 if turns < 20 else 0.001)
        if not by_run:
            task.cancel()
            await asyncio.wait([task])
        return task.done() and not task.cancelled()

    asyncio.run(fill(path))
    folder.mkdir()
    for turns in (*range(20), *range(20, 80, 8)):
        target = folder / f"{turns}"
        done = asyncio.run(run(target, turns))
        assert not any(file.name.startswith(".") for file in folder.iterdir())
        assert target.exists() or not done
        if target.exists():
            assert asyncio.run(units_of(target)) == UNITS
