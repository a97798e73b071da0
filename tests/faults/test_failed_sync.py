"""The sync of a commit fails: nothing can tell whether it is stored, so that is what is said, and writing ends."""

from __future__ import annotations

import asyncio
import platform
import sys
from typing import TYPE_CHECKING

import pytest

from workers.fail_syncs import TOGETHER, WAYS
from workers.launch import started
from workers.ledger import KEY
from workers.system_calls import MACHINES
from zorivest_async import Vault

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES, reason="system calls are filtered as on Linux"
)


async def stored(path: Path) -> list[str]:
    """Open what the dead process left, write to it, and return the settings that it had."""
    async with Vault.open(path, key=KEY, create=False) as vault, vault.unit_of_work() as uow:
        found = [setting.key for setting in await uow.settings.get_all()]
        await uow.settings.set("next", 1)
        await uow.commit()
        assert (await vault.verify()).ok
    return found


AFTERWARDS = [
    "third rolled_back",
    "put VaultError",
    "begin VaultError",
    "autocommit VaultError",
    "rekey VaultError",
    "look ok",
]
"""Nothing is written, by any door, and reading goes on."""


@pytest.mark.parametrize("error", ["EIO", "EDQUOT", "ENOSPC"])
@pytest.mark.parametrize(
    ("way", "said"),
    [
        *((way, ["second unknown", "put CommitOutcomeUnknownError"]) for way in WAYS),
        ("autocommit", ["autocommit OperationalError"]),  # a statement that commits by itself
        (
            "together",
            ["together CommitOutcomeUnknownError", "together unknown", "begun rolled_back", "begun VaultError"],
        ),
    ],
)
def test_a_commit_whose_sync_failed_is_unknown_and_the_last(
    vault_path: Path, way: str, said: list[str], error: str
) -> None:
    """The process dies, and the commit is there after all: also where there was no room for more."""
    with started("fail_syncs", vault_path, way, error) as process:
        lines = process.communicate(timeout=30)[0].splitlines()
    assert lines == ["zeroth committed", "put ok", "first committed", "put ok", *said, *AFTERWARDS]
    seconds = [f"second {number}" for number in range(TOGETHER)] if way == "together" else ["second"]
    assert asyncio.run(stored(vault_path)) == ["first", *seconds, "zeroth"]
