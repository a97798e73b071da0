"""The life of a vault: opened, used, forgotten and closed."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlcipher3 import dbapi2 as sqlcipher

from factories import make_account, make_png, make_trade
from files import names_in
from journals import count_accounts, write_account
from stores import file_store
from zorivest_async import (
    ConfigurationError,
    ImageOwnerType,
    ImagePolicy,
    ImageTooLargeError,
    KdfProfile,
    ReadOnlyError,
    Vault,
    VaultClosedError,
    VaultError,
    WrongPassphraseError,
)
from zorivest_async.security import kdf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.asyncio

CHEAPEST = KdfProfile.CHEAPEST


async def test_what_was_committed_is_there_when_it_is_opened_again(vault_path: Path) -> None:
    """Entered or awaited, with its passphrase or its key."""
    async with Vault.open(vault_path, passphrase="passphrase", profile=CHEAPEST) as vault:
        await write_account(vault)
        key = file_store(vault)._key.key
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
print("last line", flush=True)
"""


def run_forgetful_script(path: Path) -> tuple[int, str]:
    """Return the exit code and stderr of a script, which is killed where it goes on for ever after its last line."""
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", FORGETFUL, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "last line\n"
            _, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    return process.returncode, stderr


async def test_a_script_that_forgets_to_close_exits_with_a_warning(vault_path: Path) -> None:
    """It ends by itself after its last line, and what it committed is there."""
    code, stderr = await asyncio.to_thread(run_forgetful_script, vault_path)
    assert code == 0
    assert "ResourceWarning: vault" in stderr
    assert "Traceback" not in stderr
    async with Vault.open(vault_path, passphrase="p") as vault:
        assert await count_accounts(vault) == 1


async def test_a_vault_in_memory_is_a_vault() -> None:
    """It has no file to back up or rekey, and otherwise everything."""
    async with Vault.in_memory() as vault:
        await write_account(vault)
        assert await count_accounts(vault) == 1
        assert vault.path is None
        assert vault.engine.pool is vault.read_engine.pool
        assert (await vault.verify()).ok
        for operation in (vault.backup("copy"), vault.rekey("x")):
            with pytest.raises(ConfigurationError):
                await operation
        async with Vault.in_memory() as other:
            assert await count_accounts(other) == 0


async def test_a_vault_in_memory_is_written_to_after_it_was_read() -> None:
    """Its one connection refuses writes for as long as somebody only reads, through whichever door."""
    async with Vault.in_memory() as vault:
        for n in range(3):
            async with vault.unit_of_work(read_only=True) as uow:
                assert len(await uow.settings.get_all()) == n
                with pytest.raises(ReadOnlyError):
                    await uow.settings.set("refused", 1)
            async with vault.read_engine.connect() as connection:
                with pytest.raises(OperationalError, match="readonly"):
                    await connection.execute(text("DELETE FROM settings"))
            async with vault.unit_of_work() as uow:
                await uow.settings.set(f"key {n}", n)
                await uow.commit()
            async with vault.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(text("UPDATE settings SET value_type = value_type"))


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

    monkeypatch.setattr("zorivest_async.vault.store.create_schema", fail)
    with pytest.raises(VaultError, match="disk I/O error"):
        await Vault.open(vault_path, passphrase="p", profile=CHEAPEST)
    assert await names_in(vault_path.parent) == []
