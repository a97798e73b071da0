"""Restoring: what is put in a vault's place, what it must not be mixed with, and what is refused."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from files import contents_of, names_in
from workers.launch import read_line, started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import (
    ConfigurationError,
    NotAVaultError,
    NotEncryptedError,
    Progress,
    Vault,
    VaultDamagedError,
    VaultInUseError,
    VaultNotFoundError,
    WrongPassphraseError,
    create_vault_engine,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

OTHER_KEY = bytes(32)
IMAGE_BYTES = 30_000


async def write(path: Path, *units: int, key: bytes = KEY) -> None:
    """Write units into a vault, and close it."""
    async with Vault.open(path, key=key) as vault:
        await write_account(vault)
        for unit in units:
            async with vault.unit_of_work() as uow:
                await write_unit(uow, unit, IMAGE_BYTES)
                await uow.commit()


async def units_in(path: Path, key: bytes = KEY) -> list[int]:
    """Return the units in a sound vault."""
    async with Vault.open(path, key=key, create=False) as vault:
        assert (await vault.verify()).problems == ()
        return await present_units(vault, IMAGE_BYTES)


async def leave_wal(path: Path) -> None:
    """Have a killed process leave a commit in the WAL of a vault."""

    def run() -> None:
        with started("life", "leave_wal", path) as process:
            assert read_line(process) == "ready"
            process.kill()
            process.wait()

    await asyncio.to_thread(run)


async def has_left_wal(path: Path) -> bool:
    """Return whether the commit of the killed process is in a vault."""
    async with Vault.open(path, key=KEY, create=False) as vault, vault.unit_of_work(read_only=True) as uow:
        return bool(await uow.settings.get("in the WAL"))


async def snapshot(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder."""
    return {name: await contents_of(folder / name) for name in await names_in(folder)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the vault is, or will be."""
    return tmp_path / "journal.vault"


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another folder."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest_asyncio.fixture
async def backup(elsewhere: Path, tmp_path: Path) -> Path:
    """A backup with units 1 and 2, alone in its folder."""
    source, made = elsewhere / "source", tmp_path / "backups" / "monday"
    await asyncio.to_thread(made.parent.mkdir)
    await write(source, 1, 2)
    async with Vault.open(source, key=KEY) as vault:
        await vault.backup(made)
    return made


async def test_a_backup_is_restored_where_nothing_is(path: Path, backup: Path) -> None:
    """The vault is complete, its owner's alone, and the backup and its folder are as they were."""
    before = await snapshot(backup.parent)
    await Vault.restore(backup, path, key=KEY)
    assert await snapshot(backup.parent) == before
    assert await names_in(path.parent) == ["backups", path.name]
    assert await units_in(path) == [1, 2]
    if sys.platform != "win32":
        assert (await asyncio.to_thread(path.stat)).st_mode & 0o777 == 0o600


async def test_a_backup_replaces_a_vault(path: Path, backup: Path) -> None:
    """Whatever its key was; its own contents are gone, and it can be written to."""
    await write(path, 3, key=OTHER_KEY)
    await Vault.restore(backup, path, key=KEY)
    assert await units_in(path) == [1, 2]
    await write(path, 4)
    assert await units_in(path) == [1, 2, 4]
    with pytest.raises(WrongPassphraseError):
        await Vault.open(path, key=OTHER_KEY)


async def test_a_foreign_wal_does_not_reach_the_new_vault(path: Path, backup: Path) -> None:
    """Neither that of the vault that was there, nor that of a third one, nor one where no vault is."""
    await leave_wal(path)
    assert (await asyncio.to_thread(path.with_name("journal.vault-wal").stat)).st_size > 0
    await Vault.restore(backup, path, key=KEY)
    assert await units_in(path) == [1, 2]
    third = path.with_name("third.vault")
    await leave_wal(third)
    for suffix in ("-wal", "-shm"):
        await asyncio.to_thread(shutil.copy, f"{third}{suffix}", f"{path}{suffix}")
    await Vault.restore(backup, path, key=KEY)
    assert await units_in(path) == [1, 2]
    for suffix in ("-wal", "-shm"):
        await asyncio.to_thread(shutil.copy, f"{third}{suffix}", f"{path}{suffix}")
    await asyncio.to_thread(path.unlink)
    await Vault.restore(backup, path, key=KEY)
    assert await units_in(path) == [1, 2]


async def test_a_restore_that_fails_leaves_the_old_vault_with_its_wal(path: Path, backup: Path) -> None:
    """What was committed and not yet written back is there; of the attempt, nothing is."""
    await write(path, 3)
    await leave_wal(path)
    with pytest.raises(WrongPassphraseError):
        await Vault.restore(backup, path, key=OTHER_KEY)

    def refuse(report: Progress) -> None:
        if report.phase == "verify":
            raise KeyError

    with pytest.raises(KeyError):
        await Vault.restore(backup, path, key=KEY, progress=refuse)
    assert not [name for name in await names_in(path.parent) if name.startswith(".")]
    assert await has_left_wal(path)


async def test_a_backup_is_restored_with_its_wal(path: Path, tmp_path: Path) -> None:
    """A vault copied together with its WAL is a backup too, and neither file changes."""
    source = tmp_path / "copied" / "source"
    await asyncio.to_thread(source.parent.mkdir)
    await leave_wal(source)
    database, wal = await contents_of(source), await contents_of(source.with_name("source-wal"))
    await Vault.restore(source, path, key=KEY)
    assert await contents_of(source) == database
    assert await contents_of(source.with_name("source-wal")) == wal
    assert await has_left_wal(path)


async def test_an_open_vault_can_be_restored_elsewhere(path: Path, backup: Path) -> None:
    """It is read as any other connection reads it, with what it committed last."""
    async with Vault.open(backup, key=KEY) as vault:
        async with vault.unit_of_work() as uow:
            await write_unit(uow, 5, IMAGE_BYTES)
            await uow.commit()
        await Vault.restore(backup, path, key=KEY)
    assert await units_in(path) == [1, 2, 5]


async def test_a_vault_that_somebody_has_open_is_not_replaced(path: Path, backup: Path) -> None:
    """Neither one that knows the lock nor one that does not loses what it is about to write."""
    async with Vault.open(path, key=KEY) as vault:
        with pytest.raises(VaultInUseError):
            await Vault.restore(backup, path, key=KEY)
        await write_account(vault)
    engine = create_vault_engine(path, KEY)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE accounts SET name = 'before'")
    with pytest.raises(VaultInUseError):
        await Vault.restore(backup, path, key=KEY)
    await engine.dispose()
    async with Vault.open(path, key=KEY) as vault, vault.unit_of_work() as uow:
        assert (await uow.accounts.get_one("U1")).name == "before"


async def test_a_damaged_backup_is_not_restored_unless_all_rows_are_whole(path: Path, backup: Path) -> None:
    """With a bit flipped on any page, or the end cut off: damage to indexes alone is healed, as these are made anew."""
    await write(path, 3)
    whole = await contents_of(backup)
    healed = []
    for position in range(100, len(whole), 4096):
        data = bytearray(whole)
        data[position] ^= 0x10
        await asyncio.to_thread(backup.write_bytes, data)
        try:
            await Vault.restore(backup, path, key=KEY)
        except VaultDamagedError:
            continue
        healed.append(position)
        assert await units_in(path) == [1, 2]
    assert len(healed) < len(whole) // 4096 // 2
    await asyncio.to_thread(backup.write_bytes, whole[: -4 * 4096])
    with pytest.raises(VaultDamagedError):
        await Vault.restore(backup, path, key=KEY)
    assert not [name for name in await names_in(path.parent) if name.startswith(".")]


async def test_a_damaged_vault_is_replaced(path: Path, backup: Path) -> None:
    """That is what backups are for."""
    for contents in (b"", b"x" * 10_000, bytes(4096)):
        await asyncio.to_thread(path.write_bytes, contents)
        await Vault.restore(backup, path, key=KEY)
        assert await units_in(path) == [1, 2]


async def test_what_makes_no_sense_is_refused(path: Path, backup: Path, tmp_path: Path) -> None:
    """One error each, and nothing is made."""
    plaintext = tmp_path / "plaintext"
    await asyncio.to_thread(plaintext.write_bytes, b"SQLite format 3\0" + bytes(8192))
    before = await names_in(tmp_path)
    with pytest.raises(ConfigurationError, match="same file"):
        await Vault.restore(backup, backup, key=KEY)
    with pytest.raises(ConfigurationError, match="exactly one"):
        await Vault.restore(backup, path)
    with pytest.raises(NotAVaultError, match="directory"):
        await Vault.restore(backup, backup.parent, key=KEY)
    with pytest.raises(VaultNotFoundError):
        await Vault.restore(tmp_path / "missing", path, key=KEY)
    with pytest.raises(VaultNotFoundError, match="parent directory"):
        await Vault.restore(backup, tmp_path / "nowhere" / "journal.vault", key=KEY)
    with pytest.raises(NotEncryptedError):
        await Vault.restore(plaintext, path, key=KEY)
    assert await names_in(tmp_path) == before
