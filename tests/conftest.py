"""Fixtures for all tests: a fresh encrypted vault, and a detector that fails any test which blocks its event loop."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from blockbuster import BlockBuster, BlockBusterFunction, blockbuster_ctx
from sqlcipher3 import dbapi2 as sqlcipher

from journal_databases import JournalDatabase, journal_database_on
from servers import EMBEDDED, SYSTEM, Cluster, database_of, run_folder, shared_server
from zorivest_async import KdfProfile, Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PASSPHRASE = "correct horse battery staple"

DRIVER_CALLS = {
    sqlcipher.Connection: ("execute", "executemany", "executescript", "commit", "rollback"),
    sqlcipher.Cursor: ("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C interrupt, and make a folder for servers.

    A script's shell starts background jobs with SIGINT ignored, and children inherit it.
    """
    servers = ExitStack()
    servers.enter_context(run_folder())
    config.add_cleanup(servers.close)
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


@pytest.fixture(scope="session")
def postgresql_server() -> Cluster:
    """The PostgreSQL server that all processes of the test run share."""
    return shared_server(EMBEDDED)


@pytest.fixture(scope="session", params=[EMBEDDED, SYSTEM])
def any_postgresql_server(request: pytest.FixtureRequest) -> Cluster:
    """Each version of PostgreSQL that is installed, for what may differ between versions."""
    return shared_server(request.param)


@pytest.fixture
def empty_database(postgresql_server: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The superuser's URL of an empty database, dropped after the test; tests share others, as these are slow."""
    with database_of(postgresql_server, f"{request.node.originalname} {os.getpid()}"[-63:]) as url:
        yield url


@pytest.fixture(scope="session")
def journal_database(postgresql_server: Cluster) -> Iterator[JournalDatabase]:
    """A database with the schema of journals, which the tests of a process share: each has journals of its own."""
    with journal_database_on(postgresql_server) as made:
        yield made


@pytest.fixture(scope="session")
def any_journal_database(any_postgresql_server: Cluster) -> Iterator[JournalDatabase]:
    """The same on each version of PostgreSQL that is installed."""
    with journal_database_on(any_postgresql_server) as made:
        yield made
