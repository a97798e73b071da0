"""The vault: opened and closed in every way, and refusing what is not one."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlcipher3 import dbapi2 as sqlcipher

from factories import make_account, make_png, make_trade
from files import contents_of, names_in
from zorivest_async import (
    ConfigurationError,
    ImageOwnerType,
    ImagePolicy,
    ImageTooLargeError,
    KdfProfile,
    NotAVaultError,
    Vault,
    VaultClosedError,
    VaultDamagedError,
    VaultError,
    VaultNotFoundError,
    VaultVersionError,
    WrongPassphraseError,
)
from zorivest_async.database.vault_file import create_file, new_vault_key
from zorivest_async.security import kdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.asyncio

CHEAPEST = KdfProfile.CHEAPEST


async def write_account(vault: Vault) -> None:
    """Store something."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()


async def count_accounts(vault: Vault) -> int:
    """Read it back."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.accounts.count_all()


async def test_what_was_committed_is_there_when_it_is_opened_again(vault_path: Path) -> None:
    """Entered or awaited, with its passphrase or its key."""
    async with Vault.open(vault_path, passphrase="passphrase", profile=CHEAPEST) as vault:
        await write_account(vault)
        key = vault._store.key.key
    vault = await Vault.open(vault_path, passphrase="passphrase", create=False)
    assert await count_accounts(vault) == 1
    await vault.aclose()
    async with await Vault.open(vault_path, key=key) as vault:
        assert await count_accounts(vault) == 1
    assert await names_in(vault_path.parent) == [vault_path.name]


async def test_a_vault_can_be_made_with_a_raw_key(vault_path: Path) -> None:
    """The key that made it opens it; another does not."""
    async with Vault.open(vault_path, key=b"k" * 32) as vault:
        await write_account(vault)
    async with Vault.open(vault_path, key=b"k" * 32) as vault:
        assert await count_accounts(vault) == 1
    with pytest.raises(WrongPassphraseError):
        await Vault.open(vault_path, key=b"K" * 32)


async def test_argon2_runs_once_per_opening(vault_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many connections are opened, the key is derived once."""
    runs: list[str] = []
    original = kdf.hash_secret_raw  # type: ignore[attr-defined]  # argon2's, as the module sees it

    def count_and_derive(*args: Any, **options: Any) -> bytes:
        runs.append("argon2")
        return original(*args, **options)

    monkeypatch.setattr(kdf, "hash_secret_raw", count_and_derive)
    async with Vault.open(vault_path, passphrase="passphrase", profile=CHEAPEST, readers=8) as vault:
        await write_account(vault)
        await asyncio.gather(*(count_accounts(vault) for _ in range(8)))
    assert len(runs) == 1


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
    with pytest.raises(VaultNotFoundError, match="folder"):
        await Vault.open(tmp_path / "nowhere" / "journal.vault", passphrase="passphrase", profile=CHEAPEST)


async def test_a_folder_is_not_a_vault(tmp_path: Path) -> None:
    """Whether or not it might have been made."""
    for create in (True, False):
        with pytest.raises(NotAVaultError, match="folder"):
            await Vault.open(tmp_path, passphrase="passphrase", create=create)


