"""Killing a process that copies a journal: the target has all of it, or is as it was, and the source is whole."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, say, started
from workers.ledger import KEY, present_units, write_account, write_unit
from workers.life import opened
from zorivest_async import MarketProviderSetting, Vault
from zorivest_async.transfer.copying import copy_journal
from zorivest_async.transfer.journal_tables import journal_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from journal_databases import JournalDatabase

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

UNITS = range(1, 13)
IMAGE_BYTES = 200_000
KILLS = [
    pytest.param(3, marks=pytest.mark.timeout(240)),
    pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


async def fill(path: Path) -> None:
    """Make a vault of some megabytes, with an API key."""
    async with Vault.open(path, key=KEY) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            for unit in UNITS:
                await write_unit(uow, unit, IMAGE_BYTES)
            await uow.market_provider_settings.save(MarketProviderSetting("Alpha", "s3cret"))
            await uow.commit()


async def make_empty(path: Path) -> None:
    """Make a vault with nothing in it."""
    await (await Vault.open(path, key=KEY)).aclose()


async def is_whole(target: str, journal: str = "") -> bool:
    """Return whether a target has everything, after checking that it has nothing else."""
    async with opened(target, journal) as vault:
        if await present_units(vault, IMAGE_BYTES):
            assert await present_units(vault, IMAGE_BYTES) == list(UNITS)
            async with vault.unit_of_work(read_only=True) as uow:
                assert await uow.market_provider_settings.reveal_api_key("Alpha") == "s3cret"
            return True
        async with vault.unit_of_work(read_only=True) as uow:
            assert [await uow.rows.count(table.entity) for table in journal_tables()] == [0] * len(journal_tables())
        return False


async def copy_again(source: Path, target: str, journal: str = "") -> None:
    """Copy into a target that a killed copy has left."""
    async with Vault.open(source, key=KEY, create=False) as old, opened(target, journal) as new:
        await copy_journal(old, new)


def copy_and_kill(death: float | None, *arguments: object) -> float:
    """Copy in another process, which is killed after so many seconds; return how long it ran."""
    with started("life", "copy_journal", *arguments) as process:
        assert read_line(process) == "ready"
        began = time.monotonic()
        say(process)
        if death is None:
            assert read_line(process) == "done"
        else:
            time.sleep(death)
            process.kill()
            process.communicate()
        return time.monotonic() - began


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_copy_leaves_all_of_a_journal_or_nothing_in_a_file(
    tmp_path: Path, tell: Callable[[str], None], kills: int
) -> None:
    """And nothing of it is in the way of the next copy."""
    source, empty, target = (tmp_path / f"{name}.vault" for name in ("source", "empty", "target"))
    asyncio.run(fill(source))
    asyncio.run(make_empty(empty))
    chance, copied = random.Random(kills), 0
    shutil.copy(empty, target)
    whole_s = copy_and_kill(None, source, target)
    for _ in range(kills):
        for old in tmp_path.glob("target.vault*"):
            old.unlink()
        shutil.copy(empty, target)
        copy_and_kill(chance.uniform(0, 1.1 * whole_s), source, target)
        if asyncio.run(is_whole(str(target))):
            copied += 1
        else:
            asyncio.run(copy_again(source, str(target)))
            assert asyncio.run(is_whole(str(target)))
    assert asyncio.run(is_whole(str(source)))
    tell(f"{kills} kills of copy_journal into a file, {copied} after the commit: 0 in part")


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_copy_leaves_all_of_a_journal_or_nothing_on_a_server(
    tmp_path: Path, tell: Callable[[str], None], journal_database: JournalDatabase, kills: int
) -> None:
    """The server rolls back what the killed process had not committed."""
    source = tmp_path / "source.vault"
    asyncio.run(fill(source))
    chance, copied = random.Random(kills), 0
    whole_s = copy_and_kill(None, source, journal_database.url, journal_database.new_journal()[0])
    for _ in range(kills):
        journal, _number = journal_database.new_journal()
        copy_and_kill(chance.uniform(0, 1.1 * whole_s), source, journal_database.url, journal)
        if asyncio.run(is_whole(journal_database.url, journal)):
            copied += 1
        else:
            asyncio.run(copy_again(source, journal_database.url, journal))
            assert asyncio.run(is_whole(journal_database.url, journal))
    tell(f"{kills} kills of copy_journal into a server, {copied} after the commit: 0 in part")
