"""Copies of a vault: made where they were asked for, equal to their source, and refused where they are not."""

from __future__ import annotations

import asyncio
import os
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from first_release import make_first_release_vault
from workers.launch import read_line, started
from workers.ledger import KEY, present_units, write_account, write_unit
from zorivest_async import KdfProfile, Vault, VaultDamagedError, VaultError, VaultInUseError
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings, open_cipher, vault_uri
from zorivest_async.database.sqlcipher.long_operation import Operation, Progress
from zorivest_async.errors import VaultUpgradeError
from zorivest_async.security import Credentials, VaultKey, new_salt
from zorivest_async.vault import copying, maintenance, restoring, upgrade
from zorivest_async.vault.file_format import create_file, create_schema, derive_file_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE_BYTES = 20_000
PASSPHRASE = "old"

ODD_NAMES = [
    "file:",
    "file:///etc",
    "a?mode=memory",
    "a#b",
    "100%41",
    'it\'s "here"',
    "naïve 株",
    ":memory:",
]
if os.name == "nt":
    ODD_NAMES = ["a#b", "100%41", "it's here", "naïve 株"]


async def fill(path: Path, *units: int) -> None:
    """Make a vault with units."""
    async with Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST) as vault:
        await write_account(vault)
        for unit in units:
            async with vault.unit_of_work() as uow:
                await write_unit(uow, unit, IMAGE_BYTES)
                await uow.commit()


async def units_in(path: Path | str, passphrase: str = PASSPHRASE) -> list[int]:
    """Return the units in a sound vault."""
    async with Vault.open(path, passphrase=passphrase, create=False) as vault:
        assert (await vault.verify()).problems == ()
        return await present_units(vault, IMAGE_BYTES)


def key_of(path: Path) -> VaultKey:
    """Return the key of a vault."""
    return derive_file_key(path, Credentials(PASSPHRASE))


def opened(path: Path) -> closing[sqlcipher.Connection]:
    """Open a connection as a program does that does not know the vault's lock."""
    return closing(open_cipher(vault_uri(path), key_of(path), ConnectionSettings()))


def only(folder: Path) -> list[str]:
    """Return the names in a folder, without locks of vaults."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A vault with a unit."""
    asyncio.run(fill(tmp_path / "journal.vault", 1))
    return tmp_path / "journal.vault"


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_a_path_that_sqlite_takes_for_a_uri_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, relative: bool
) -> None:
    """A vault is made, backed up, restored and rekeyed there, whatever the names in it."""
    monkeypatch.chdir(tmp_path)
    folder = name if relative else f"{tmp_path}/{name}"
    os.makedirs(folder)  # noqa: PTH103 - "file:///etc" stays as it is
    vault, copy, restored = (f"{folder}/{file}" for file in ("journal", "copy", "restored"))

    async def live() -> None:
        await fill(vault, 1)  # type: ignore[arg-type]
        async with Vault.open(vault, passphrase=PASSPHRASE) as opened_vault:
            await opened_vault.backup(copy)
            await Vault.restore(copy, restored, passphrase=PASSPHRASE)
            await opened_vault.rekey("new", profile=KdfProfile.CHEAPEST)
        for file, passphrase in ((vault, "new"), (copy, PASSPHRASE), (restored, PASSPHRASE)):
            assert await units_in(file, passphrase) == [1]

    asyncio.run(live())
    assert sorted(file for file in os.listdir(folder) if not file.endswith(".lock")) == ["copy", "journal", "restored"]  # noqa: PTH208
    assert len(os.listdir(tmp_path)) == 1  # noqa: PTH208 - and nothing elsewhere


def forget_a_table(raw: sqlcipher.Connection) -> None:
    """Take a table out of a copy."""
    raw.execute("DROP TABLE balance_snapshots")


def forget_a_row(raw: sqlcipher.Connection) -> None:
    """Take a row out of a copy."""
    raw.execute("DELETE FROM settings")


def forget_an_index(raw: sqlcipher.Connection) -> None:
    """Take an index out of a copy."""
    (name,) = raw.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT NULL LIMIT 1").fetchone()
    raw.execute(f"DROP INDEX {name}")


def forget_everything(raw: sqlcipher.Connection) -> None:
    """Make a copy an empty database, which is sound."""
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute("DELETE FROM sqlite_master")


def meddle(monkeypatch: pytest.MonkeyPatch, forget: Callable[[sqlcipher.Connection], object], *modules: Any) -> None:
    """Change each copy that is made by these modules, before it is looked at."""
    original = copying.require_same

    def change_first(temporary: Path, key: VaultKey, *arguments: Any) -> None:
        with closing(open_cipher(vault_uri(temporary), key, ConnectionSettings())) as raw:
            raw.execute("PRAGMA foreign_keys = OFF")
            forget(raw)
        original(temporary, key, *arguments)

    for module in modules:
        monkeypatch.setattr(module, "require_same", change_first)


