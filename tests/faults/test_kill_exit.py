"""A process that ends with queries under way and the vault open: it ends at once, and what was committed is there."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, started
from workers.ledger import KEY, present_units
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")

PROMPT_S = 5.0


async def recover(path: Path) -> list[int]:
    """Check what is left, and that it can be written to."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work() as uow:
            assert await uow.settings.get("unseen") is None
            await uow.settings.set("unseen", 1)
            await uow.rollback()
        return await present_units(vault, 5_000)


@pytest.mark.parametrize(
    ("manner", "code", "words"), [("return", 0, ""), ("raise", 1, "RuntimeError: on purpose"), ("forget", 0, "")]
)
def test_a_process_ends_with_queries_under_way(
    vault_path: Path, tell: Callable[[str], None], manner: str, code: int, words: str
) -> None:
    """Returning, failing, or with a loop that nobody closes: no thread keeps it alive."""
    with started("leave", vault_path, manner) as process:
        assert read_line(process) == "busy"
        begun = time.monotonic()
        _, errors = process.communicate(timeout=PROMPT_S)
        tell(f"{manner}: ended in {time.monotonic() - begun:.2f} s")
        assert process.returncode == code
        assert words in errors
    assert asyncio.run(recover(vault_path)) == []


def test_ctrl_c_ends_a_process_with_queries_under_way(vault_path: Path, tell: Callable[[str], None]) -> None:
    """KeyboardInterrupt arrives, as in any program."""
    with started("leave", vault_path, "wait") as process:
        assert read_line(process) == "busy"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PROMPT_S)
        tell(f"ended in {time.monotonic() - begun:.2f} s")
        assert process.returncode == -signal.SIGINT
        assert "KeyboardInterrupt" in errors
    assert asyncio.run(recover(vault_path)) == []


@pytest.mark.parametrize("repetitions", [2, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
def test_ctrl_c_during_commits_loses_none(tmp_path: Path, tell: Callable[[str], None], repetitions: int) -> None:
    """Wherever it strikes, all acknowledged commits are there and none is torn."""
    chance = random.Random(repetitions)
    acknowledged, slowest_s = 0, 0.0
    for repetition in range(repetitions):
        path = tmp_path / f"{repetition}.vault"
        with started("leave", path, "commit") as process:
            while read_line(process) != "busy":
                pass
            time.sleep(chance.uniform(0, 0.2))
            begun = time.monotonic()
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=PROMPT_S)
            slowest_s = max(slowest_s, time.monotonic() - begun)
            assert process.returncode == -signal.SIGINT
        present = asyncio.run(recover(path))
        last = max((int(line) for line in printed.splitlines()), default=-1)
        assert present == list(range(len(present)))
        assert len(present) in (last + 1, last + 2) or not printed
        acknowledged += last + 1
    tell(
        f"{repetitions} interrupts, {acknowledged} acknowledged commits: 0 lost, 0 torn; slowest end {slowest_s:.2f} s"
    )
