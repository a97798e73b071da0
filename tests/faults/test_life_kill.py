"""Killing a process that makes, copies or replaces a vault: whenever it happens, one complete vault is there."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import pytest

from workers.launch import KILLED, read_line, say, started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import KdfProfile, MarketProviderSetting, Vault, VaultNotFoundError, WrongPassphraseError
from zorivest_async.transfer.journal import export_journal, import_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

UNITS = range(1, 25)
IMAGE_BYTES = 200_000
KILLS = [
    pytest.param(6, marks=pytest.mark.timeout(240)),
    pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


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
        assert process.returncode in (0, KILLED)


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
    """The old or the new one opens a complete vault, the other does not, and no litter outlives the next."""
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


@dataclass
class Tally:
    """How often a killed process had given its work the name, and how often it had left it unnamed."""

    made: int = 0
    litter: int = 0


def kill_makers(tmp_path: Path, action: str, kills: int, check_made: Callable[[Path], object]) -> Tally:
    """Kill processes that make something of a vault under dated names, check each, and count.

    What bears the name is complete, the vault is as it was, and the next one removes what was left, whatever its name.
    """
    path, folder, tally = tmp_path / "journal.vault", tmp_path / "made", Tally()
    folder.mkdir()
    asyncio.run(fill(path))
    whole = run_whole(action, path, folder / "whole")
    for kill, death in enumerate(deaths(kills, whole)):
        target = folder / f"day-{kill}"
        kill_at(death, action, path, target)
        tally.litter += len(hidden(folder)) > 0
        assert len(hidden(folder)) <= 1
        if target.exists():
            tally.made += 1
            check_made(target)
        asyncio.run(check(path))
        assert beside(path) == {"made"}
    run_whole(action, path, folder / "last")
    assert hidden(folder) == set()
    assert tally.litter
    return tally


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_backup_leaves_none_or_a_complete_one(tmp_path: Path, tell: Callable[[str], None], kills: int) -> None:
    """What bears the final name is complete, and the next backup removes the litter, whatever its name."""
    tally = kill_makers(tmp_path, "backup", kills, lambda made: asyncio.run(check(made)))
    tell(f"{kills} kills of backup, {tally.made} after publishing, {tally.litter} with litter: 0 incomplete")


def hidden(folder: Path) -> set[str]:
    """Return the names of work that was left in a folder."""
    return {file.name for file in folder.iterdir() if file.name.startswith(".")}


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_export_leaves_no_plaintext_behind(tmp_path: Path, tell: Callable[[str], None], kills: int) -> None:
    """A journal is complete or not there; what was half written goes with the next export, whatever its name."""

    def check_made(folder: Path) -> None:
        assert asyncio.run(units_of_export(folder)) == list(UNITS)

    tally = kill_makers(tmp_path, "export_journal", kills, check_made)
    tell(f"{kills} kills of export_journal, {tally.made} after publishing, {tally.litter} with litter: 0 incomplete")


async def units_of_export(folder: Path) -> list[int]:
    """Return the units in an exported journal."""
    async with Vault.in_memory() as copy:
        await import_journal(copy, folder)
        return await present_units(copy, IMAGE_BYTES)


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_export_of_trades_leaves_the_old_file_or_the_new(
    tmp_path: Path, tell: Callable[[str], None], kills: int
) -> None:
    """Where a file is replaced; where none is, it is complete or not there."""
    path, folder = tmp_path / "journal.vault", tmp_path / "exports"
    folder.mkdir()
    asyncio.run(fill(path))
    old, new = folder / "old.csv", folder / "new.csv"
    old.write_text("old")
    whole = run_whole("export_trades", path, old, new)
    rows = new.read_bytes()
    assert old.read_bytes() == rows
    replaced, made = 0, 0
    for death in deaths(kills, whole):
        old.write_text("old")
        new.unlink(missing_ok=True)
        kill_at(death, "export_trades", path, old, new)
        assert old.read_bytes() in (b"old", rows)
        replaced += old.read_bytes() == rows
        if new.exists():
            made += 1
            assert new.read_bytes() == rows
        assert len(hidden(folder)) <= 1
    new.unlink(missing_ok=True)
    run_whole("export_trades", path, old, new)
    assert hidden(folder) == set()
    tell(f"{kills} kills of export_trades, {replaced} after replacing, {made} after publishing: 0 torn")


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_import_leaves_all_of_a_journal_or_nothing(
    tmp_path: Path, tell: Callable[[str], None], kills: int
) -> None:
    """And nothing of it is in the way of the next one."""
    source, journal = tmp_path / "source.vault", tmp_path / "journal"
    asyncio.run(fill(source))
    asyncio.run(export(source, journal))
    empty, path = tmp_path / "empty.vault", tmp_path / "imports" / "journal.vault"
    path.parent.mkdir()
    asyncio.run(make_empty(empty))
    shutil.copy(empty, path)
    whole = run_whole("import_journal", path, journal)
    imported = 0
    for death in deaths(kills, whole):
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        shutil.copy(empty, path)
        kill_at(death, "import_journal", path, journal)
        units = asyncio.run(units_in(path))
        assert units in ([], list(UNITS))
        imported += bool(units)
        if not units:
            asyncio.run(import_into(path, journal))
            assert asyncio.run(units_in(path)) == list(UNITS)
        assert beside(path) == set()
    tell(f"{kills} kills of import_journal, {imported} after the commit: 0 in part")


async def export(path: Path, folder: Path) -> None:
    """Export a whole journal."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        await export_journal(vault, folder)


async def make_empty(path: Path) -> None:
    """Make a vault with nothing in it."""
    await (await Vault.open(path, key=KEY)).aclose()


async def import_into(path: Path, folder: Path) -> None:
    """Import a whole journal."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        await import_journal(vault, folder)


async def units_in(path: Path) -> list[int]:
    """Return the units in a sound vault."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).problems == ()
        return await present_units(vault, IMAGE_BYTES)


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
    """What bears the name opens and can be written to; the next creation removes the litter."""
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
