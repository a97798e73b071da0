"""The power fails: what was acknowledged is there under ``durability="full"``, and the vault is sound under both.

Recorded writes are replayed up to a random time, without what had not been synced by then. Sync requests are taken at
their word, as the disk is trusted to keep it. Work on whole files is replayed up to each name that it gives or takes,
and each sync.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, get_args

import pytest

from first_release import make_first_release_vault
from journals import settings_in
from workers.disk import Image, Loss, image_at, record, why_not
from workers.launch import read_line, started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import KdfProfile, Vault, VaultNotFoundError, WrongPassphraseError
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import Credentials
from zorivest_async.transfer.journal import import_journal
from zorivest_async.vault.file_format import check_schema, derive_file_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.disk import Call
    from zorivest_async.database.sqlcipher.cipher import Durability

UNTRACEABLE = why_not()
REQUIRED = os.environ.get("ZORIVEST_STRACE") == "required"

pytestmark = pytest.mark.skipif(UNTRACEABLE is not None and not REQUIRED, reason=str(UNTRACEABLE))

IMAGE_BYTES = 6_000
CHECKPOINT_PAGES = 60
"""A handful of units: there are many checkpoints to fail in."""

NAME = "journal.vault"
LOSSES: tuple[Loss, ...] = get_args(Loss)
LOSSES_OF_NAMES: tuple[Loss, ...] = ("all", "some", "contents", "earlier names")
FEW_STEPS = 4
KINDS = pytest.mark.parametrize("durability", ["full", "normal"])
SLOW_SYNC_US = 200_000
"""Longer than a unit takes where its system calls are recorded, so that others are written meanwhile."""

WRITERS = pytest.mark.parametrize("writers", [1, 8])


@pytest.fixture(autouse=True)
def strace() -> None:
    """Fail where strace is required and cannot be used."""
    assert UNTRACEABLE is None, UNTRACEABLE


async def make_vault(path: Path) -> None:
    """Create the vault whose further life is recorded."""
    async with Vault.open(path, key=KEY):
        pass


async def recover(path: Path) -> list[int]:
    """Open what the power failure left, check all of it, and return the units in it."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        units = await present_units(vault, IMAGE_BYTES)
        report = await vault.verify()
        assert report.ok, report.problems
    return units


def record_writes(folder: Path, durability: Durability, commits: int, writers: int) -> tuple[Image, list[Call]]:
    """Return a new vault, and what a process did to it that wrote and closed it, in so many tasks."""
    path = folder / "recorded" / NAME
    path.parent.mkdir()
    asyncio.run(make_vault(path))
    start = image_of(path.parent)
    settings = (path, durability, 0, commits, IMAGE_BYTES, CHECKPOINT_PAGES, writers)
    sync_us = SLOW_SYNC_US if writers > 1 else 0
    calls = record(folder / "trace", path.parent, start, "write_units", *settings, sync_us=sync_us)
    ready, *said = image_at(start, calls, "all", random.Random(0)).said
    assert ready == "ready"
    assert sorted(map(int, said)) == list(range(commits))
    return start, calls


