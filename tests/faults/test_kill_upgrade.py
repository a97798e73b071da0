"""Killing a process that upgrades a vault: what it leaves is the old vault or the new one, complete."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from factories import make_account, make_trades
from first_release import make_first_release_vault
from later_release import VERSION, become, make_location, query
from workers.launch import read_line, started
from workers.ledger import KEY
from zorivest_async import KdfProfile, Vault
from zorivest_async.database.models import SCHEMA_VERSION
from zorivest_async.security import VaultKey

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

TRADES = make_trades(2_000)
"""Enough that copying, rebuilding and verifying all take a while."""


async def make_old_vault(path: Path) -> None:
    """Make a vault of this release."""
    async with Vault.open(path, key=KEY, profile=KdfProfile.CHEAPEST) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(TRADES)
        await uow.commit()


async def assert_complete(path: Path) -> None:
    """Every trade is there, in a sound vault."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.trades.list_all(limit=None) == TRADES[::-1]
        assert (await vault.verify()).problems == ()


def upgrade(path: Path, *location: Path) -> float:
    """Upgrade a vault in a process of its own, and return how long it took."""
    with started("upgrade", path, *location) as process:
        assert read_line(process) == "ready"
        began = time.monotonic()
        assert read_line(process) == "open"
        return time.monotonic() - began


def upgrade_until_killed(life_s: float, path: Path, *location: Path) -> None:
    """Upgrade a vault in a process that is killed after so long."""
    with started("upgrade", path, *location) as process:
        assert read_line(process) == "ready"
        time.sleep(life_s)
        process.kill()
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
        assert errors == ""


def kill_again_and_again(
    folder: Path, kills: int, seed: int, patch: pytest.MonkeyPatch, report: Callable[[str], None]
) -> None:
    """Kill upgrades at random moments, then look at what each left, and let it be upgraded to the end."""
    chance = random.Random(seed)
    original, location = folder / "original.vault", make_location(folder)
    asyncio.run(make_old_vault(original))
    whole_upgrade_s = upgrade(Path(shutil.copy(original, folder / "whole.vault")), location)
    found = {SCHEMA_VERSION: 0, VERSION: 0}
    become(location, patch)
    for kill in range(kills):
        path = folder / str(kill) / "journal.vault"
        path.parent.mkdir()
        shutil.copy(original, path)
        upgrade_until_killed(chance.uniform(0, 1.2 * whole_upgrade_s), path, location)
        ((version,),) = query(path, VaultKey(KEY), "PRAGMA user_version")
        assert version in found
        found[version] += 1
        if version == SCHEMA_VERSION:
            assert path.read_bytes() == original.read_bytes()
        else:
            backup = path.with_name(f"{path.name}.v{SCHEMA_VERSION}.backup")
            assert query(backup, VaultKey(KEY), "SELECT count(*) FROM trades") == [(len(TRADES),)]
        asyncio.run(assert_complete(path))
    old, new = found.values()
    report(f"{kills} kills within {whole_upgrade_s:.2f} s: {old} old vaults, {new} new ones, 0 torn")


def test_a_killed_upgrade_leaves_the_old_vault_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    """The old one byte for byte; either is complete, and opening it again finishes the job."""
    kill_again_and_again(tmp_path, 10, 1, monkeypatch, tell)


def test_a_killed_upgrade_of_a_vault_of_the_first_release(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """The revisions of this release: it is the old vault, byte for byte, or has all of the search index."""
    chance = random.Random(3)
    original = tmp_path / "original.vault"
    make_first_release_vault(original, KEY, 500)
    whole_upgrade_s = upgrade(Path(shutil.copy(original, tmp_path / "whole.vault")))
    found = {1: 0, SCHEMA_VERSION: 0}
    for kill in range(4):
        path = tmp_path / str(kill) / "journal.vault"
        path.parent.mkdir()
        shutil.copy(original, path)
        upgrade_until_killed(chance.uniform(0.3, 1.2) * whole_upgrade_s, path)
        ((version,),) = query(path, VaultKey(KEY), "PRAGMA user_version")
        assert isinstance(version, int)
        found[version] += 1
        if version == 1:
            assert path.read_bytes() == original.read_bytes()
        asyncio.run(assert_searchable(path, 500))
    tell(f"4 kills within {whole_upgrade_s:.2f} s: {found[1]} old vaults, {found[SCHEMA_VERSION]} new ones, 0 torn")


async def assert_searchable(path: Path, reports: int) -> None:
    """Every report is found, in a sound vault."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            assert len(await uow.search.find("zulu", limit=None)) == reports
        assert (await vault.verify()).problems == ()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_upgrade_killed_50_times_leaves_the_old_vault_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    """The same, fifty times."""
    kill_again_and_again(tmp_path, 50, 2, monkeypatch, tell)
