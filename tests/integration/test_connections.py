"""Single connections and engines over a vault file: keyed, prepared, and refusing what they must."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlcipher3 import dbapi2 as sqlcipher

from files import contents_of, names_in
from stores import file_store
from zorivest_async import (
    ConfigurationError,
    KdfProfile,
    MissingDependencyError,
    NotAVaultError,
    NotEncryptedError,
    Vault,
    VaultNotFoundError,
    WrongPassphraseError,
    create_encrypted_connection,
    create_vault_engine,
    derive_key,
)
from zorivest_async.database.sqlcipher import cipher
from zorivest_async.database.sqlcipher.cipher import ConnectionSettings
from zorivest_async.security import VaultKey, new_salt

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

CHEAPEST = KdfProfile.CHEAPEST


async def test_changes_last_after_commit_alone(vault_path: Path) -> None:
    """As in sqlite3: a change opens a transaction, and what was not committed is not there."""
    connection = await create_encrypted_connection(vault_path, "passphrase", profile=CHEAPEST)
    await connection.execute("CREATE TABLE t (x)")
    await connection.execute("INSERT INTO t VALUES ('kept')")
    await connection.commit()
    await connection.execute("INSERT INTO t VALUES ('dropped')")
    await connection.rollback()
    await connection.execute("INSERT INTO t VALUES ('forgotten')")
    await connection.close()
    connection = await create_encrypted_connection(vault_path, "passphrase")
    assert list(await connection.execute_fetchall("SELECT x FROM t")) == [("kept",)]
    await connection.close()


async def test_a_missing_file_is_made_or_refused(vault_path: Path) -> None:
    """create=False makes nothing."""
    with pytest.raises(VaultNotFoundError):
        await create_encrypted_connection(vault_path, "passphrase", create=False)
    assert await names_in(vault_path.parent) == []


async def test_a_wrong_or_empty_passphrase_is_refused(vault_path: Path) -> None:
    """Neither opens the file, and the right one still does."""
    await (await create_encrypted_connection(vault_path, "right", profile=CHEAPEST)).close()
    with pytest.raises(WrongPassphraseError):
        await create_encrypted_connection(vault_path, "wrong")
    with pytest.raises(ConfigurationError):
        await create_encrypted_connection(vault_path, "")
    await (await create_encrypted_connection(vault_path, "right")).close()


async def test_two_tasks_that_create_one_file_share_it(vault_path: Path) -> None:
    """One of them makes it; the other finds it and opens it."""
    connections = await asyncio.gather(
        *(create_encrypted_connection(vault_path, "passphrase", profile=CHEAPEST) for _ in range(4))
    )
    for connection in connections:
        await connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        await connection.close()
    assert await names_in(vault_path.parent) == [vault_path.name]


async def test_the_bare_driver_opens_a_vault_with_the_derived_key(vault: Vault, vault_path: Path) -> None:
    """The format needs nothing of this library: Argon2id over the file's salt gives SQLCipher's raw key."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("answer", 42)
        await uow.commit()
    await vault.aclose()

    def read_with_bare_driver() -> Any:
        salt = vault_path.read_bytes()[:16]
        key = derive_key("correct horse battery staple", salt, KdfProfile.CHEAPEST)
        assert salt[0] == KdfProfile.CHEAPEST.value
        with closing(sqlcipher.connect(str(vault_path))) as raw:
            raw.execute(f"PRAGMA key = \"x'{key.hex()}{salt.hex()}'\"")
            return raw.execute("SELECT value, value_type FROM settings WHERE key = 'answer'").fetchone()

    assert await asyncio.to_thread(read_with_bare_driver) == ("42", "int")


@pytest.mark.usefixtures("vault")
async def test_an_engine_opens_with_the_key_alone(vault_path: Path) -> None:
    """SQLCipher reads the salt in the file."""
    salt = (await contents_of(vault_path))[:16]
    engine = create_vault_engine(vault_path, derive_key("correct horse battery staple", salt, CHEAPEST))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM trades"))).scalar() == 0
    await engine.dispose()