def image_of(folder: Path) -> Image:
    """Return what is in a folder, but for the locks of vaults."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix != ".lock"]
    return Image(
        {str(path.relative_to(folder)): bytearray(path.read_bytes()) for path in paths if path.is_file()},
        [str(path.relative_to(folder)) for path in paths if path.is_dir()],
    )


def fail_again_and_again(
    folder: Path, durability: Durability, commits: int, failures: int, *, seed: int, writers: int
) -> tuple[int, str]:
    """Build so many disks, open each, and return the most acknowledged commits that one lost, and a line about all."""
    start, calls = record_writes(folder, durability, commits, writers)
    chance = random.Random(seed)
    losses = list[int]()
    for failure in range(failures):
        image = image_at(start, calls[: chance.randrange(len(calls)) + 1], LOSSES[failure % len(LOSSES)], chance)
        place = folder / f"failure {failure}"
        image.write_to(place)
        present = asyncio.run(recover(place / NAME))
        assert present == list(range(len(present)))  # no commit without those before it
        losses.append(len(set(map(int, image.said[1:])).difference(present)))
    syncs = sum(call.kind == "sync" for call in calls)
    if writers > 1 and durability == "full":
        kinds = [call.kind for call in calls if call.kind in ("sync", "say")]
        assert max(len([*run]) for kind, run in groupby(kinds) if kind == "say") > 1, "no commits shared a sync"
    return max(losses), (
        f'durability="{durability}", {writers} writers, {commits} commits, {syncs} syncs, '
        f"{failures} power failures: 0 corrupt, 0 torn; "
        f"{sum(map(bool, losses))} lost acknowledged commits, at most {max(losses)}"
    )


@KINDS
@WRITERS
def test_a_power_failure_loses_nothing_that_full_durability_promised(
    tmp_path: Path, durability: Durability, writers: int, tell: Callable[[str], None]
) -> None:
    """Each disk opens, verifies, and holds the first commits, all or nothing of each; "full" holds all acknowledged."""
    most_lost, line = fail_again_and_again(tmp_path, durability, 30, 15, seed=1, writers=writers)
    tell(line)
    assert durability == "normal" or most_lost == 0


@KINDS
@WRITERS
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_200_power_failures_lose_nothing_that_full_durability_promised(
    tmp_path: Path, durability: Durability, writers: int, tell: Callable[[str], None]
) -> None:
    """The same, two hundred times; the replay must be able to lose something, which "normal" shows."""
    most_lost, line = fail_again_and_again(tmp_path, durability, 150, 200, seed=2, writers=writers)
    tell(line)
    assert (most_lost == 0) == (durability == "full")


class Work(NamedTuple):
    """Work on whole files, and what must be there after a power failure.

    Attributes:
        prepare: Makes what is there before.
        arguments: Of ``workers.life``, from the folder.
        check: Raises unless the folder holds a complete state; is told whether the work was acknowledged.
    """

    prepare: Callable[[Path], None]
    arguments: Callable[[Path], list[object]]
    check: Callable[[Path, bool], None]


async def write(path: Path, *units: int, passphrase: str | None = None) -> None:
    """Make a small vault."""
    key = KEY if passphrase is None else None
    async with Vault.open(path, passphrase=passphrase, key=key, profile=KdfProfile.CHEAPEST) as vault:
        await write_account(vault)
        for unit in units:
            async with vault.unit_of_work() as uow:
                await write_unit(uow, unit, IMAGE_BYTES)
                await uow.commit()


def prepare_nothing(_folder: Path) -> None:
    """Leave the folder empty."""


def prepare_vault(folder: Path) -> None:
    """Make a vault with a unit."""
    asyncio.run(write(folder / NAME, 1))


def check_created(folder: Path, done: bool) -> None:
    """The vault is there or not; one that is not there can be made."""
    try:
        assert asyncio.run(recover(folder / NAME)) == []
    except VaultNotFoundError:
        assert not done
    asyncio.run(write(folder / NAME, 1))
    assert asyncio.run(recover(folder / NAME)) == [1]


def check_backed_up(folder: Path, done: bool) -> None:
    """The vault is as it was; the copy is complete or not there."""
    assert asyncio.run(recover(folder / NAME)) == [1]
    copy = folder / "copy.vault"
    assert copy.exists() or not done
    if copy.exists():
        assert asyncio.run(recover(copy)) == [1]


def prepare_passphrase(folder: Path) -> None:
    """Make a vault that a passphrase opens."""
    asyncio.run(write(folder / NAME, 1, passphrase="old"))


async def opens(path: Path, passphrase: str) -> bool:
    """Return whether a passphrase opens a vault, which is complete then."""
    try:
        async with Vault.open(path, passphrase=passphrase, create=False) as vault:
            assert (await vault.verify()).ok
            assert await present_units(vault, IMAGE_BYTES) == [1]
    except WrongPassphraseError:
        return False
    return True


def check_rekeyed(folder: Path, done: bool) -> None:
    """One of the passphrases opens a complete vault."""
    opening = [passphrase for passphrase in ("old", "new") if asyncio.run(opens(folder / NAME, passphrase))]
    assert opening == ["new"] or (opening == ["old"] and not done)


def prepare_backup(folder: Path) -> None:
    """Make a backup, and a vault with a commit in its WAL, of which a process died."""
    (folder / "backups").mkdir()
    asyncio.run(write(folder / "backups" / NAME, 1))
    with started("life", "leave_wal", folder / NAME) as process:
        assert read_line(process) == "ready"
        process.kill()


def check_restored(folder: Path, done: bool) -> None:
    """The old vault is there with what was in its WAL, or the new one."""
    assert asyncio.run(recover(folder / "backups" / NAME)) == [1]
    settings = asyncio.run(settings_in(folder / NAME, KEY))
    assert settings == ["unit 1"] or (settings == ["in the WAL"] and not done)


def prepare_old_vault(folder: Path) -> None:
    """Make a vault of the first release."""
    make_first_release_vault(folder / NAME, KEY)


def version_of(path: Path) -> int:
    """Return the version of a vault's schema."""
    return check_schema(path, derive_file_key(path, Credentials(None, KEY)))