async def back_up(path: Path) -> None:
    """Back a vault up."""
    async with Vault.open(path, passphrase=PASSPHRASE) as vault:
        await vault.backup(path.with_name("copy"))


async def rekey(path: Path) -> None:
    """Change the passphrase of a vault."""
    async with Vault.open(path, passphrase=PASSPHRASE) as vault:
        await vault.rekey("new", profile=KdfProfile.CHEAPEST)


async def restore(path: Path) -> None:
    """Restore a vault elsewhere."""
    await Vault.restore(path, path.with_name("copy"), passphrase=PASSPHRASE)


@pytest.mark.parametrize("work", [back_up, rekey, restore])
@pytest.mark.parametrize("forget", [forget_a_table, forget_a_row, forget_an_index, forget_everything])
def test_a_copy_that_is_not_its_source_is_thrown_away(
    path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Path], Any], forget: Callable[..., None]
) -> None:
    """However sound it is by itself."""
    meddle(monkeypatch, forget, maintenance, restoring)
    with pytest.raises(VaultDamagedError, match="does not match the original"):
        asyncio.run(work(path))
    assert only(path.parent) == [path.name]
    assert asyncio.run(units_in(path)) == [1]


def test_an_upgrade_of_a_copy_that_is_not_its_source_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old vault is as it was, byte for byte."""
    make_first_release_vault(tmp_path / "old", KEY)
    before = (tmp_path / "old").read_bytes()
    meddle(monkeypatch, lambda raw: raw.execute("DELETE FROM watchlist_items"), upgrade)
    with pytest.raises(VaultDamagedError, match="watchlist_items") as caught:
        asyncio.run(Vault.open(tmp_path / "old", key=KEY).__aenter__())
    assert not isinstance(caught.value, VaultUpgradeError)
    assert (tmp_path / "old").read_bytes() == before
    assert only(tmp_path) == ["old"]


@pytest.mark.parametrize("work", [back_up, rekey, restore])
def test_a_copy_that_does_not_verify_is_thrown_away(path: Path, work: Callable[[Path], Any]) -> None:
    """One that authenticates and has all rows, but one of them against a CHECK of its table."""
    with opened(path) as raw:
        raw.execute("CREATE TABLE mine (x INTEGER CHECK (x > 0))")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        raw.execute("INSERT INTO mine VALUES (-1)")
    with pytest.raises(VaultDamagedError, match="the copy does not verify and was deleted: CHECK"):
        asyncio.run(work(path))
    assert only(path.parent) == [path.name]


def test_a_backup_beside_constant_commits_is_compared_with_its_own_snapshot(path: Path, tmp_path: Path) -> None:
    """Rows come and go whenever it begins; it holds what was there at one time, and holds no writer up for long."""
    busy = path.with_name("busy.vault")
    with started("write_units", busy, "normal", 0, 1_000_000, 2_000, 200) as writer:
        assert read_line(writer) == "ready"
        assert read_line(writer) == "0"
        for number in range(5):
            maintenance.backup(busy, derive_file_key(busy, Credentials(None, KEY)), tmp_path / f"{number}.vault")
        assert writer.poll() is None


def test_commits_that_go_on_for_ever_are_a_busy_vault(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is begun again as often as there is a commit in between; then the error says so, and nothing is left."""
    attempts = list[bool]()

    class Disturbed(copying._Beginning):
        """Another process commits in between each time."""

        def __init__(self, watcher: sqlcipher.Connection, *, keep_writers_out: bool) -> None:
            super().__init__(watcher, keep_writers_out=keep_writers_out)
            attempts.append(watcher.in_transaction)
            if watcher.in_transaction:
                watcher.execute("ROLLBACK")
            with opened(path) as other:
                other.execute("INSERT INTO settings (key, value, value_type, updated_at) "
                              "VALUES (hex(randomblob(8)), '1', 'int', '2024-03-08 14:30:00.000000')")  # fmt: skip

    monkeypatch.setattr(copying, "_Beginning", Disturbed)
    monkeypatch.setattr(copying, "ATTEMPTS", 5)
    with pytest.raises(VaultError, match="other connections kept committing"):
        maintenance.backup(path, key_of(path), tmp_path / "copy")
    assert attempts == [False] * copying.ATTEMPTS_BESIDE_WRITERS + [True] * 2
    assert only(tmp_path) == [path.name]


def test_a_backup_goes_on_beside_an_open_write_transaction(path: Path, tmp_path: Path) -> None:
    """Which has committed nothing, so the copy is of what was there before."""
    with opened(path) as raw:
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("DELETE FROM settings")
        maintenance.backup(path, key_of(path), tmp_path / "copy")
        raw.execute("ROLLBACK")
    assert asyncio.run(units_in(tmp_path / "copy")) == [1]


