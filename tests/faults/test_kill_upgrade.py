"""Killing a process that upgrades a vault: what it leaves is the old vault or the new one, complete."""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factories import make_account, make_trades
from first_release import API_KEY, PROVIDER, make_first_release_vault
from kept_vaults import COMPOSED, assert_as_written, copy_of
from later_release import VERSION, become, make_location, query
from workers.launch import KILLED, read_line, started
from workers.ledger import KEY
from zorivest_async import KdfProfile, Vault
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import Credentials, VaultKey
from zorivest_async.vault.file_format import derive_file_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

REPORTS = 500
VERSION_OF = "PRAGMA user_version"
TRADES = make_trades(2_000)
"""Enough that copying, rebuilding and verifying all take a while."""


USERS_OWN = (
    "CREATE TABLE my_log (x)",
    "CREATE TRIGGER my_trigger AFTER DELETE ON trades BEGIN INSERT INTO my_log VALUES (OLD.exec_id); END",
    "CREATE VIEW my_view AS SELECT exec_id, price FROM trades",
    "CREATE INDEX my_index ON trades (abs(price)) WHERE price > 1",
    "ALTER TABLE trades ADD COLUMN my_note TEXT COLLATE NOCASE",
    "UPDATE trades SET my_note = 'kept'",
)
MADE = "SELECT name FROM sqlite_master WHERE name LIKE 'my\\_%' ESCAPE '\\' ORDER BY name"


async def make_old_vault(path: Path) -> None:
    """Make a vault of this release, with what a user has made in it."""
    async with Vault.open(path, key=KEY, profile=KdfProfile.CHEAPEST) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account())
            await uow.trades.save_many(TRADES)
            await uow.commit()
        async with vault.engine.begin() as connection:
            for statement in USERS_OWN:
                await connection.exec_driver_sql(statement)


