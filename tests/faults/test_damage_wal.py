"""A damaged write-ahead log: the commits before the damage are there, whole and in order, and those after it are not.

A log that ends early cannot be told from one that was damaged: nothing in the vault tells how many commits there were.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, started
from workers.ledger import KEY, present_units
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNITS = 12
ENDLESS = 1_000_000
"""Units to write: a process that came to their end would close its vault, and the log with it."""
IMAGE_BYTES = 2_000
NEVER = 1_000_000
"""Pages before a checkpoint: all commits stay in the log."""


def leave_a_log(path: Path) -> tuple[bytes, bytes]:
    """Kill a process that has committed its units and goes on, and return the vault and its log."""
    with started("write_units", path, "full", 0, ENDLESS, IMAGE_BYTES, NEVER) as writer:
        while read_line(writer) != str(UNITS - 1):
            pass
        writer.kill()
        writer.wait()
    return path.read_bytes(), path.with_name(f"{path.name}-wal").read_bytes()


async def recover(path: Path) -> list[int]:
    """Open a vault with a damaged log, check all of it, and return the units in it."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        units = await present_units(vault, IMAGE_BYTES)
        assert (await vault.verify()).ok
        return units


def put(path: Path, vault: bytes, log: bytes) -> list[int]:
    """Put a vault and a log in place and return the units that come of them."""
    for file in path.parent.iterdir():
        file.unlink()
    path.write_bytes(vault)
    path.with_name(f"{path.name}-wal").write_bytes(log)
    return asyncio.run(recover(path))


@pytest.mark.parametrize("flips", [12, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_a_changed_byte_in_the_log_leaves_the_commits_before_it(
    vault_path: Path, tell: Callable[[str], None], flips: int
) -> None:
    """Further on in the log, never fewer are left; nothing is torn or wrong."""
    vault, log = leave_a_log(vault_path)
    assert len(put(vault_path, vault, log)) >= UNITS
    chance = random.Random(flips)
    left: list[int] = []
    for offset in sorted(chance.randrange(len(log)) for _ in range(flips)):
        damaged = bytearray(log)
        damaged[offset] ^= chance.randrange(1, 256)
        present = put(vault_path, vault, bytes(damaged))
        assert present == list(range(len(present)))
        left.append(len(present))
    tell(f"{flips} changed bytes in a log of {UNITS} commits: 0 torn, 0 wrong; left, how often: {dict(Counter(left))}")
    assert left == sorted(left)


@pytest.mark.parametrize("cuts", [6, pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_a_log_that_is_cut_short_leaves_the_commits_before_the_cut(
    vault_path: Path, tell: Callable[[str], None], cuts: int
) -> None:
    """At any byte; without a log, what the vault held before it was begun is left."""
    vault, log = leave_a_log(vault_path)
    chance = random.Random(cuts)
    ends = [0, *sorted(chance.randrange(len(log)) for _ in range(cuts - 1))]
    left: list[int] = []
    for end in ends:
        present = put(vault_path, vault, log[:end])
        assert present == list(range(len(present)))
        left.append(len(present))
    tell(f"{cuts} cuts in a log of {UNITS} commits: 0 torn, 0 wrong; left, how often: {dict(Counter(left))}")
    assert left == sorted(left)
    assert left[0] == 0