def test_a_foreign_wal_does_not_harm_the_old_vault_when_a_restore_fails(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written back, another vault's WAL would destroy it before the new one has its place."""
    foreign, backup = tmp_path / "foreign.vault", tmp_path / "backup"
    with started("write_units", foreign, "full", 0, 1_000_000, 20_000, 1_000_000) as process:
        while read_line(process) != "5":  # which the file has grown for, so that its first page is in the WAL
            pass
        process.kill()
    asyncio.run(fill(backup, 2))
    path.with_name("journal.vault-wal").write_bytes(foreign.with_name("foreign.vault-wal").read_bytes())

    def fail(*_paths: Path) -> None:
        raise OSError(5, "the disk fails just then")

    monkeypatch.setattr(restoring, "replace_database", fail)
    with pytest.raises(VaultError, match="disk failed"):
        asyncio.run(Vault.restore(backup, path, passphrase=PASSPHRASE))
    assert asyncio.run(units_in(path)) == [1]


def test_a_rekey_sees_a_program_that_opens_the_vault_just_before_the_end(path: Path) -> None:
    """Its WAL would be taken for the new file's: nothing changes, and what it commits is there."""
    old = key_of(path)
    strangers = list[sqlcipher.Connection]()

    def open_late(report: Progress) -> None:
        if report.phase == "publish" and not strangers:
            strangers.append(open_cipher(vault_uri(path), old, ConnectionSettings()))
            strangers[0].execute("UPDATE accounts SET name = 'late'")

    new = VaultKey(bytes(32), new_salt(KdfProfile.CHEAPEST))
    with pytest.raises(VaultInUseError):
        maintenance.rekey(path, old, new, Operation(open_late))
    assert strangers
    strangers[0].close()
    assert only(path.parent) == [path.name]
    assert asyncio.run(units_in(path)) == [1]
    with opened(path) as raw:
        assert raw.execute("SELECT name FROM accounts").fetchall() == [("late",)]


@pytest.mark.parametrize("statements", [(), ("BEGIN", "SELECT count(*) FROM accounts"), ("BEGIN IMMEDIATE",)])
def test_a_rekey_of_a_vault_that_another_program_uses_is_refused(path: Path, statements: tuple[str, ...]) -> None:
    """Idle, reading or writing: SQLite is busy when WAL mode is to be left, and the error says what that means."""
    old = key_of(path)
    with opened(path) as raw:
        raw.execute("SELECT count(*) FROM accounts").fetchone()
        for statement in statements:
            raw.execute(statement).fetchall()
        with pytest.raises(VaultInUseError):
            maintenance.rekey(path, old, VaultKey(bytes(32), new_salt(KdfProfile.CHEAPEST)))
    assert only(path.parent) == [path.name]
    assert asyncio.run(units_in(path)) == [1]


def test_an_empty_database_is_copied(tmp_path: Path) -> None:
    """A vault without a row differs from an empty file by its schema."""
    key = VaultKey(bytes(32), new_salt(KdfProfile.CHEAPEST))
    create_file(tmp_path / "empty", key, create_schema)
    maintenance.backup(tmp_path / "empty", key, tmp_path / "copy")
    with closing(open_cipher(vault_uri(tmp_path / "copy"), key, ConnectionSettings())) as raw:
        assert copying.contents_of(raw).rows["trades"] == 0


@pytest.mark.parametrize("work", [back_up, rekey, restore])
def test_what_a_user_has_added_is_in_each_copy(path: Path, work: Callable[[Path], Any]) -> None:
    """Tables of every kind, odd names, statistics and generated columns do not make a copy differ."""
    with opened(path) as raw:
        raw.execute('CREATE TABLE "od""d name" (a, b AS (a + 1) STORED, c AS (a + 2) VIRTUAL)')
        raw.execute('INSERT INTO "od""d name" (a) VALUES (1), (2)')
        raw.execute("CREATE TABLE no_rowid (k TEXT PRIMARY KEY, v) WITHOUT ROWID")
        raw.execute("INSERT INTO no_rowid VALUES ('a', 1)")
        raw.execute("CREATE VIRTUAL TABLE texts USING fts5 (t)")
        raw.execute("INSERT INTO texts VALUES ('alpha')")
        raw.execute("CREATE VIEW seen AS SELECT * FROM no_rowid")
        raw.execute("CREATE INDEX partly ON no_rowid (v) WHERE v > 0")
        raw.execute("CREATE TRIGGER noted AFTER INSERT ON no_rowid BEGIN SELECT 1; END")
        raw.execute("ANALYZE")
    asyncio.run(work(path))