async def assert_complete(path: Path) -> None:
    """Every trade is there, and what the user has made, in a sound vault."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.trades.list_all(limit=None) == TRADES[::-1]
            connection = await uow.connection()
            names = (await connection.exec_driver_sql(MADE)).scalars().all()
            assert names == ["my_index", "my_log", "my_trigger", "my_view"]
            notes = await connection.exec_driver_sql("SELECT my_note, count(*) FROM trades GROUP BY my_note")
            assert [tuple(row) for row in notes] == [("kept", len(TRADES))]
        assert (await vault.verify()).problems == ()


def upgrade(path: Path, *options: object) -> float:
    """Upgrade a vault in a process of its own, and return how long it took."""
    with started("upgrade", path, *options) as process:
        assert read_line(process) == "ready"
        began = time.monotonic()
        assert read_line(process) == "open"
        return time.monotonic() - began


def upgrade_until_killed(life_s: float, path: Path, *options: object) -> None:
    """Upgrade a vault in a process that is killed after so long."""
    with started("upgrade", path, *options) as process:
        assert read_line(process) == "ready"
        time.sleep(life_s)
        process.kill()
        _, errors = process.communicate()
        assert process.returncode in (0, KILLED)
        assert errors == ""


def kill_again_and_again(
    folder: Path, kills: int, seed: int, patch: pytest.MonkeyPatch, report: Callable[[str], None]
) -> None:
    """Kill upgrades at random moments, then look at what each left, and let it be upgraded to the end."""
    chance = random.Random(seed)
    original, location = folder / "original.vault", make_location(folder)
    asyncio.run(make_old_vault(original))
    whole_upgrade_s = upgrade(Path(shutil.copy(original, folder / "whole.vault")), "--location", location)
    found = {SCHEMA_VERSION: 0, VERSION: 0}
    become(location, patch)
    for kill in range(kills):
        path = folder / str(kill) / "journal.vault"
        path.parent.mkdir()
        shutil.copy(original, path)
        upgrade_until_killed(chance.uniform(0, 1.2 * whole_upgrade_s), path, "--location", location)
        ((version,),) = query(path, VaultKey(KEY), "PRAGMA user_version")
        assert version in found
        found[version] += 1
        if version == SCHEMA_VERSION:
            assert path.read_bytes() == original.read_bytes()
        else:
            backup = path.with_name(f"{path.name}.v{SCHEMA_VERSION}.backup")
            assert query(backup, VaultKey(KEY), "SELECT count(*) FROM trades") == [(len(TRADES),)]
        asyncio.run(assert_complete(path))
    old, new = found.values()
    report(f"{kills} kills within {whole_upgrade_s:.2f} s: {old} old vaults, {new} new ones, 0 torn")


def test_a_killed_upgrade_leaves_the_old_vault_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    """The old one byte for byte; either is complete, and opening it again finishes the job."""
    kill_again_and_again(tmp_path, 10, 1, monkeypatch, tell)


def kill_upgrades_of(
    original: Path, key: bytes, kills: int, seed: int, check: Callable[[Path], Coroutine[Any, Any, None]]
) -> dict[int, int]:
    """Kill upgrades to this release, look at what each left, finish it, and return how many vaults of each version."""
    chance = random.Random(seed)
    options = ("--key", key.hex())
    whole_upgrade_s = upgrade(Path(shutil.copy(original, original.with_name("whole.vault"))), *options)
    ((old_version,),) = query(original, VaultKey(key), VERSION_OF)
    assert isinstance(old_version, int)
    found = {old_version: 0, SCHEMA_VERSION: 0}
    for kill in range(kills):
        path = original.parent / str(kill) / "journal.vault"
        path.parent.mkdir()
        shutil.copy(original, path)
        upgrade_until_killed(chance.uniform(0.3, 1.2) * whole_upgrade_s, path, *options)
        ((version,),) = query(path, VaultKey(key), VERSION_OF)
        assert isinstance(version, int)
        found[version] += 1
        if version == old_version:
            assert path.read_bytes() == original.read_bytes()
        asyncio.run(check(path))
    return found


def make_original(folder: Path, version: int) -> tuple[Path, bytes, Callable[[Path], Coroutine[Any, Any, None]]]:
    """Make a vault of an earlier version, and return it with its key and how to check it."""
    if version == 1:
        path = folder / "original.vault"
        make_first_release_vault(path, KEY, REPORTS)
        return path, KEY, assert_searchable
    path = copy_of(f"revision-{version}-default.vault", folder)
    return path, derive_file_key(path, Credentials(COMPOSED)).key, assert_kept


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_killed_upgrade_of_a_vault_of_an_earlier_version(
    tmp_path: Path, version: int, tell: Callable[[str], None]
) -> None:
    """The revisions of this release: it is the old vault, byte for byte, or has all that the new version has."""
    original, key, check = make_original(tmp_path, version)
    tell(f"4 kills of an upgrade from version {version}: {kill_upgrades_of(original, key, 4, 3, check)}, 0 torn")


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_upgrade_from_an_earlier_version_killed_50_times(
    tmp_path: Path, version: int, tell: Callable[[str], None]
) -> None:
    """The same, fifty times."""
    original, key, check = make_original(tmp_path, version)
    tell(f"50 kills of an upgrade from version {version}: {kill_upgrades_of(original, key, 50, 4, check)}, 0 torn")


async def assert_kept(path: Path) -> None:
    """Every row of a kept vault is there, its API keys and images among them, in a sound vault."""
    async with Vault.open(path, passphrase=COMPOSED, create=False) as vault:
        await assert_as_written(vault)


async def assert_searchable(path: Path) -> None:
    """Every report is found and the API key revealed, in a sound vault."""
    async with Vault.open(path, key=KEY, create=False) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            assert len(await uow.search.find("zulu", limit=None)) == REPORTS
            assert await uow.market_provider_settings.reveal_api_key(PROVIDER) == API_KEY
        assert (await vault.verify()).problems == ()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_an_upgrade_killed_50_times_leaves_the_old_vault_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    """The same, fifty times."""
    kill_again_and_again(tmp_path, 50, 2, monkeypatch, tell)
