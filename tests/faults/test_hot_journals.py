"""Rollback journals beside a vault: its own is rolled back, and one that would blow the file up is not obeyed."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from workers.ledger import KEY
from workers.truth import fill, read_all
from zorivest_async import Vault, VaultError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import VaultKey
from zorivest_async.vault.file_format import read_salt

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

MAGIC = bytes.fromhex("d9d505f920a163d7")
"""https://sqlite.org/fileformat2.html#the_rollback_journal"""

PAGE_BYTES = 4096


def journal_of(path: Path) -> Path:
    """Return where SQLite keeps a rollback journal."""
    return path.with_name(f"{path.name}-journal")


async def open_and_check(path: Path) -> object:
    """Open a vault and check it."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        assert (await vault.verify()).ok
        return await read_all(vault)


async def restore_over(path: Path) -> None:
    """Restore a sound backup in the place of a vault, whose WAL is written back first."""
    await Vault.restore(path.with_name("backup"), path, key=KEY)


async def make_vault(path: Path) -> object:
    """Make a vault with something in every table, and return what can be read in it."""
    async with Vault.open(path, key=KEY) as vault:
        await fill(vault, 20, 9_000)
        async with vault.unit_of_work() as uow:
            await uow.settings.set("at the end of the file", "x" * 100_000)
            await uow.commit()
        return await read_all(vault)


async def open_through_link(path: Path) -> object:
    """Open a vault by a symbolic link: SQLite looks beside the file that it leads to."""
    return await open_and_check(path.with_name("link"))


@pytest.mark.parametrize("journal_is_link", [False, True])
@pytest.mark.parametrize(("pages", "page_bytes"), [(2**32 - 1, 4096), (2**31, 512), (200, 65_536)])
@pytest.mark.parametrize("use", [open_and_check, open_through_link, restore_over])
def test_a_journal_that_announces_a_larger_file_is_refused(
    use: Callable[[Path], Coroutine[Any, Any, object]],
    pages: int,
    page_bytes: int,
    vault_path: Path,
    *,
    journal_is_link: bool,
) -> None:
    """SQLite would make the vault that large, and whoever checks its pages would read terabytes of nothing."""
    asyncio.run(make_vault(vault_path))
    data = vault_path.read_bytes()
    shutil.copy(vault_path, vault_path.with_name("backup"))
    vault_path.with_name(f"{vault_path.name}-wal").write_bytes(bytes(100))
    header = MAGIC + struct.pack(">IIIII", 0, 7, pages, 512, page_bytes)
    vault_path.with_name("link").symlink_to(vault_path)
    journal = vault_path.with_name("elsewhere") if journal_is_link else journal_of(vault_path)
    journal.write_bytes(header.ljust(512, b"\0"))
    if journal_is_link:
        journal_of(vault_path).symlink_to(journal)
    with pytest.raises(VaultError, match="move it away"):
        asyncio.run(use(vault_path))
    assert vault_path.read_bytes() == data
    journal_of(vault_path).unlink()
    assert asyncio.run(open_and_check(vault_path))


GROW = "UPDATE images SET data = zeroblob(200000)"
CHANGE = "UPDATE settings SET value = replace(value, 'x', 'y')"


@pytest.mark.parametrize(("statement", "cut_off"), [(GROW, 0), (CHANGE, 3)], ids=["grown", "cut back"])
def test_the_vaults_own_journal_is_rolled_back(statement: str, cut_off: int, vault_path: Path, tmp_path: Path) -> None:
    """A program that switched the WAL off died in a transaction that made the file larger, or while it made it smaller.

    What is cut off a file stands in the journal by then.
    """
    truth = asyncio.run(make_vault(vault_path))
    died = tmp_path / "died" / vault_path.name
    died.parent.mkdir()
    key = VaultKey(KEY, read_salt(vault_path))
    with closing(open_cipher(vault_uri(vault_path), key, ConnectionSettings())) as raw:
        raw.execute("PRAGMA journal_mode = DELETE").fetchall()
        raw.execute("PRAGMA cache_size = 1")  # so that pages are written before the commit
        raw.execute("BEGIN IMMEDIATE")
        raw.execute(statement)
        raw.execute("UPDATE accounts SET notes = printf('%.*c', 100000, 'x')")
        raw.execute("SELECT count(*) FROM trades").fetchall()
        for file in (vault_path, journal_of(vault_path)):
            shutil.copy(file, died.parent)
        raw.execute("ROLLBACK")
    assert journal_of(died).read_bytes().startswith(MAGIC)
    if cut_off:
        os.truncate(died, vault_path.stat().st_size - cut_off * PAGE_BYTES)
    assert asyncio.run(open_and_check(died)) == truth
    assert not journal_of(died).exists()


@pytest.mark.parametrize("content", [b"", bytes(512), b"noise" * 200, MAGIC, MAGIC + bytes(20)])
def test_a_journal_that_announces_nothing_is_no_obstacle(content: bytes, vault_path: Path) -> None:
    """SQLite does not play it back."""
    truth = asyncio.run(make_vault(vault_path))
    journal_of(vault_path).write_bytes(content)
    assert asyncio.run(open_and_check(vault_path)) == truth
