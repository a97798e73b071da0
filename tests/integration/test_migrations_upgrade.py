"""Opening a vault that an older release wrote: it is upgraded, or exactly as it was."""

from __future__ import annotations

import asyncio
import errno
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlcipher3 import dbapi2 as sqlcipher

from factories import make_account, make_png, make_report, make_snapshot, make_trades
from files import contents_of, names_in
from later_release import FILL_A_TABLE, REBUILD_TABLES, VERSION, become, make_location, query
from workers.ledger import KEY
from zorivest_async import (
    ImageOwnerType,
    KdfProfile,
    Vault,
    VaultDamagedError,
    VaultError,
    VaultFullError,
    VaultInUseError,
    VaultUpgradeError,
    VaultVersionError,
)
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.tables import SCHEMA_VERSION
from zorivest_async.security import VaultKey
from zorivest_async.vault import maintenance, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from zorivest_async.database.sqlcipher.ddl import Schema

pytestmark = pytest.mark.asyncio

TRADES = make_trades(50)
REPORT = make_report(TRADES[0].exec_id)
VERSIONS = "PRAGMA user_version"
BACKUP = f".v{SCHEMA_VERSION}.backup"


async def make_old_vault(path: Path) -> None:
    """Make a vault of this release with something in every kind of place, and close it."""
    async with Vault.open(path, key=KEY, profile=KdfProfile.CHEAPEST) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save_many(TRADES)
        for _ in range(3):
            image_id = await uow.images.attach(ImageOwnerType.TRADE, TRADES[0].exec_id, make_png())
        await uow.images.delete(image_id)
        await uow.trade_reports.save(REPORT)
        await uow.balance_snapshots.save(make_snapshot())
        await uow.commit()


async def assert_complete(path: Path, **arguments: Any) -> None:
    """All of it is there, in a sound vault."""
    async with Vault.open(path, key=KEY, create=False, **arguments) as vault:
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.trades.list_all(limit=None) == TRADES[::-1]
            assert [image.data for image in await uow.images.get_for_trade(TRADES[0].exec_id)] == [make_png()] * 2
            assert await uow.trade_reports.get_for_trade(TRADES[0].exec_id) == REPORT
            assert await uow.balance_snapshots.get_latest("U1") == make_snapshot()
        assert (await vault.verify()).problems == ()


async def files_beside(vault: Path) -> list[str]:
    """Return what has been added to the vault's name in the names beside it, but for the lock and the revisions."""
    names = [name.removeprefix(vault.name) for name in await names_in(vault.parent)]
    return [name for name in names if name not in ("", ".lock", "later-release")]


async def version_of(path: Path) -> int:
    """Return the version of a vault's schema."""
    ((version,),) = await asyncio.to_thread(query, path, VaultKey(KEY), VERSIONS)
    assert isinstance(version, int)
    return version


@pytest_asyncio.fixture
async def old_vault(vault_path: Path) -> Path:
    """A closed vault of this release."""
    await make_old_vault(vault_path)
    return vault_path


