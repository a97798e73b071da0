"""A WAL or a rollback journal whose vault was moved away: it harms no new vault, and nobody throws it away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from files import contents_of, names_in
from plaintext_journal import make_plaintext
from workers.launch import read_line, started
from workers.ledger import KEY, write_account
from zorivest_async import Vault, VaultError, create_encrypted_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio


async def open_new(path: Path) -> None:
    """Make a vault by opening it."""
    await (await Vault.open(path, key=KEY)).aclose()


async def connect_new(path: Path) -> None:
    """Make an encrypted file by connecting to it."""
    await (await create_encrypted_connection(path, "another")).close()


async def back_up(path: Path) -> None:
    """Make a vault by backing another up."""
    async with Vault.open(path.with_name("other.vault"), key=KEY) as vault:
        await vault.backup(path)


async def adopt(path: Path) -> None:
    """Make a vault out of a plaintext journal."""
    await Vault.adopt(await asyncio.to_thread(make_plaintext, path.with_name("plain.db")), path, key=KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A vault whose last commit is in its WAL, because its process was killed."""
    with started("life", "leave_wal", tmp_path / "journal.vault") as process:
        assert read_line(process) == "ready"
        process.kill()
    return tmp_path / "journal.vault"


@pytest.mark.parametrize("make", [open_new, connect_new, back_up, adopt])
async def test_an_orphaned_wal_is_refused_and_kept(path: Path, make: Callable[[Path], Awaitable[None]]) -> None:
    """Its commits are there again once its vault is back, and until then nothing gets the name."""
    wal = path.with_name("journal.vault-wal")
    await asyncio.to_thread(path.rename, path.with_name("moved.vault"))
    before = await contents_of(wal)
    with pytest.raises(VaultError, match=r"journal\.vault-wal contains changes") as caught:
        await make(path)
    assert type(caught.value) is VaultError
    assert path.name not in await names_in(path.parent)
    assert await contents_of(wal) == before
    await asyncio.to_thread(path.with_name("moved.vault").rename, path)
    async with Vault.open(path, key=KEY) as vault, vault.unit_of_work(read_only=True) as uow:
        assert await uow.settings.get("in the WAL")


@pytest.mark.parametrize("make", [open_new, back_up, adopt])
async def test_an_orphan_that_holds_nothing_is_no_obstacle(
    tmp_path: Path, make: Callable[[Path], Awaitable[None]]
) -> None:
    """SQLite overwrites an empty WAL, and the index of one, without reading them."""
    path = tmp_path / "journal.vault"
    for suffix in ("-wal", "-journal"):
        await asyncio.to_thread(path.with_name(path.name + suffix).touch)
    await asyncio.to_thread(path.with_name(f"{path.name}-shm").write_bytes, b"\xff" * 32_768)
    await make(path)
    async with Vault.open(path, key=KEY, create=False) as vault:
        await write_account(vault)
        assert (await vault.verify()).ok


@pytest.mark.parametrize("content", [b"", bytes(512)], ids=["empty", "zeros"])
async def test_a_spent_journal_does_not_outlive_the_next_opening(tmp_path: Path, content: bytes) -> None:
    """A rekey that is killed at the wrong moment leaves one, which would keep everybody from replacing the file."""
    path = tmp_path / "journal.vault"
    await open_new(path)
    await asyncio.to_thread(path.with_name("journal.vault-journal").write_bytes, content)
    await open_new(path)
    assert await names_in(tmp_path) == [path.name]


async def test_an_empty_journal_beside_an_open_vault_stays(tmp_path: Path) -> None:
    """Whoever opens the vault meanwhile cannot tell whose it is."""
    path = tmp_path / "journal.vault"
    async with Vault.open(path, key=KEY) as vault:
        await write_account(vault)
        await asyncio.to_thread(path.with_name("journal.vault-journal").touch)
        await open_new(path)
        assert "journal.vault-journal" in await names_in(tmp_path)
