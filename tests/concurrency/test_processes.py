"""Several processes on one vault: their writers wait for each other, briefly, and none of their updates is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, say, started
from workers.ledger import KEY
from zorivest_async import Vault, VaultBusyError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import VaultKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST_WAIT_S = 2.0


async def make_vault(path: Path) -> None:
    """Create the vault that the processes share."""
    async with Vault.open(path, key=KEY):
        pass


def hold_alone(path: Path, held: threading.Event, release: threading.Event) -> None:
    """Keep everybody else out of a vault, as the last process to close it does, and one that recovers it."""
    settings = ConnectionSettings()
    with closing(open_cipher(vault_uri(path), VaultKey(KEY), settings)) as raw:
        raw.execute("PRAGMA locking_mode = EXCLUSIVE")
        raw.execute("BEGIN EXCLUSIVE")
        raw.execute("CREATE TABLE temporary (x)")
        raw.execute("ROLLBACK")
        held.set()
        release.wait(10)


async def read_counter(path: Path) -> int:
    """Return what the processes left, after checking the vault."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work(read_only=True) as uow:
            return int(await uow.settings.get("counter"))


def increment_in_processes(path: Path, processes: int, tasks: int, increments: int) -> tuple[float, float]:
    """Run the processes, check the total, and return the longest wait of a unit of work and the time of all."""
    asyncio.run(make_vault(path))
    with ExitStack() as stack:
        running = [stack.enter_context(started("increment", path, tasks, increments)) for _ in range(processes)]
        assert [read_line(process) for process in running] == ["ready"] * processes
        begun = time.monotonic()
        for process in running:
            say(process)
        ended = [process.communicate(timeout=600) for process in running]
        took_s = time.monotonic() - begun
    assert [errors for _, errors in ended] == [""] * processes
    assert asyncio.run(read_counter(path)) == processes * tasks * increments
    return max(float(printed) for printed, _ in ended), took_s


def test_increments_of_several_processes_are_exact(vault_path: Path, tell: Callable[[str], None]) -> None:
    """No update is lost, no busy error escapes, and nobody waits for long."""
    longest_s, took_s = increment_in_processes(vault_path, 2, 4, 25)
    tell(f"2 processes x 4 tasks x 25 increments in {took_s:.2f} s, longest wait {longest_s:.2f} s")
    assert longest_s < LONGEST_WAIT_S


@pytest.mark.asyncio
@pytest.mark.parametrize("read_only", [False, True])
async def test_a_connection_waits_for_a_process_that_has_the_vault_alone(vault_path: Path, read_only: bool) -> None:
    """It takes moments, and is no reason to fail; beyond the busy timeout it is."""
    held, release = threading.Event(), threading.Event()
    async with (
        Vault.open(vault_path, key=KEY) as patient,
        Vault.open(vault_path, key=KEY, busy_timeout_s=0.1) as impatient,
    ):
        holding = asyncio.create_task(asyncio.to_thread(hold_alone, vault_path, held, release))
        await asyncio.to_thread(held.wait)

        async def read() -> object:
            async with patient.unit_of_work(read_only=read_only) as uow:
                return await uow.settings.get("counter", "none")

        waiting = asyncio.create_task(read())
        async with impatient.unit_of_work(read_only=read_only) as uow:
            with pytest.raises(VaultBusyError):
                await uow.settings.get("counter")
        assert not waiting.done()
        release.set()
        assert await waiting == "none"
        await holding


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_3200_increments_of_four_processes_are_exact(vault_path: Path, tell: Callable[[str], None]) -> None:
    """The same with four processes of eight tasks."""
    longest_s, took_s = increment_in_processes(vault_path, 4, 8, 100)
    tell(f"4 processes x 8 tasks x 100 increments in {took_s:.2f} s, longest wait {longest_s:.2f} s")
    assert longest_s < LONGEST_WAIT_S
