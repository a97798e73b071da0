"""Killing a process that makes, copies or replaces a vault: whenever it happens, one complete vault is there."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

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


class Whole(NamedTuple):
    """Work that nobody interrupted."""

    duration_s: float
    steps: int


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


def run_whole(*arguments: object) -> Whole:
    """Let work in another process end, and return how much of it there was."""
    with started("life", *arguments) as process:
        assert read_line(process) == "ready"
        before = time.monotonic()
        say(process, "0")
        done, steps = read_line(process).split()
        assert done == "done"
        return Whole(time.monotonic() - before, int(steps))


def kill_at(death: float, *arguments: object) -> None:
    """Start work in another process, which dies at a step of it (a whole number) or after so many seconds."""
    with started("life", *arguments) as process:
        assert read_line(process) == "ready"
        if isinstance(death, int):
            say(process, str(death))
        else:
            say(process)
            time.sleep(death)
            process.kill()
        _, errors = process.communicate()
        assert errors == ""
        assert process.returncode in (0, -signal.SIGKILL)


def deaths(kills: int, whole: Whole) -> Iterator[float]:
    """Yield by turns a step, from the first to the last, and a moment anywhere, which may be within a step."""
    chance = random.Random(kills)
    for kill in range(kills):
        yield chance.uniform(0, whole.duration_s) if kill % 2 else max(1, round(whole.steps * (kill + 1) / kills))


def beside(path: Path) -> set[str]:
    """Return the names of what lies beside a vault, but for its lock."""
    return {file.name for file in path.parent.iterdir()} - {path.name, f"{path.name}.lock"}


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_rekey_leaves_exactly_one_passphrase(tmp_path: Path, tell: Callable[[str], None], kills: int) -> None:
    """Case 17: the old or the new one opens a complete vault, the other does not, and no litter outlives the next."""
    path = tmp_path / "journal.vault"
    asyncio.run(fill(path, "0"))
    current, changed = 0, 0
    whole = run_whole("rekey", path, "0", "1")
    for kill, death in enumerate(deaths(kills, whole), start=2):
        current = next(number for number in (kill - 1, current) if opens(path, str(number)))
        kill_at(death, "rekey", path, str(current), str(kill))
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
    whole = run_whole("backup", path, destination)
    made = 0
    for death in deaths(kills, whole):
        for file in (destination, destination.with_name("copy.vault.lock")):
            file.unlink(missing_ok=True)
        kill_at(death, "backup", path, destination)
        if destination.exists():
            made += 1
            asyncio.run(check(destination))
        asyncio.run(check(path))
        assert beside(path) == {"backups"}
    destination.unlink(missing_ok=True)
    run_whole("backup", path, destination)
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
    whole = run_whole("restore", backup, path)
    asyncio.run(check(path))
    replaced = 0
    for death in deaths(kills, whole):
        shutil.copytree(kept, path.parent, dirs_exist_ok=True)
        kill_at(death, "restore", backup, path)
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
    (tmp_path / "first").mkdir()
    whole = run_whole("create", tmp_path / "first" / "journal.vault")
    made = 0
    for kill, death in enumerate(deaths(kills, whole)):
        path = tmp_path / str(kill) / "journal.vault"
        path.parent.mkdir()
        kill_at(death, "create", path)
        made += path.exists()
        if not path.exists():
            with pytest.raises(VaultNotFoundError):
                asyncio.run(open_existing(path))
        asyncio.run(fill(path))
        asyncio.run(check(path))
        assert beside(path) == set()
    tell(f"{kills} kills of create, {made} after publishing: 0 incomplete")


async def open_existing(path: Path) -> None:
    """Open a vault that must be there."""
    await Vault.open(path, key=KEY, create=False)
