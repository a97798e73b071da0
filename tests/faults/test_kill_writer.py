"""Killing a process that writes: what it acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from typing import TYPE_CHECKING

import pytest

from workers.launch import KILLED, read_line, started
from workers.ledger import KEY, present_units
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

IMAGE_BYTES = 40_000
CHECKPOINT_PAGES = 200
"""About seventeen units: checkpoints are killed as often as commits."""

LONGEST_LIFE_S = 0.25
KILLS_PER_VAULT = 5


def run_until_killed(path: Path, durability: str, first: int, life_s: float, writers: int) -> list[int]:
    """Kill a writer after so long, counted from before it opens the vault, and return what it acknowledged."""
    with started("write_units", path, durability, first, 1_000_000, IMAGE_BYTES, CHECKPOINT_PAGES, writers) as writer:
        assert read_line(writer) == "ready"
        time.sleep(life_s)
        writer.kill()
        printed, errors = writer.communicate()
        assert writer.returncode == KILLED
        assert errors == ""
    return [int(line) for line in printed.splitlines()]


async def recover(path: Path) -> list[int]:
    """Open what a killed process left, check all of it, and return the units in it."""
    async with Vault.open(path, key=KEY) as vault:
        units = await present_units(vault, IMAGE_BYTES)
        report = await vault.verify()
        assert report.ok, report.problems
    return units


def kill_again_and_again(
    folder: Path, kills: int, seed: int, report: Callable[[str], None], *, writers: int = 1
) -> None:
    """Kill writers on a vault, a fresh one now and then, checking it after each."""
    chance = random.Random(seed)
    acknowledged, unacknowledged, vaults = 0, 0, 0
    present: list[int] = []
    path = folder
    for kill in range(kills):
        if kill % KILLS_PER_VAULT == 0:
            path, present, vaults = folder / f"{kill}.vault", [], vaults + 1
        durability = ("full", "normal")[kill % 2]
        first = len(present)
        acks = run_until_killed(path, durability, first, chance.uniform(0, LONGEST_LIFE_S), writers)
        present = asyncio.run(recover(path))
        assert present == list(range(len(present)))
        assert set(acks) <= set(range(first, len(present)))
        # The last commit of each task may be there though nobody was told.
        assert len(present) - first - len(acks) in range(writers + 1)
        acknowledged += len(acks)
        unacknowledged += len(present) - first - len(acks)
    assert acknowledged > kills
    report(
        f"{kills} kills, {vaults} vaults, {acknowledged} acknowledged commits: 0 lost, 0 torn; "
        f"{unacknowledged} commits present that were not acknowledged"
    )


@pytest.mark.parametrize("writers", [1, 8])
def test_a_killed_writer_loses_no_acknowledged_commit(
    tmp_path: Path, writers: int, tell: Callable[[str], None]
) -> None:
    """Killed at random moments, opening and checkpoints included, in both durabilities, alone or with others."""
    kill_again_and_again(tmp_path, 8, 1, tell, writers=writers)


@pytest.mark.parametrize("writers", [1, 8])
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_writer_killed_200_times_loses_no_acknowledged_commit(
    tmp_path: Path, writers: int, tell: Callable[[str], None]
) -> None:
    """The same, two hundred times."""
    kill_again_and_again(tmp_path, 200, 2, tell, writers=writers)
