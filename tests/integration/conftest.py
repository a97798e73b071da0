"""A file with one small table, an engine over it, and a count of the calls that go to its threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tables import count, create_table
from zorivest_async import KdfProfile, create_vault_engine
from zorivest_async.database.sqlcipher.driver import CipherConnection
from zorivest_async.security import Credentials
from zorivest_async.vault.file_format import create_file, new_vault_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture
def key(vault_path: Path) -> bytes:
    """The key of an encrypted file with one table."""
    made = new_vault_key(Credentials("passphrase"), KdfProfile.CHEAPEST)
    create_file(vault_path, made, create_table)
    return made.key


@pytest_asyncio.fixture
async def engine(vault_path: Path, key: bytes) -> AsyncIterator[AsyncEngine]:
    """A writing engine over the file, its one connection open."""
    made = create_vault_engine(vault_path, key)
    async with made.connect() as connection:
        await count(connection)
    yield made
    await made.dispose()


@pytest.fixture
def hand_offs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every call that goes to a connection's thread."""
    calls: list[str] = []
    original = CipherConnection.hand_over

    def count_and_hand_over(
        self: CipherConnection, function: Callable[[], object], interrupt: Callable[[], None] | None, *more: object
    ) -> object:
        calls.append("statement" if interrupt is not None else "finish")
        return original(self, function, interrupt, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(CipherConnection, "hand_over", count_and_hand_over)
    return calls
