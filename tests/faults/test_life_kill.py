"""Killing a process that makes, copies or replaces a vault: whenever it happens, one complete vault is there."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, say, started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import KdfProfile, MarketProviderSetting, Vault, VaultNotFoundError, WrongPassphraseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

UNITS = range(1, 25)
IMAGE_BYTES = 200_000
KILLS = [10, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]


async def fill(path: Path, passphrase: str | None = None) -> None:
    """Make a vault of some megabytes."""
    key = KEY if passphrase is None else None
    async with Vault.open(path, passphrase=passphrase, key=key, profile=KdfProfile.CHEAPEST) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            for unit in UNITS:
                await write_unit(uow, unit, IMAGE_BYTES)
            await uow.market_provider_settings.save(MarketProviderSetting("Alpha", "s3cret"))
            await uow.commit()


async def check(path: Path, passphrase: str | None = None) -> None:
    """Check that a vault is sound and holds everything, the encrypted API key included."""
    key = KEY if passphrase is None else None
    async with Vault.open(path, passphrase=passphrase, key=key, create=False) as vault:
        assert (await vault.verify()).problems == ()
        assert await present_units(vault, IMAGE_BYTES) == list(UNITS)
        async with vault.unit_of_work() as uow:
            assert await uow.market_provider_settings.reveal_api_key("Alpha") == "s3cret"
            await uow.accounts.update(await uow.accounts.get_one("U1"))
            await uow.commit()


def run_for(life_s: float | None, *arguments: object) -> float:
    """Start work in another process and kill it after so long, or let it end; return how long it took."""
    with started("life", *arguments) as process:
        assert read_line(process) == "ready"
        before = time.monotonic()
        say(process)
        if life_s is None:
            assert read_line(process) == "done"
        else:
            time.sleep(life_s)
            process.kill()
        whole_s = time.monotonic() - before
        _, errors = process.communicate()
        assert errors == ""
        assert process.returncode in (0, -signal.SIGKILL)
        return whole_s


def lives(kills: int, whole_s: float) -> Iterator[float]:
    """Yield moments to kill at: anywhere in the work, and often near its end, where names change hands."""
    chance = random.Random(kills)
    for kill in range(kills):
        yield chance.uniform(0, whole_s) if kill % 2 else chance.uniform(0.8, 1.05) * whole_s


def beside(path: Path) -> set[str]:
    """Return the names of what lies beside a vault, but for its lock."""
    return {file.name for file in path.parent.iterdir()} - {path.name, f"{path.name}.lock"}


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_rekey_leaves_exactly_one_passphrase(tmp_path: Path, tell: Callable[[str], None], kills: int) -> None:
    """Case 17: the old or the new one opens a complete vault, the other does not, and no litter outlives the next."""
    path = tmp_path / "journal.vault"
    asyncio.run(fill(path, "0"))
    current, changed = 0, 0
    whole_s = run_for(None, "rekey", path, "0", "1")
    for kill, life_s in enumerate(lives(kills, whole_s), start=2):
        current = next(number for number in (kill - 1, current) if opens(path, str(number)))
        run_for(life_s, "rekey", path, str(current), str(kill))
        opening = [number for number in (current, kill) if opens(path, str(number))]
        assert len(opening) == 1
        changed += opening[0] == kill
        current = opening[0]
        asyncio.run(check(path, str(current)))
        assert beside(path) == set()
    tell(f"{kills} kills of rekey, {changed} after the change: 0 vaults lost")


def opens(path: Path, passphrase: str) -> bool:
    """Return whether a passphrase opens a vault."""

    async def open_it() -> bool:
        try:
            await (await Vault.open(path, passphrase=passphrase, create=False)).aclose()
        except WrongPassphraseError:
            return False
        return True

    return asyncio.run(open_it())


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_backup_leaves_none_or_a_complete_one(tmp_path: Path, tell: Callable[[str], None], kills: int) -> None:
    """Case 19: what bears the final name is complete, and the vault is as it was."""
    path, destination = tmp_path / "journal.vault", tmp_path / "backups" / "copy.vault"
    destination.parent.mkdir()
    asyncio.run(fill(path))
    whole_s = run_for(None, "backup", path, destination)
    made = 0
    for life_s in lives(kills, whole_s):
        for file in (destination, destination.with_name("copy.vault.lock")):
            file.unlink(missing_ok=True)
        run_for(life_s, "backup", path, destination)
        if destination.exists():
            made += 1
            asyncio.run(check(destination))
        asyncio.run(check(path))
        assert beside(path) == {"backups"}
    destination.unlink(missing_ok=True)
    run_for(None, "backup", path, destination)
    assert beside(destination) == set()
    tell(f"{kills} kills of backup, {made} after publishing: 0 incomplete")


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_restore_leaves_the_old_vault_or_the_new(
    tmp_path: Path, tell: Callable[[str], None], kills: int
) -> None:
    """The old one with what was in its WAL, or the new one; never a mixture of the two."""
    backup, path, kept = tmp_path / "backups" / "copy.vault", tmp_path / "journal.vault", tmp_path / "kept"
    backup.parent.mkdir()
    kept.mkdir()
    asyncio.run(fill(backup))
    with started("life", "leave_wal", kept / "journal.vault") as process:
        assert read_line(process) == "ready"
        process.kill()
    shutil.copytree(kept, path.parent, dirs_exist_ok=True)
    whole_s = run_for(None, "restore", backup, path)
    asyncio.run(check(path))
    replaced = 0
    for life_s in lives(kills, whole_s):
        shutil.copytree(kept, path.parent, dirs_exist_ok=True)
        run_for(life_s, "restore", backup, path)
        if asyncio.run(has_old_commit(path)):
            continue
        replaced += 1
        asyncio.run(check(path))
        assert beside(path) == {"backups", "kept"}
    tell(f"{kills} kills of restore, {replaced} after the change: 0 vaults lost")


async def has_old_commit(path: Path) -> bool:
    """Return whether a vault is the old one, with the commit that was in its WAL; the new one never had it."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).problems == ()
        async with vault.unit_of_work(read_only=True) as uow:
            units = await uow.settings.get("unit 1")
            old = bool(await uow.settings.get("in the WAL"))
            assert old == (units is None)
            return old


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_creation_leaves_none_or_a_complete_one(
    tmp_path: Path, tell: Callable[[str], None], kills: int
) -> None:
    """Case 16: what bears the name opens and can be written to; the next creation removes the litter."""
    whole_s = run_for(None, "create", tmp_path / "first" / "journal.vault") if make(tmp_path / "first") else 0.0
    made = 0
    for kill, life_s in enumerate(lives(kills, whole_s)):
        path = tmp_path / str(kill) / "journal.vault"
        make(path.parent)
        run_for(life_s, "create", path)
        made += path.exists()
        if not path.exists():
            with pytest.raises(VaultNotFoundError):
                asyncio.run(open_existing(path))
        asyncio.run(fill(path))
        asyncio.run(check(path))
        assert beside(path) == set()
    tell(f"{kills} kills of create, {made} after publishing: 0 incomplete")


def make(folder: Path) -> bool:
    """Make a folder."""
    folder.mkdir()
    return True


async def open_existing(path: Path) -> None:
    """Open a vault that must be there."""
    await Vault.open(path, key=KEY, create=False)
