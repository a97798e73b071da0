"""A damaged vault that is open: what verifying it says, and what changing its passphrase and backing it up do."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from files import contents_of, names_in
from stores import file_store
from workers.ledger import KEY
from workers.truth import fill, read_all
from zorivest_async import KdfProfile, Progress, Vault, VaultBusyError, VaultDamagedError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.long_operation import Operation
from zorivest_async.vault.verifying import verify

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.security import VaultKey

pytestmark = pytest.mark.asyncio

PAGE_BYTES = 4096

FLIP = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek((int(sys.argv[2]) - 1) * 4096 + 1000)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))
"""
"""Damages a page or, the second time, mends it; in a process of its own, as closing the file drops SQLite's locks."""


async def flip(path: Path, page: int) -> None:
    """Damage a page, or mend it."""
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", FLIP, str(path), str(page)], check=True)


async def make(path: Path) -> dict[str, int]:
    """Make a vault with rows in every table; return the root pages of its tables and indexes, by their names."""
    async with Vault.open(path, key=KEY) as vault:
        await fill(vault, 20, 9_000)
        return await asyncio.to_thread(root_pages, path, file_store(vault)._key)


def root_pages(path: Path, key: VaultKey) -> dict[str, int]:
    """Return them."""
    with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
        return dict(raw.execute("SELECT name, rootpage FROM sqlite_master").fetchall())


def change(path: Path, key: VaultKey, *statements: str) -> None:
    """Change a vault as its own code never would."""
    with closing(open_cipher(vault_uri(path), key, ConnectionSettings())) as raw:
        for statement in statements:
            raw.execute(statement)


@pytest.mark.parametrize("table", ["accounts", "trades", "images", "settings", "sqlite_autoindex_trades_1"])
async def test_sound_pages_are_not_called_broken(vault_path: Path, table: str) -> None:
    """One page is damaged: it is named, the checks that meet it say so, and there is a line for each of that."""
    page = (await make(vault_path))[table]
    await flip(vault_path, page)
    async with Vault.open(vault_path, key=KEY) as vault:
        first, *others = (await vault.verify()).problems
    assert first.endswith(f"failed for page {page}")
    assert others
    for problem in others:
        assert re.match("the check of (structure|references|the search index) could not continue: ", problem)
        assert len(problem.splitlines()) == 1


async def test_each_problem_of_the_structure_is_a_line(vault_path: Path) -> None:
    """SQLite tells several in one block, under a heading, which is none of them."""
    await make(vault_path)
    async with Vault.open(vault_path, key=KEY) as vault:
        statements = [f"CREATE TABLE extra_{number} (x)" for number in range(3)]
        forget = "DELETE FROM sqlite_master WHERE name LIKE 'extra%'"
        key = file_store(vault)._key
        await asyncio.to_thread(change, vault_path, key, *statements, "PRAGMA writable_schema = ON", forget)
        report = await vault.verify()
    assert len(report.problems) == 3
    for problem in report.problems:
        assert re.fullmatch(r"Page \d+: never used", problem)


async def test_a_vault_that_another_holds_is_not_called_damaged(vault_path: Path) -> None:
    """The error says that it is busy; when the other has gone, nothing is wrong."""
    await make(vault_path)
    async with Vault.open(vault_path, key=KEY) as vault:
        raw = await asyncio.to_thread(open_cipher, vault_uri(vault_path), file_store(vault)._key, ConnectionSettings())
        for statement in ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = DELETE", "BEGIN EXCLUSIVE"):
            await asyncio.to_thread(raw.execute, statement)
        with pytest.raises(VaultBusyError):
            await vault.verify()
        await asyncio.to_thread(raw.close)
        assert (await vault.verify()).ok


async def test_a_vault_in_memory_that_is_written_to_is_not_called_damaged() -> None:
    """It has no WAL, so it is busy until the writer is done."""
    async with Vault.in_memory() as vault:
        async with vault.unit_of_work() as uow:
            await uow.settings.set("before", value=True)
            with pytest.raises(VaultBusyError):
                await vault.verify()
            await uow.commit()
        assert (await vault.verify()).ok


async def test_a_check_that_another_stops_is_not_a_finding(vault_path: Path) -> None:
    """Whoever takes a vault for himself between two checks, which only a program without its lock can, is an error."""
    await make(vault_path)
    async with Vault.open(vault_path, key=KEY) as vault:
        key = file_store(vault)._key
    connect = partial(open_cipher, vault_uri(vault_path), key, ConnectionSettings(journal_mode="MEMORY"))
    reports: list[Progress] = []

    def check() -> None:
        with closing(connect()) as other:

            def report(progress: Progress) -> None:
                reports.append(progress)
                if progress == Progress("structure", 0, progress.total):
                    other.execute("BEGIN EXCLUSIVE")

            verify(connect, vault_path, Operation(report))

    with pytest.raises(VaultBusyError, match="another writer held"):
        await asyncio.to_thread(check)
    assert reports[-1].phase == "structure"


@pytest.mark.parametrize("operation", ["backup", "rekey"])
@pytest.mark.parametrize("table", [None, "sqlite_sequence", "accounts", "trades", "images"])
async def test_a_damaged_vault_is_neither_copied_nor_changed(
    vault_path: Path, tmp_path: Path, operation: str, table: str | None
) -> None:
    """Whichever page of it is damaged, the first too: with that page mended, it is the vault that it was."""
    roots = await make(vault_path)
    page = roots[table] if table is not None else 1
    async with Vault.open(vault_path, key=KEY) as vault:
        truth = await read_all(vault)
    async with Vault.open(vault_path, key=KEY) as vault:
        await flip(vault_path, page)
        before = await contents_of(vault_path)
        copying = (
            vault.rekey("another passphrase", profile=KdfProfile.CHEAPEST)
            if operation == "rekey"
            else vault.backup(tmp_path / "copy.vault")
        )
        with pytest.raises(VaultDamagedError, match=r"journal\.vault: the vault is damaged"):
            await copying
    assert await names_in(tmp_path) == [vault_path.name]
    after = await contents_of(vault_path)
    assert after[PAGE_BYTES:] == before[PAGE_BYTES:]
    await flip(vault_path, page)
    async with Vault.open(vault_path, key=KEY, create=False) as vault:
        assert await read_all(vault) == truth
        assert (await vault.verify()).ok
