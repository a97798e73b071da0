"""Whatever commits, the WAL is synced before the answer: system calls are recorded, door by door."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from faults.test_power_loss import image_of, make_vault
from workers.disk import record, why_not
from workers.sync_doors import DOORS

if TYPE_CHECKING:
    from pathlib import Path

    from workers.disk import Call

UNTRACEABLE = why_not()
REQUIRED = os.environ.get("ZORIVEST_STRACE") == "required"

pytestmark = pytest.mark.skipif(UNTRACEABLE is not None and not REQUIRED, reason=str(UNTRACEABLE))


def unsynced(calls: list[Call]) -> dict[str, str]:
    """Return the doors that wrote nothing, or answered before all that they wrote to a WAL was synced."""
    names = {call.node: call.name[1] for call in calls if call.kind == "name"}
    written, synced = dict[int, int](), dict[int, int]()
    found, begun = dict[str, str](), 0
    for index, call in enumerate(calls):
        if call.kind == "write" and names.get(call.node, "").endswith("-wal"):
            written[call.node] = index
        elif call.kind == "sync":
            synced[call.node] = max(call.begun, synced.get(call.node, -1))
        elif call.kind == "say":
            word, _, door = call.data.decode().strip().partition(" ")
            if word == "begin":
                begun = index
            elif word == "end" and max(written.values(), default=-1) < begun:
                found.setdefault(door, "wrote nothing")
            elif word == "end" and any(last > synced.get(node, -1) for node, last in written.items()):
                found[door] = "answered too early"
    return found


def test_a_sync_of_the_wal_comes_before_every_answer(tmp_path: Path) -> None:
    """By whichever door, and the connection is at FULL afterwards."""
    assert UNTRACEABLE is None, UNTRACEABLE
    folder = tmp_path / "recorded"
    folder.mkdir()
    asyncio.run(make_vault(folder / "journal.vault"))
    calls = record(tmp_path / "trace", folder, image_of(folder), "sync_doors", folder / "journal.vault")
    said = [call.data.decode().strip() for call in calls if call.kind == "say"]
    assert said.count("level 2") == len(DOORS)
    assert said[-1] == "end encrypted_connection"
    assert unsynced(calls) == {}