@pytest_asyncio.fixture
async def later(old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The old vault, in a process that has become the later release."""
    become(await asyncio.to_thread(make_location, tmp_path), monkeypatch)
    return old_vault


async def test_an_older_vault_is_upgraded_when_it_is_opened(later: Path) -> None:
    """Its data are there under the new schema, and the old file beside it."""
    await assert_complete(later)
    assert await version_of(later) == VERSION
    assert await asyncio.to_thread(query, later, VaultKey(KEY), "SELECT name FROM venues") == [("SMART",)]
    assert await files_beside(later) == [BACKUP]


async def test_the_backup_opens_at_the_old_version(
    later: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same key, by the release that wrote it."""
    await assert_complete(later)
    monkeypatch.undo()
    with pytest.raises(VaultVersionError):
        await Vault.open(later, key=KEY)
    backup = tmp_path / f"{later.name}{BACKUP}"
    assert await version_of(backup) == SCHEMA_VERSION
    await assert_complete(backup)


async def test_a_backup_replaces_no_earlier_one(later: Path) -> None:
    """The name gets a number."""
    earlier = later.with_name(f"{later.name}{BACKUP}")
    await asyncio.to_thread(earlier.write_bytes, b"precious")
    await assert_complete(later)
    assert await contents_of(earlier) == b"precious"
    assert await version_of(later.with_name(f"{later.name}.v{SCHEMA_VERSION}-1.backup")) == SCHEMA_VERSION


async def test_row_numbers_go_on_after_a_table_was_rebuilt(later: Path) -> None:
    """A deleted image's number is not given again."""
    async with Vault.open(later, key=KEY) as vault, vault.unit_of_work() as uow:
        assert await uow.images.attach(ImageOwnerType.TRADE, TRADES[0].exec_id, make_png()) == 4


async def test_what_the_rebuilt_tables_promised_still_holds(later: Path) -> None:
    """Checks, foreign keys, indexes and triggers came along: deleting a trade still deletes its images."""
    key = VaultKey(KEY)
    schema = "SELECT name FROM sqlite_master WHERE type IN ('index', 'trigger') ORDER BY name"
    before = await asyncio.to_thread(query, later, key, schema)
    await assert_complete(later)
    assert set(before) <= set(await asyncio.to_thread(query, later, key, schema))
    ((trades,),) = await asyncio.to_thread(query, later, key, "SELECT sql FROM sqlite_master WHERE name = 'trades'")
    assert "ck_trades_action" in str(trades)
    assert "REFERENCES accounts" in str(trades)
    ((images,),) = await asyncio.to_thread(query, later, key, "SELECT sql FROM sqlite_master WHERE name = 'images'")
    assert "AUTOINCREMENT" in str(images)
    async with Vault.open(later, key=KEY) as vault, vault.unit_of_work() as uow:
        await (await uow.connection()).execute(text("DELETE FROM trade_reports"))
        await (await uow.connection()).execute(text("DELETE FROM trades"))
        assert await uow.images.get_for_trade(TRADES[0].exec_id) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (REBUILD_TABLES, 'op.execute("INSERT INTO nowhere VALUES (1)")'),
        (REBUILD_TABLES, 'raise RuntimeError("on purpose")'),
        (REBUILD_TABLES, "op.execute(\"DELETE FROM accounts\")"),
        (REBUILD_TABLES, "op.execute(\"INSERT INTO accounts SELECT * FROM accounts\")"),
        ("this is not Python", FILL_A_TABLE),
    ],
    ids=["statement", "exception", "broken references", "constraint", "syntax"],
)  # fmt: skip
async def test_an_upgrade_that_fails_leaves_the_vault_byte_for_byte(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """In its second revision, or when it is verified; nothing else is left either."""
    before = await contents_of(old_vault)
    with monkeypatch.context() as patch:
        become(await asyncio.to_thread(make_location, tmp_path, first, second), patch)
        with pytest.raises(VaultUpgradeError) as caught:
            await Vault.open(old_vault, key=KEY)
        assert caught.value.path == str(old_vault)
    assert await contents_of(old_vault) == before
    assert await files_beside(old_vault) == []
    await assert_complete(old_vault)


async def test_a_full_disk_leaves_the_vault_byte_for_byte(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is noticed: while a revision runs, or while a file is made."""
    before = await contents_of(later)
    full = sqlcipher.OperationalError("database or disk is full")
    full.sqlite_errorcode = 13

    def fail(*_arguments: object) -> None:
        raise full

    for name in ("_run_revisions", "_free_name"):
        with monkeypatch.context() as patch:
            patch.setattr(upgrade, name, fail)
            with pytest.raises(VaultFullError):
                await Vault.open(later, key=KEY)
    assert await contents_of(later) == before
    assert await files_beside(later) == []


async def test_a_backup_that_cannot_be_made_stops_the_upgrade(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no upgrade without one."""
    before = await contents_of(later)

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EACCES, "on purpose")

    monkeypatch.setattr(maintenance, "backup", refuse)
    with pytest.raises(VaultError, match="permission denied"):
        await Vault.open(later, key=KEY)
    assert await contents_of(later) == before
    assert await files_beside(later) == []


async def test_a_copy_that_does_not_verify_is_thrown_away(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault is as it was."""
    before = await contents_of(later)

    def find_fault(*_arguments: object) -> None:
        raise VaultDamagedError(later, "page 2 is bad")

    monkeypatch.setattr(maintenance, "require_sound", find_fault)
    with pytest.raises(VaultDamagedError, match="page 2 is bad"):
        await Vault.open(later, key=KEY)
    assert await contents_of(later) == before
    assert await files_beside(later) == []


async def test_what_was_broken_before_does_not_shut_its_owner_out(
    old_vault: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference that somebody broke by hand is upgraded as it is, and still found afterwards."""

    def break_reference() -> None:
        with closing(open_cipher(vault_uri(old_vault), VaultKey(KEY), ConnectionSettings())) as raw:
            raw.execute("PRAGMA foreign_keys = OFF")
            raw.execute("UPDATE balance_snapshots SET account_id = 'nobody'")

    await asyncio.to_thread(break_reference)
    become(await asyncio.to_thread(make_location, tmp_path), monkeypatch)
    async with Vault.open(old_vault, key=KEY) as vault:
        assert len((await vault.verify()).problems) == 1
    assert await version_of(old_vault) == VERSION


async def test_tasks_that_open_one_older_vault_upgrade_it_once(later: Path) -> None:
    """There is one backup, and all of them have the upgraded vault."""
    vaults = await asyncio.gather(*(Vault.open(later, key=KEY) for _ in range(4)))
    for vault in vaults:
        async with vault.unit_of_work(read_only=True) as uow:
            assert await uow.trades.list_all(limit=None) == TRADES[::-1]
        await vault.aclose()
    assert await version_of(later) == VERSION
    assert await files_beside(later) == [BACKUP]


async def test_a_vault_that_was_upgraded_meanwhile_is_left_alone(later: Path) -> None:
    """Whoever waited for the lock finds the work done."""
    await assert_complete(later)
    before = await contents_of(later)
    await asyncio.to_thread(upgrade.upgrade_file, later, VaultKey(KEY), VERSION)
    assert await contents_of(later) == before
    assert await files_beside(later) == [BACKUP]


async def test_several_vaults_are_upgraded_at_once(later: Path) -> None:
    """Alembic has one environment per process; they take turns with it."""
    others = [later.with_name(f"{number}.vault") for number in range(3)]
    for other in others:
        await asyncio.to_thread(other.write_bytes, await contents_of(later))
    await asyncio.gather(*(assert_complete(path) for path in (later, *others)))
    assert [await version_of(path) for path in (later, *others)] == [VERSION] * 4


async def test_a_vault_that_somebody_uses_is_not_replaced(later: Path) -> None:
    """Another program reads it: the upgrade waits for another time, and changes nothing."""
    reader = await asyncio.to_thread(open_cipher, vault_uri(later), VaultKey(KEY), ConnectionSettings(read_only=True))
    with closing(reader):
        with pytest.raises(VaultInUseError):
            await Vault.open(later, key=KEY, busy_timeout_s=0.1)
        assert await version_of(later) == SCHEMA_VERSION
    await assert_complete(later)


@pytest.mark.parametrize("spent", [b"", bytes(512)], ids=["empty", "zeros"])
async def test_a_spent_rollback_journal_is_nobody_at_work(later: Path, spent: bytes) -> None:
    """A change of the passphrase that was killed may leave one, and SQLite lets it lie."""
    await asyncio.to_thread(later.with_name(f"{later.name}-journal").write_bytes, spent)
    await assert_complete(later, busy_timeout_s=0.1)
    assert await version_of(later) == VERSION


async def test_a_write_during_an_upgrade_is_not_lost(later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not know the lock commits meanwhile: the upgrade gives up."""
    original = upgrade._run_revisions

    def write_meanwhile(raw: sqlcipher.Connection, path: Path, key: VaultKey, before: Schema, after: Schema) -> None:
        original(raw, path, key, before, after)
        with closing(open_cipher(vault_uri(later), VaultKey(KEY), ConnectionSettings())) as other:
            other.execute("UPDATE accounts SET name = 'changed'")

    monkeypatch.setattr(upgrade, "_run_revisions", write_meanwhile)
    with pytest.raises(VaultInUseError):
        await Vault.open(later, key=KEY, busy_timeout_s=0)
    assert await asyncio.to_thread(query, later, VaultKey(KEY), "SELECT name FROM accounts") == [("changed",)]
    assert await files_beside(later) == []


async def test_opening_upgrades_off_the_event_loop(later: Path) -> None:
    """Other tasks run meanwhile; the detector of this suite would report a blocking call."""
    turns = 0
    opening = asyncio.create_task(assert_complete(later))
    while not opening.done():
        await asyncio.sleep(0.001)
        turns += 1
    await opening
    assert turns > 20