def check_upgraded(folder: Path, done: bool) -> None:
    """The vault is the old one or the new one, beside which the old one is."""
    version, backup = version_of(folder / NAME), folder / f"{NAME}.v1.backup"
    assert version == SCHEMA_VERSION or not done
    assert backup.exists() or version == 1
    if backup.exists():
        assert version_of(backup) == 1
    assert asyncio.run(settings_in(folder / NAME, KEY)) == []
    assert version_of(folder / NAME) == SCHEMA_VERSION


async def import_units(journal: Path) -> list[int]:
    """Return the units in an exported journal."""
    async with Vault.in_memory() as copy:
        await import_journal(copy, journal)
        return await present_units(copy, IMAGE_BYTES)


def check_journal(folder: Path, done: bool) -> None:
    """The folder is complete, files and all, or not there."""
    journal = folder / "above" / "journal"
    assert journal.exists() or not done
    if journal.exists():
        assert asyncio.run(import_units(journal)) == [1]
    check_no_work_left(folder / "above")


def prepare_csv(folder: Path) -> None:
    """Make a vault, and a file that an export replaces."""
    prepare_vault(folder)
    (folder / "trades.csv").write_text("old")


def check_csv(folder: Path, done: bool) -> None:
    """A file that is replaced is the old one or the new one; another is complete or not there."""
    text = (folder / "trades.csv").read_text()
    assert text.count("\n") == 4 or (text == "old" and not done)
    new = folder / "new.csv"
    assert new.exists() or not done
    assert not new.exists() or new.read_text().count("\n") == 4


def check_no_work_left(folder: Path) -> None:
    """What the process was working on is removed by the next one that works in this folder."""
    if folder.exists():
        asyncio.run(write(folder / "another.vault"))
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


WORK = {
    "create": Work(prepare_nothing, lambda folder: [folder / NAME], check_created),
    "backup": Work(prepare_vault, lambda folder: [folder / NAME, folder / "copy.vault"], check_backed_up),
    "rekey": Work(prepare_passphrase, lambda folder: [folder / NAME, "old", "new"], check_rekeyed),
    "restore": Work(prepare_backup, lambda folder: [folder / "backups" / NAME, folder / NAME], check_restored),
    "upgrade": Work(prepare_old_vault, lambda folder: [folder / NAME], check_upgraded),
    "export_journal": Work(prepare_vault, lambda folder: [folder / NAME, folder / "above" / "journal"], check_journal),
    "export_trades": Work(
        prepare_csv, lambda folder: [folder / NAME, folder / "trades.csv", folder / "new.csv"], check_csv
    ),
}


def steps_of(calls: list[Call]) -> tuple[list[int], int]:
    """Return the calls after which the work may be found half done, and the one that acknowledges it."""
    begun = next(index for index, call in enumerate(calls) if call.is_folder and call.name[1].startswith(".zorivest-"))
    done = next(index for index, call in enumerate(calls) if call.kind == "say" and b"done" in call.data)
    return [index for index in range(begun, done + 1) if calls[index].kind not in ("write", "truncate")], done


def critical_steps(calls: list[Call], steps: list[int]) -> list[int]:
    """Return the steps at which files are given their final names or the work is acknowledged, and a few others."""
    named, found = set[int](), steps[:: max(1, len(steps) // FEW_STEPS)]
    for number, step in enumerate(steps):
        call = calls[step]
        if call.kind == "move" or (call.kind == "name" and call.node in named):
            found += steps[number : number + 2]
        if call.kind == "name":
            named.add(call.node)
    return sorted({*found, steps[-1]})


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("name", WORK)
@pytest.mark.timeout(180)
def test_a_power_failure_during_work_on_whole_files_leaves_the_old_state_or_the_new(
    tmp_path: Path, name: str, every: bool, tell: Callable[[str], None]
) -> None:
    """Whenever it fails; what was acknowledged is there, and what is half made is under no name, and removed."""
    work, folder, place = WORK[name], tmp_path / "recorded", tmp_path / "failed"
    folder.mkdir()
    work.prepare(folder)
    start = image_of(folder)
    calls = record(tmp_path / "trace", folder, start, "life", name, *work.arguments(folder))
    steps, done = steps_of(calls)
    chosen, losses = (steps, LOSSES) if every else (critical_steps(calls, steps), LOSSES_OF_NAMES)
    for step in chosen:
        for number, loss in enumerate(losses):
            image_at(start, calls[: step + 1], loss, random.Random(step * len(losses) + number)).write_to(place)
            try:
                work.check(place, step == done)
                check_no_work_left(place)
            except BaseException as error:
                error.add_note(f"{loss} lost after call {step} of {len(calls)}: {calls[step]}")
                raise
            shutil.rmtree(place)
    tell(f"{name}: {len(chosen) * len(losses)} power failures at {len(chosen)} of {len(steps)} steps, 0 lost")
