"""Opening a vault: what is refused, and that nothing is touched or left behind."""

from __future__ import annotations

import asyncio
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from files import contents_of, names_in
from journals import count_accounts, write_account
from workers.launch import started
from zorivest_async import (
    ConfigurationError,
    KdfProfile,
    NotAVaultError,
    Vault,
    VaultDamagedError,
    VaultNotFoundError,
    VaultVersionError,
    WrongPassphraseError,
)
from zorivest_async.security import Credentials
from zorivest_async.vault.file_format import create_file, new_vault_key

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.asyncio

CHEAPEST = KdfProfile.CHEAPEST


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "exactly one"),
        ({"passphrase": "a", "key": bytes(32)}, "exactly one"),
        ({"passphrase": ""}, "empty"),
        ({"key": b"short"}, "32 bytes"),
        ({"passphrase": "a\ud800"}, "UTF-8"),
        ({"passphrase": 7}, "string"),
        ({"passphrase": "a", "readers": 0}, "readers"),
        ({"passphrase": "a", "durability": "off"}, "durability"),
        ({"passphrase": "a", "busy_timeout_s": -1}, "busy_timeout_s"),
    ],
)
async def test_arguments_that_cannot_work_are_refused(vault_path: Path, arguments: Any, words: str) -> None:
    """Nothing is made."""
    with pytest.raises(ConfigurationError, match=words):
        await Vault.open(vault_path, **arguments)
    assert await names_in(vault_path.parent) == []


@pytest.mark.parametrize("passphrase", ["it's", "x';--", "a\0b", "🔑 über", '"', " "])
async def test_any_passphrase_works_exactly(vault_path: Path, passphrase: str) -> None:
    """Quotes, NULs and emoji are letters like any other."""
    async with Vault.open(vault_path, passphrase=passphrase, profile=CHEAPEST) as vault:
        await write_account(vault)
    async with Vault.open(vault_path, passphrase=passphrase) as vault:
        assert await count_accounts(vault) == 1
    with pytest.raises(WrongPassphraseError):
        await Vault.open(vault_path, passphrase=passphrase + "x")


async def test_composed_and_decomposed_spellings_are_the_same(vault_path: Path) -> None:
    """NFC and NFD of one passphrase open one vault."""
    async with Vault.open(vault_path, passphrase="Zürich", profile=CHEAPEST) as vault:
        await write_account(vault)
    async with Vault.open(vault_path, passphrase="Zu\u0308rich") as vault:
        assert await count_accounts(vault) == 1


async def test_a_missing_path_is_not_made_without_being_asked(vault_path: Path) -> None:
    """create=False raises, and is a FileNotFoundError too."""
    with pytest.raises(VaultNotFoundError) as caught:
        await Vault.open(vault_path, passphrase="passphrase", create=False)
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.path == str(vault_path)
    assert await names_in(vault_path.parent) == []


async def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    """The error says that it is the folder."""
    with pytest.raises(VaultNotFoundError, match="parent directory"):
        await Vault.open(tmp_path / "nowhere" / "journal.vault", passphrase="passphrase", profile=CHEAPEST)


async def test_a_folder_is_not_a_vault(tmp_path: Path) -> None:
    """Whether or not it might have been made."""
    for create in (True, False):
        with pytest.raises(NotAVaultError, match="folder"):
            await Vault.open(tmp_path, passphrase="passphrase", create=create)


async def test_another_programs_encrypted_database_is_not_a_vault(vault_path: Path) -> None:
    """The key is right, and what it opens is not a journal."""

    def make_other() -> None:
        create_file(
            vault_path,
            new_vault_key(Credentials("passphrase"), CHEAPEST),
            lambda raw: raw.execute("CREATE TABLE t (x)"),
        )

    await asyncio.to_thread(make_other)
    with pytest.raises(NotAVaultError, match="encrypted database"):
        await Vault.open(vault_path, passphrase="passphrase")


async def test_a_newer_vault_is_refused(vault_path: Path) -> None:
    """Its schema is not known; the message says to upgrade."""
    opening = Vault.open(vault_path, passphrase="passphrase", profile=CHEAPEST)
    async with opening as vault, vault.engine.begin() as connection:
        await connection.execute(text("PRAGMA user_version = 1000"))
    with pytest.raises(VaultVersionError, match="upgrade"):
        await Vault.open(vault_path, passphrase="passphrase")


async def test_a_damaged_first_page_is_not_called_a_wrong_passphrase(vault_path: Path) -> None:
    """Other pages still authenticate, so the key is right."""
    async with Vault.open(vault_path, passphrase="passphrase", profile=CHEAPEST):
        pass
    data = bytearray(await contents_of(vault_path))
    data[100] ^= 1
    await asyncio.to_thread(vault_path.write_bytes, data)
    with pytest.raises(VaultDamagedError):
        await Vault.open(vault_path, passphrase="passphrase")
    with pytest.raises(WrongPassphraseError):
        await Vault.open(vault_path, passphrase="another")


async def test_two_tasks_that_create_one_vault_share_it(vault_path: Path) -> None:
    """One of them makes it; the others open it, and nothing is left lying about."""
    vaults = await asyncio.gather(
        *(Vault.open(vault_path, passphrase="passphrase", profile=CHEAPEST) for _ in range(5))
    )
    await write_account(vaults[0])
    assert [await count_accounts(vault) for vault in vaults] == [1] * 5
    for vault in vaults:
        await vault.aclose()
    assert await names_in(vault_path.parent) == [vault_path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
async def test_only_its_owner_can_read_it(vault: Vault, vault_path: Path) -> None:
    """The file and what SQLite keeps beside it have mode 0600."""
    await write_account(vault)
    assert await asyncio.to_thread(_modes_beside, vault_path) == {0o600}


def _modes_beside(path: Path) -> set[int]:
    return {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that a process without privileges can look into and not write to, with a file that it cannot read."""
    folder = Path(tempfile.mkdtemp())  # below pytest's own folders, which are root's alone, it would not be reached
    (folder / "unreadable.vault").write_bytes(bytes(8192))
    (folder / "unreadable.vault").chmod(0)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def opened_without_privileges(path: Path) -> str:
    """Return what a process of its own says that opens a vault; no test changes the user of the whole suite."""
    with started("unprivileged", path, "passphrase") as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    return output.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
async def test_a_read_only_folder_is_a_typed_error(read_only_folder: Path) -> None:
    """No file is left in it."""
    said = await asyncio.to_thread(opened_without_privileges, read_only_folder / "journal.vault")
    assert said.startswith("VaultError: ")
    assert "permission denied" in said
    assert await names_in(read_only_folder) == ["unreadable.vault"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
async def test_a_file_that_may_not_be_read_is_a_typed_error(read_only_folder: Path) -> None:
    """The message speaks of permissions, not of a passphrase."""
    said = await asyncio.to_thread(opened_without_privileges, read_only_folder / "unreadable.vault")
    assert said.startswith("VaultError: ")
    assert "permission denied" in said
