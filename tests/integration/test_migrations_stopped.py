"""Opening a vault that an older release wrote, for those who watch it, change their minds, or find it busy."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from files import contents_of, names_in
from journals import count_accounts, write_account
from later_release import REBUILD_TABLES, become, make_location
from workers.ledger import KEY
from zorivest_async import Progress, Vault, VaultBusyError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.security import VaultKey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PROMPT_S = 0.5
ENDLESS = """
    op.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
"""


@pytest_asyncio.fixture
async def old_vault(vault_path: Path) -> Path:
    """A closed vault of this release."""
    async with Vault.open(vault_path, key=KEY) as vault:
        await write_account(vault)
    return vault_path


async def open_and_count(path: Path) -> int:
    """Return how many accounts a vault has; it is closed again."""
    async with Vault.open(path, key=KEY) as vault:
        return await count_accounts(vault)


async def test_an_upgrade_tells_how_far_it_is(old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It copies, upgrades and verifies the copy, backs the old vault up, and gives the new one its name."""
    become(await asyncio.to_thread(make_location, tmp_path), monkeypatch)
    reports: list[Progress] = []
    await (await Vault.open(old_vault, key=KEY, progress=reports.append)).aclose()
    finished = [report.phase for report in reports if report.done == report.total]
    assert finished == ["copy", "upgrade", "verify", "copy", "verify", "publish", "publish"]


@pytest.mark.parametrize("phase", ["copy", "upgrade", "verify"])
async def test_a_cancelled_upgrade_leaves_the_vault_byte_for_byte(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    """And nothing beside it; the release that wrote it still opens it."""
    before, names = await contents_of(old_vault), await names_in(old_vault.parent)
    with monkeypatch.context() as patch:
        become(await asyncio.to_thread(make_location, tmp_path), patch)

        def cancel(report: Progress) -> None:
            if report.phase == phase:
                opening.cancel()

        opening = asyncio.ensure_future(Vault.open(old_vault, key=KEY, progress=cancel))
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert await contents_of(old_vault) == before
        assert await names_in(old_vault.parent) == sorted([*names, "later-release"])
    assert await open_and_count(old_vault) == 1


async def test_a_revision_that_takes_long_is_interrupted(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it does not wait for its end."""
    become(await asyncio.to_thread(make_location, tmp_path, REBUILD_TABLES, ENDLESS), monkeypatch)
    before, revising = await contents_of(old_vault), asyncio.Event()

    def look(report: Progress) -> None:
        if report.phase == "upgrade" and report.done < report.total:
            revising.set()

    opening = asyncio.ensure_future(Vault.open(old_vault, key=KEY, progress=look))
    await revising.wait()
    await asyncio.wait({opening}, timeout=0.3)
    assert not opening.done()
    asked = time.monotonic()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert time.monotonic() - asked < PROMPT_S
    assert await contents_of(old_vault) == before


async def test_a_vault_that_is_busy_is_opened_once_it_is_free(old_vault: Path) -> None:
    """As long as the busy timeout allows, which is longer than SQLite itself waits."""
    busy = await asyncio.to_thread(open_cipher, vault_uri(old_vault), VaultKey(KEY), ConnectionSettings())
    with closing(busy):
        await asyncio.to_thread(busy.execute, "PRAGMA locking_mode = EXCLUSIVE")
        await asyncio.to_thread(busy.execute, "UPDATE accounts SET name = 'changed'")
        with pytest.raises(VaultBusyError):
            await Vault.open(old_vault, key=KEY, busy_timeout_s=0.1)
        opening = asyncio.ensure_future(open_and_count(old_vault))
        await asyncio.wait({opening}, timeout=0.6)
        assert not opening.done()
    assert await opening == 1
