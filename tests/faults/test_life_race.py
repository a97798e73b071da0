"""Processes that want something of one vault at the same moment: each gets it whole, or is told that it does not."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, say, started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import KdfProfile, Vault, WrongPassphraseError
from zorivest_async.transfer.journal import import_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE_BYTES = 20_000
ROUNDS = [4, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]


async def fill(path: Path, passphrase: str) -> None:
    """Make a small vault."""
    async with Vault.open(path, passphrase=passphrase, profile=KdfProfile.CHEAPEST) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            await write_unit(uow, 1, IMAGE_BYTES)
            await uow.commit()


async def opens(path: Path, passphrase: str) -> bool:
    """Return whether a passphrase opens the vault, and check it if so."""
    try:
        async with Vault.open(path, passphrase=passphrase, create=False) as vault:
            assert (await vault.verify()).problems == ()
            assert await present_units(vault, IMAGE_BYTES) == [1]
    except WrongPassphraseError:
        return False
    return True


@pytest.mark.parametrize("rounds", ROUNDS)
def test_processes_that_rekey_at_once_leave_one_passphrase(
    tmp_path: Path, tell: Callable[[str], None], rounds: int
) -> None:
    """All have the vault open, so all are refused; who gets in while another gives way leaves a whole vault, too."""
    path = tmp_path / "journal.vault"
    asyncio.run(fill(path, "0-0"))
    current, outcomes = "0-0", dict[str, int]()
    for number in range(1, rounds + 1):
        with ExitStack() as stack:
            racers = {
                f"{number}-{racer}": stack.enter_context(started("life", "rekey", path, current, f"{number}-{racer}"))
                for racer in range(3)
            }
            assert [read_line(racer) for racer in racers.values()] == ["ready"] * len(racers)
            for racer in racers.values():
                say(racer)
            ended = {passphrase: racer.communicate(timeout=60) for passphrase, racer in racers.items()}
        assert [errors for _, errors in ended.values()] == [""] * len(racers)
        done = [passphrase for passphrase, (printed, _) in ended.items() if printed.strip() == "done"]
        for printed, _ in ended.values():
            outcomes[printed.strip()] = outcomes.get(printed.strip(), 0) + 1
        opening = [passphrase for passphrase in (current, *racers) if asyncio.run(opens(path, passphrase))]
        assert len(opening) == 1
        assert opening[0] in (done or [current])
        current = opening[0]
    assert set(outcomes) <= {"done", "VaultInUseError", "WrongPassphraseError"}
    tell(f"{rounds} races of 3 rekeys: {outcomes}")


@pytest.mark.parametrize("work", ["backup", "export_journal"])
@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(2, marks=pytest.mark.timeout(240)),
        pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
    ],
)
def test_of_processes_that_want_one_name_one_gets_it(
    tmp_path: Path, tell: Callable[[str], None], rounds: int, work: str
) -> None:
    """The others are told that it is taken, also where all looked before it was; nothing is torn, or left."""
    path, folder = tmp_path / "journal.vault", tmp_path / "copies"
    folder.mkdir()
    asyncio.run(fill_keyed(path))
    outcomes = dict[str, int]()
    for number in range(rounds):
        target = folder / f"{number}"
        with ExitStack() as stack:
            racers = [stack.enter_context(started("life", work, path, target)) for _ in range(3)]
            assert [read_line(racer) for racer in racers] == ["ready"] * len(racers)
            for racer in racers:
                say(racer)
            ended = [racer.communicate(timeout=60) for racer in racers]
        assert [errors for _, errors in ended] == [""] * len(racers)
        for printed, _ in ended:
            outcomes[printed.strip()] = outcomes.get(printed.strip(), 0) + 1
        assert asyncio.run(units_of(target)) == [1]
    refused = "VaultError" if work == "backup" else "ConfigurationError"
    assert outcomes == {"done": rounds, refused: 2 * rounds}
    assert [file.name for file in folder.iterdir() if file.name.startswith(".")] == []
    tell(f"{rounds} races of 3 {work}s to one name: {outcomes}")


async def fill_keyed(path: Path) -> None:
    """Make a small vault that the workers' key opens."""
    async with Vault.open(path, key=KEY) as vault:
        await write_account(vault)
        async with vault.unit_of_work() as uow:
            await write_unit(uow, 1, IMAGE_BYTES)
            await uow.commit()


async def units_of(copy: Path) -> list[int]:
    """Return the units in a backup or in an exported journal."""
    if await asyncio.to_thread(copy.is_dir):
        async with Vault.in_memory() as vault:
            await import_journal(vault, copy)
            return await present_units(vault, IMAGE_BYTES)
    async with Vault.open(copy, key=KEY, create=False) as vault:
        assert (await vault.verify()).problems == ()
        return await present_units(vault, IMAGE_BYTES)


def test_a_backup_while_another_process_writes_is_a_moment_of_it(tmp_path: Path, tell: Callable[[str], None]) -> None:
    """It comes to an end, and holds every unit up to one, and none after it."""
    path, copies = tmp_path / "journal.vault", []

    async def back_up_and_check() -> list[int]:
        counts = []
        async with Vault.open(path, key=KEY) as vault:
            for number in range(3):
                copies.append(tmp_path / f"{number}.vault")
                await vault.backup(copies[-1])
        for copy in copies:
            async with Vault.open(copy, key=KEY, create=False) as vault:
                assert (await vault.verify()).problems == ()
                units = await present_units(vault, IMAGE_BYTES)
                assert units == list(range(len(units)))
                counts.append(len(units))
        return counts

    with started("write_units", path, "full", 0, 1_000_000, IMAGE_BYTES, 200) as writer:
        assert read_line(writer) == "ready"
        while int(read_line(writer)) < 100:
            pass
        before = time.monotonic()
        counts = asyncio.run(back_up_and_check())
        elapsed_s = time.monotonic() - before
        assert writer.poll() is None
    assert counts == sorted(counts)
    assert counts[0] > 100
    tell(f"3 backups beside a writer in {elapsed_s:.1f} s, of {counts} units")
