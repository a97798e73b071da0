"""Processes that fork: a child inherits nothing, hangs on nothing, and takes nothing from its parent."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from workers.launch import command, environment, started
from workers.ledger import KEY
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORKED = "VaultForkedError"


def run(scenario: str, folder: Path, *arguments: object, timeout_s: float = 50) -> tuple[dict[str, str], str]:
    """Run a scenario in a process of its own; return what it found, and what it said otherwise."""
    finished = subprocess.run(
        [sys.executable, "-W", "error", *command("forking", scenario, folder, *arguments)[1:]],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    (line,) = finished.stdout.splitlines()
    return json.loads(line), finished.stderr


@pytest.mark.parametrize("scenario", ["inherited", "inherited-loop"])
def test_a_child_inherits_nothing(tmp_path: Path, scenario: str) -> None:
    """Whatever was opened before the fork raises at once, in a loop of the child's as in the one that it inherited."""
    found, said = run(scenario, tmp_path)
    own = ("opening a file that is new", "opening a file of one's own")
    assert {name: found.pop(name) for name in own} == dict.fromkeys(own, "done")
    assert found.pop("child ended with") == "0"
    assert found.pop("journal.vault") == "after before under way"
    assert found.pop("child.vault") == "child"
    assert found == dict.fromkeys(found, FORKED)
    assert len(found) == 29
    lines = [line for line in said.splitlines() if not line.startswith(("Task was destroyed", "task: "))]
    assert lines == [], "the child said something that is not asyncio's own, about a task of its parent's"


def test_a_child_that_goes_on_in_the_block_of_a_unit_of_work_changes_nothing(tmp_path: Path) -> None:
    """Its statements, its commit and its leaving raise; the parent commits what it wrote."""
    assert run("within", tmp_path)[0] == {
        "statement": FORKED,
        "commit": FORKED,
        "leaving": FORKED,
        "outcome": "open",
        "same file": FORKED,
        "other file": "done",
        "parent": "committed",
        "journal.vault": "before under way",
    }


def test_a_child_works_whatever_other_threads_did_at_the_fork(tmp_path: Path) -> None:
    """Deriving a key, opening and closing files, and a statement without end hold locks; the child needs none."""
    found, said = run("in-thread", tmp_path)
    assert found == {
        "read.vault": FORKED,
        "other": "done",
        "child ended with": "0",
        "a.vault": "child",
        "b.vault": "child",
    }
    assert said == ""


def test_a_grandchild_inherits_nothing_either(tmp_path: Path) -> None:
    """SQLite's table of open files goes from generation to generation."""
    found, _ = run("grandchild", tmp_path)
    assert found == {"same": FORKED, "other": "done", "child ended with": "0", "parent": "done"}


def test_a_child_keeps_nothing_from_others(tmp_path: Path) -> None:
    """It outlives its parent's vault and collects what it inherited, and yet the next one gets the lock alone."""
    found, said = run("outlived", tmp_path)
    assert found == {"rekey": "done", "child ended with": "0"}
    assert said == ""


@pytest.mark.parametrize(
    "forks", [pytest.param(8), pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_forks_at_random_times_leave_parent_and_child_exact(
    tmp_path: Path, forks: int, tell: Callable[[str], None]
) -> None:
    """A busy parent loses no commit, and no child hangs, finds anything but its own file, or opens its parent's."""
    found, said = run("busy", tmp_path, forks, timeout_s=800)
    tell(f"{forks} forks, {found.pop('commits')} commits of the parent")
    assert found == {
        "inherited": FORKED,
        "same": FORKED,
        "other": "done",
        "found": "child",
        "child ended with": "0",
        "parent": "exact",
    }
    assert said == ""


def _write_in_another_process(path: str) -> str:
    async def write() -> str:
        async with Vault.open(path, key=KEY) as vault, vault.unit_of_work() as uow:
            await uow.settings.set("spawned", value=True)
            await uow.commit()
            return uow.outcome

    return asyncio.run(write())


@pytest.mark.asyncio
async def test_a_spawned_process_shares_the_file(tmp_path: Path) -> None:
    """It inherits nothing, so it opens what its parent has open, as any other process does."""
    path = tmp_path / "journal.vault"
    async with Vault.open(path, key=KEY) as vault:

        def spawn() -> Any:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return pool.apply(_write_in_another_process, (str(path),))

        assert await asyncio.to_thread(spawn) == "committed"
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.settings.get("spawned")


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are listed as on Linux")
def test_a_fork_while_commits_wait_for_a_sync_takes_nothing_from_them(vault_path: Path) -> None:
    """The parent acknowledges them; the child cannot know, and closes the descriptor that they are synced through."""
    with started("fork_syncing", vault_path) as process:
        printed, errors = process.communicate(timeout=50)
    assert errors == ""
    assert json.loads(printed) == {
        "WALs": 2,
        "waiting": ["unknown"] * 3,
        "child": {"WALs": 1, "waiting": ["unknown"] * 3},
        "afterwards": ["committed"] * 3,
        "WALs at the end": 0,
    }
