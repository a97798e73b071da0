"""Processes that create the same vault at the same moment: one file comes of it, and everybody knows where they are."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from workers.launch import read_line, say, started
from zorivest_async import Vault, WrongPassphraseError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LONG = pytest.param(25, marks=[pytest.mark.soak, pytest.mark.timeout(900)])


def race(path: Path, passphrases: Sequence[str]) -> list[str]:
    """Let a process per passphrase create the vault at once, and return what each printed."""
    with ExitStack() as stack:
        racers = [
            stack.enter_context(started("create", path, passphrase, f"account {number}"))
            for number, passphrase in enumerate(passphrases)
        ]
        assert [read_line(racer) for racer in racers] == ["ready"] * len(racers)
        for racer in racers:
            say(racer)
        ended = [racer.communicate(timeout=60) for racer in racers]
        assert [errors for _, errors in ended] == [""] * len(racers)
        return [printed.strip() for printed, _ in ended]


async def accounts_in(path: Path, passphrase: str) -> list[str]:
    """Return the accounts in the vault, after checking it."""
    async with Vault.open(path, passphrase=passphrase, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work(read_only=True) as uow:
            return sorted(account.account_id for account in await uow.accounts.list_all())


def assert_nothing_else(path: Path) -> None:
    """Only the vault is in its folder, and perhaps the file that locks it."""
    assert {file.name for file in path.parent.iterdir()} - {f"{path.name}.lock"} == {path.name}


@pytest.mark.parametrize("races", [1, LONG])
def test_processes_that_create_one_vault_share_it(tmp_path: Path, tell: Callable[[str], None], races: int) -> None:
    """One of them makes it, and what each wrote is in it."""
    for number in range(races):
        path = tmp_path / str(number) / "journal.vault"
        path.parent.mkdir()
        assert race(path, ["same"] * 4) == ["written"] * 4
        assert asyncio.run(accounts_in(path, "same")) == [f"account {racer}" for racer in range(4)]
        assert_nothing_else(path)
    tell(f"{races} races of 4 processes: one vault each, nothing lost")


@pytest.mark.parametrize("races", [1, LONG])
def test_of_processes_with_different_passphrases_one_wins(
    tmp_path: Path, tell: Callable[[str], None], races: int
) -> None:
    """The others learn that theirs is the wrong one, and harm nothing."""
    for number in range(races):
        path = tmp_path / str(number) / "journal.vault"
        path.parent.mkdir()
        passphrases = [f"passphrase {racer}" for racer in range(4)]
        results = race(path, passphrases)
        assert sorted(results) == [WrongPassphraseError.__name__] * 3 + ["written"]
        winner = results.index("written")
        assert asyncio.run(accounts_in(path, passphrases[winner])) == [f"account {winner}"]
        assert_nothing_else(path)
    tell(f"{races} races of 4 processes: one winner each")
