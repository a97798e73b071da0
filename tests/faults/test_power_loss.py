"""The power fails: what was acknowledged is there under ``durability="full"``, and the vault is sound under both.

Recorded writes are replayed up to a random moment, without what had not been synced by then. Sync requests are taken
at their word, as the disk is trusted to keep it.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, get_args

import pytest

from workers.disk import Image, Loss, image_at, record, why_not
from workers.ledger import KEY, present_units
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from workers.disk import Call
    from zorivest_async.database.cipher import Durability

UNTRACEABLE = why_not()
pytestmark = [
    pytest.mark.skipif(UNTRACEABLE is not None, reason=str(UNTRACEABLE)),
    pytest.mark.parametrize("durability", ["full", "normal"]),
]

IMAGE_BYTES = 6_000
CHECKPOINT_PAGES = 60
"""A handful of units: there are many checkpoints to fail in."""

NAME = "journal.vault"
LOSSES: tuple[Loss, ...] = get_args(Loss)


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


def record_writes(folder: Path, durability: Durability, commits: int) -> tuple[Image, list[Call]]:
    """Return a new vault, and what a process did to it that wrote and closed it."""
    path = folder / "recorded" / NAME
    path.parent.mkdir()
    asyncio.run(make_vault(path))
    start = Image({NAME: bytearray(path.read_bytes())})
    calls = record(
        folder / "trace", path.parent, "write_units", path, durability, 0, commits, IMAGE_BYTES, CHECKPOINT_PAGES
    )
    assert image_at(start, calls, "all", random.Random(0)).said == ["ready", *map(str, range(commits))]
    return start, calls


def fail_again_and_again(
    folder: Path, durability: Durability, commits: int, failures: int, seed: int
) -> tuple[int, str]:
    """Build so many disks, open each, and return the most acknowledged commits that one lost, and a line about all."""
    start, calls = record_writes(folder, durability, commits)
    chance = random.Random(seed)
    losses = list[int]()
    for failure in range(failures):
        image = image_at(start, calls[: chance.randrange(len(calls)) + 1], LOSSES[failure % len(LOSSES)], chance)
        place = folder / f"failure {failure}"
        place.mkdir()
        image.write_to(place)
        present = asyncio.run(recover(place / NAME))
        assert present == list(range(len(present)))  # no commit without those before it
        losses.append(max(0, len(image.said) - 1 - len(present)))
    syncs = sum(call.kind == "sync" for call in calls)
    return max(losses), (
        f'durability="{durability}", {commits} commits, {syncs} syncs, {failures} power failures: 0 corrupt, 0 torn; '
        f"{sum(map(bool, losses))} lost acknowledged commits, at most {max(losses)}"
    )


def test_a_power_failure_loses_nothing_that_full_durability_promised(
    tmp_path: Path, durability: Durability, tell: Callable[[str], None]
) -> None:
    """Each disk opens, verifies, and holds the first commits, all or nothing of each; "full" holds all acknowledged."""
    most_lost, line = fail_again_and_again(tmp_path, durability, 30, 12, seed=1)
    tell(line)
    assert durability == "normal" or most_lost == 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_200_power_failures_lose_nothing_that_full_durability_promised(
    tmp_path: Path, durability: Durability, tell: Callable[[str], None]
) -> None:
    """The same, two hundred times; the replay must be able to lose something, which "normal" shows."""
    most_lost, line = fail_again_and_again(tmp_path, durability, 150, 200, seed=2)
    tell(line)
    assert (most_lost == 0) == (durability == "full")
