"""Opening a vault once more, rightly or wrongly: the file and the locks on it stay as they are."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from factories import make_account
from files import contents_of, names_in
from zorivest_async import KdfProfile, Vault, WrongPassphraseError

PASSPHRASE = "correct horse battery staple"


@pytest.mark.asyncio
async def test_a_wrong_passphrase_changes_nothing(vault_path: Path) -> None:
    """The file stays as it is, byte for byte, nothing appears beside it, and the right passphrase opens it."""
    opening = Vault.open(vault_path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST)
    async with opening as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        await uow.commit()
    before, names = await contents_of(vault_path), await names_in(vault_path.parent)
    for _ in range(3):
        with pytest.raises(WrongPassphraseError):
            await Vault.open(vault_path, passphrase=f"{PASSPHRASE} ")
        assert await contents_of(vault_path) == before
        assert await names_in(vault_path.parent) == names
    async with Vault.open(vault_path, passphrase=PASSPHRASE) as vault, vault.unit_of_work(read_only=True) as uow:
        assert await uow.accounts.count_all() == 1


def locks_on(*paths: Path) -> list[str]:
    """Return the system's list of this process's locks on files, without the numbers that it gives them."""
    files = {path.stat().st_ino for path in paths if path.exists()}
    lines = [line.split()[1:] for line in Path("/proc/locks").read_text("ascii").splitlines()]
    return sorted(
        " ".join(words) for words in lines if int(words[4].rpartition(":")[2]) in files and int(words[3]) == os.getpid()
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the locks of files")
@pytest.mark.asyncio
async def test_opening_a_vault_again_drops_no_lock(vault: Vault, vault_path: Path) -> None:
    """Not with the right passphrase, not with a wrong one, and not by looking only: a writer goes on holding all."""
    wal, shm = (vault_path.with_name(f"{vault_path.name}-{suffix}") for suffix in ("wal", "shm"))
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account())
        before = await asyncio.to_thread(locks_on, vault_path, wal, shm)
        assert any("WRITE" in lock for lock in before)
        async with Vault.open(vault_path, passphrase=PASSPHRASE) as again, again.unit_of_work(read_only=True) as reader:
            assert await reader.accounts.count_all() == 0
        with pytest.raises(WrongPassphraseError):
            await Vault.open(vault_path, passphrase="wrong")
        assert await asyncio.to_thread(locks_on, vault_path, wal, shm) == before
        await uow.commit()
    assert (await vault.verify()).ok
