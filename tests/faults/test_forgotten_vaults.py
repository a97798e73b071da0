"""Open vaults that a program forgets: the garbage collector and their threads never use one connection at once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from workers.launch import started
from zorivest_async.database.sqlcipher.cipher import vault_uri
from zorivest_async.database.sqlcipher.process import connect, current
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_forgetting_open_vaults_does_not_crash(tmp_path: Path, kind: str) -> None:
    """The thread closes its connection though the collector finds the two together; SQLite crashes on both at once."""
    with started("forgetting", kind if kind == "memory" else tmp_path) as process:
        answer, errors = process.communicate(timeout=60)
    assert (process.returncode, answer) == (0, "done\n"), errors


def test_a_connection_that_is_collected_within_a_lock_does_not_wait_for_it(tmp_path: Path) -> None:
    """The collector runs wherever memory is taken, and so while its thread holds one of the library's locks."""
    path = tmp_path / "journal.vault"
    path.touch()
    lock = VaultLock(path)

    def collect(held: AbstractContextManager[object]) -> None:
        forgotten = [connect(vault_uri(path))]
        with held:
            forgotten.clear()
            lock.retain()
            lock.let_go()

    for held in (current().entering, current().opening, lock._counting):
        thread = threading.Thread(target=collect, args=(held,), daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    lock.let_go()
