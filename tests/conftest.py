"""Fixtures for all tests: a fresh encrypted vault, and a detector that fails any test which blocks its event loop."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from blockbuster import BlockBuster, BlockBusterFunction, blockbuster_ctx
from sqlcipher3 import dbapi2 as sqlcipher

from zorivest_async import KdfProfile, Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PASSPHRASE = "correct horse battery staple"

DRIVER_CALLS = {
    sqlcipher.Connection: ("execute", "executemany", "executescript", "commit", "rollback"),
    sqlcipher.Cursor: ("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall"),
}


def pytest_configure() -> None:
    """Let Ctrl-C interrupt: a script's shell starts background jobs with SIGINT ignored, and children inherit it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """Fail a test whose event loop sleeps, touches a file, waits for a lock or calls SQLite."""
    with blockbuster_ctx() as detector:
        for cls, names in DRIVER_CALLS.items():
            for name in names:
                detector.functions[f"{cls.__name__}.{name}"] = BlockBusterFunction(cls, name)
                detector.functions[f"{cls.__name__}.{name}"].activate()
        for name in ("threading.Lock.acquire", "threading.Lock.acquire_lock"):
            detector.functions[name].can_block_in("coverage/collector.py", "lock_data")
        yield detector


@pytest.fixture
def vault_path(tmp_path: Path) -> Path:
    """A place for a vault, with nothing there yet."""
    return tmp_path / "journal.vault"


@pytest_asyncio.fixture
async def vault(vault_path: Path) -> AsyncIterator[Vault]:
    """A fresh vault in a real encrypted file, closed after the test."""
    async with Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as opened:
        yield opened
