"""The system lacks or forbids something: at every door the error that says what, and never an untrue outcome."""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from special_files import is_root
from workers.launch import started
from workers.ledger import KEY
from workers.system_calls import MACHINES
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES, reason="system calls are filtered as on Linux"
)

USES = {"write", "read", "verify"}
WHOLE = {"backup", "rekey", "restore"}
OPENING = {"open", "create", "connect", "engine"}
ALL = USES | WHOLE | OPENING

EXPECTED: dict[str, list[tuple[set[str], str, str]]] = {
    "nothing": [],
    "size": [({"write"} | WHOLE, "VaultFullError", "would exceed the largest size")],
    "quota": [(ALL - {"read"}, "VaultFullError", "disk quota")],
    "full": [(ALL - {"read"}, "VaultFullError", "no space left")],
    "failing writes": [
        ({"write"}, "CommitOutcomeUnknownError", "disk failed"),
        (ALL - {"read", "write"}, "VaultError", "disk failed"),
    ],
    "failing reads": [(ALL - {"write"}, "VaultError", "disk failed")],
    "descriptors": [(ALL - {"read", "write"}, "VaultError", "too many files open")],
    "threads": [(ALL - {"read", "write"}, "VaultError", "no further thread")],
    "privileges": [(ALL - {"read", "write"}, "VaultError", "permission denied")],
    "read-only": [(ALL - {"read", "write"}, "VaultError", "mounted read-only")],
}
"""For each condition: what fails, the class of the error, and what it says. Everything else works."""

OUTCOMES = {"size": "rolled_back", "quota": "rolled_back", "full": "rolled_back", "failing writes": "unknown"}
"""Of a unit of work that cannot be written; elsewhere it is committed."""


def why_no_mounts() -> str | None:
    """Return why nothing can be mounted here, or ``None``."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)  # noqa: S607
    return None if tried.returncode == 0 else "this user may not mount a file system"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users reach, which pytest's own are not."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


async def keys_in(path: Path) -> list[str]:
    """Return the settings in a vault that a process left without closing it."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).ok
        async with vault.unit_of_work(read_only=True) as uow:
            return [setting.key for setting in await uow.settings.get_all()]


@pytest.mark.parametrize("condition", EXPECTED)
def test_each_door_says_what_the_system_lacks(folder: Path, condition: str) -> None:
    """The vault, as it is found by another process, is what the outcomes said; nothing unfinished is left."""
    prefix = list[str]()
    if condition == "read-only":
        if (why_not := why_no_mounts()) is not None:
            pytest.skip(why_not)
        prefix = ["unshare", "-m"]
    if condition == "privileges" and not is_root():
        pytest.skip("only root becomes another user")
    with started("scarce", condition, folder, prefix=prefix) as process:
        output, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    happened: dict[str, str] = json.loads(output)
    outcomes = {name: happened.pop(name) for name in list(happened) if name.startswith("outcome")}
    expected = {door: (kind, words) for doors, kind, words in EXPECTED[condition] for door in doors}
    wrong = {
        door: ending
        for door, ending in happened.items()
        if not (ending == "ok" if door not in expected else _is(ending, *expected[door]))
    }
    assert happened.keys() == ALL
    assert wrong == {}
    outcome = OUTCOMES.get(condition, "committed")
    assert outcomes == {
        "outcome of first": "committed",
        "outcome of second": "committed",
        "outcome of third": outcome,
    }
    assert said == ""
    if condition != "nothing":  # where the key is another one by now
        keys = asyncio.run(keys_in(folder / "journal.vault"))
        assert outcome == "unknown" or keys == ["first", "second"] + ["third"] * (outcome == "committed")
        made = {"copy.vault": "backup", "new.vault": "create", "notes.db": "connect", "restored.vault": "restore"}
        assert {name for name in made if (folder / name).exists()} == {
            name for name, door in made.items() if happened[door] == "ok"
        }
    if condition not in ("privileges", "read-only"):  # where what was begun can be removed
        assert [file.name for file in folder.iterdir() if file.name.startswith(".zorivest-")] == []


def _is(ending: str, kind: str, words: str) -> bool:
    return ending.startswith(f"{kind}: ") and words in ending and "create=True" not in ending


@pytest.mark.parametrize("seed", range(2))
def test_outcomes_are_true_where_there_is_little_room(tmp_path: Path, seed: int) -> None:
    """Whatever part of a commit is written before its files reach a limit; found by another process after the death."""
    path = tmp_path / "journal.vault"
    with started("little_room", path, seed, 30) as process:
        output, said = process.communicate(timeout=100)
    assert process.returncode == 0, said
    outcomes: dict[str, str] = json.loads(output)
    errors = {outcomes.pop(key) for key in list(outcomes) if key.startswith("error")}
    assert errors == {"VaultFullError"}
    found = {key for key in asyncio.run(keys_in(path)) if key in outcomes}
    known = {key for key, outcome in outcomes.items() if outcome != "unknown"}
    assert found & known == {key for key, outcome in outcomes.items() if outcome == "committed"}