@pytest.mark.parametrize(("options", "size"), [({}, 1), ({"read_only": True}, 4), ({"pool_size": 2}, 2)])
async def test_an_engine_has_one_writer_or_four_readers(vault_path: Path, options: Any, size: int) -> None:
    """Unless another number is asked for: a second writer would only wait in SQLite."""
    engine = create_vault_engine(vault_path, bytes(32), **options)
    assert engine.pool.size() == size  # type: ignore[attr-defined]  # of the queue pool
    await engine.dispose()


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        (None, VaultNotFoundError),
        (bytes(range(256)) * 32, WrongPassphraseError),
    ],
)
async def test_an_engine_says_what_is_wrong_with_its_file(
    vault_path: Path, contents: bytes | None, error: type
) -> None:
    """The first statement raises the library's error, not the driver's."""
    if contents is not None:
        await asyncio.to_thread(vault_path.write_bytes, contents)
    engine = create_vault_engine(vault_path, bytes(32))
    with pytest.raises(error):
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("read_only", [False, True])
async def test_connections_have_the_settings_that_keep_data_safe(
    vault: Vault, vault_path: Path, durability: Any, read_only: bool
) -> None:
    """Each setting is asked for back, on writers and readers."""
    key = file_store(vault)._key.key
    engine = create_vault_engine(vault_path, key, read_only=read_only, durability=durability)
    expected = {
        "journal_mode": "wal",
        "synchronous": 2 if durability == "full" else 1,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "temp_store": 2,
        "mmap_size": 0,
        "cell_size_check": 1,
        "journal_size_limit": 4 * 1024 * 1024,
        "wal_autocheckpoint": 1000,
        "query_only": int(read_only),
        "busy_timeout": 250 if read_only else 20,
    }
    async with engine.connect() as connection:
        found = {name: (await connection.execute(text(f"PRAGMA {name}"))).scalar() for name in expected}
    await engine.dispose()
    assert found == expected


async def test_settings_that_cannot_work_are_refused(vault_path: Path) -> None:
    """Misspelt and impossible settings raise before anything is opened."""
    with pytest.raises(ConfigurationError, match="durability"):
        create_vault_engine(vault_path, bytes(32), durability="off")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="busy_timeout_s"):
        ConnectionSettings(busy_timeout_s=float("nan"))
    with pytest.raises(ConfigurationError, match="32 bytes"):
        create_vault_engine(vault_path, b"short")
    with pytest.raises(ConfigurationError, match="8 bytes"):
        derive_key("passphrase", b"short", CHEAPEST)
    with pytest.raises(ConfigurationError, match="16 bytes"):
        VaultKey(bytes(32), b"short")


async def test_the_dialect_takes_no_key_from_a_url() -> None:
    """An engine without a creator is refused, with what to call instead."""
    engine = create_async_engine("sqlite+aiosqlcipher://")
    with pytest.raises(ConfigurationError, match="create_vault_engine"):
        async with engine.connect():
            pass


class _PlainDriver:
    """The standard library's SQLite, which cannot encrypt."""

    sqlite_version_info = cipher.OLDEST_SAFE_SQLITE
    connect = staticmethod(sqlite3.connect)


class _VulnerableDriver:
    """A driver with the WAL-reset bug."""

    sqlite_version_info = (3, 51, 2)
    sqlite_version = "3.51.2"


@pytest.mark.parametrize(("driver", "words"), [(_PlainDriver, "unencrypted"), (_VulnerableDriver, "3.51.3")])
async def test_an_unsafe_driver_is_refused(monkeypatch: pytest.MonkeyPatch, driver: type, words: str) -> None:
    """There is no plaintext fallback, and none to a SQLite that corrupts."""
    cipher.require_safe_driver.cache_clear()
    monkeypatch.setattr(cipher, "sqlcipher", driver)
    with pytest.raises(MissingDependencyError, match=words):
        await asyncio.to_thread(cipher.require_safe_driver)


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        (b"", NotAVaultError),
        (b"x", NotAVaultError),
        (b"fifteen bytes..", NotAVaultError),
        (bytes([127]) * 4095, NotAVaultError),
        (b"PK\x03\x04" * 2048, NotAVaultError),
        (b"SQLite format 3\x00" + bytes(500), NotEncryptedError),
    ],
)
async def test_other_files_are_not_touched(vault_path: Path, contents: bytes, error: type) -> None:
    """Neither a connection nor a vault opens them, and every byte stays."""
    await asyncio.to_thread(vault_path.write_bytes, contents)
    with pytest.raises(error):
        await create_encrypted_connection(vault_path, "passphrase")
    with pytest.raises(error):
        await Vault.open(vault_path, passphrase="passphrase")
    with pytest.raises(error):
        await Vault.open(vault_path, key=bytes(32))
    assert await contents_of(vault_path) == contents
    assert await names_in(vault_path.parent) == [vault_path.name]


async def test_salts_name_their_profile_and_differ() -> None:
    """Byte 0 is the profile; the rest is random."""
    for profile in KdfProfile:
        first, second = new_salt(profile), new_salt(profile)
        assert len(first) == 16
        assert first != second
        assert KdfProfile.of_salt(first) is KdfProfile.of_salt(second) is profile