async def test_another_programs_encrypted_database_is_not_a_vault(vault_path: Path) -> None:
    """The key is right, and what it opens is not a journal."""

    def make_other() -> None:
        create_file(vault_path, new_vault_key("passphrase", CHEAPEST), lambda raw: raw.execute("CREATE TABLE t (x)"))

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
    """A folder that this process cannot write to, not even as root: it becomes somebody else meanwhile."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # nobody
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
async def test_a_read_only_folder_is_a_typed_error(read_only_folder: Path) -> None:
    """No file is left in it."""
    with pytest.raises(VaultError, match="read-only"):
        await Vault.open(read_only_folder / "journal.vault", passphrase="passphrase", profile=CHEAPEST)
    assert await names_in(read_only_folder) == []


async def test_a_closed_vault_says_so(vault: Vault) -> None:
    """Every use after closing raises; closing again does not."""
    uow = vault.unit_of_work()
    engine = vault.engine
    await vault.aclose()
    await vault.aclose()
    uses: list[Callable[[], object]] = [vault.unit_of_work, lambda: vault.engine, lambda: vault.read_engine]
    for use in uses:
        with pytest.raises(VaultClosedError):
            use()
    for operation in (vault.verify(), vault.backup("copy"), vault.rekey("x"), uow.__aenter__()):
        with pytest.raises(VaultClosedError):
            await operation
    with pytest.raises(VaultClosedError):
        async with engine.connect():
            pass
    assert "closed" in repr(vault)


async def test_a_unit_of_work_that_is_open_when_the_vault_closes_ends_in_peace(vault: Vault) -> None:
    """It keeps its connection; a new transaction is refused."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await vault.aclose()
        await uow.commit()
        with pytest.raises(VaultClosedError):
            await uow.accounts.count_all()


async def test_the_vaults_image_policy_is_its_repositories(vault_path: Path) -> None:
    """Limits given to the vault are what attach() checks."""
    policy = ImagePolicy(max_pixels=100)
    opening = Vault.open(vault_path, passphrase="p", profile=CHEAPEST, images=policy)
    async with opening as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.trades.save(make_trade())
        with pytest.raises(ImageTooLargeError):
            await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(20, 20))


async def test_a_forgotten_vault_is_reported(vault_path: Path) -> None:
    """Garbage collection warns with the vault's name."""
    vault: Any = await Vault.open(vault_path, passphrase="p", profile=CHEAPEST)
    with pytest.warns(ResourceWarning, match=r"journal\.vault.* was not closed"):  # noqa: PT031 - both are needed
        del vault
        gc.collect()


FORGETFUL = """
import asyncio, sys, warnings
from zorivest_async import Account, Vault

async def main():
    global vault
    vault = await Vault.open(sys.argv[1], passphrase="p")
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(Account("U1", "a", "bank"))
        await uow.commit()

asyncio.run(main())
"""


async def test_a_script_that_forgets_to_close_exits_with_a_warning(vault_path: Path) -> None:
    """It ends by itself within two seconds of its last line, and what it committed is there."""
    finished = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-W", "always::ResourceWarning", "-c", FORGETFUL, str(vault_path)],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert finished.returncode == 0
    assert "ResourceWarning: vault" in finished.stderr
    assert "Traceback" not in finished.stderr
    async with Vault.open(vault_path, passphrase="p") as vault:
        assert await count_accounts(vault) == 1


async def test_a_vault_in_memory_is_a_vault() -> None:
    """It has no file to back up or rekey, and otherwise everything."""
    async with Vault.in_memory() as vault:
        await write_account(vault)
        assert await count_accounts(vault) == 1
        assert vault.path is None
        assert vault.engine is vault.read_engine
        assert (await vault.verify()).ok
        for operation in (vault.backup("copy"), vault.rekey("x")):
            with pytest.raises(ConfigurationError):
                await operation
        async with Vault.in_memory() as other:
            assert await count_accounts(other) == 0


async def test_a_vault_in_memory_survives_a_cancelled_statement() -> None:
    """The pool discards the connection; the database stays."""
    async with Vault.in_memory() as vault:
        await write_account(vault)
        with pytest.raises(TimeoutError):  # noqa: PT012 - the block is the subject
            async with asyncio.timeout(0.05), vault.unit_of_work() as uow:
                endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r"
                await (await uow.connection()).execute(text(endless))
        assert await count_accounts(vault) == 1


async def test_a_failed_opening_leaves_no_file(vault_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing the schema fails, neither the vault nor its temporary file is left."""

    def fail(_raw: sqlcipher.Connection) -> None:
        raise sqlcipher.OperationalError("disk I/O error")

    monkeypatch.setattr("zorivest_async.database.store.create_schema", fail)
    with pytest.raises(VaultError, match="disk I/O error"):
        await Vault.open(vault_path, passphrase="p", profile=CHEAPEST)
    assert await names_in(vault_path.parent) == []
