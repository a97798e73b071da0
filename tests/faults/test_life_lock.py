"""The lock beside a vault: who has to wait for whom, who is refused, and who lets go when."""

from __future__ import annotations

import asyncio
import gc
import stat
import sys
import time
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from workers.launch import KILLED, read_line, say, started
from workers.ledger import KEY, write_account
from zorivest_async import KdfProfile, Vault, VaultInUseError
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

PROMPT_S = 0.5


@asynccontextmanager
async def running(*arguments: object) -> AsyncIterator[subprocess.Popen[str]]:
    """Run another process for the length of the block, without blocking the event loop."""
    process = started("life", *arguments)
    yield await asyncio.to_thread(process.__enter__)
    await asyncio.to_thread(process.__exit__, None, None, None)


async def is_free(path: Path) -> bool:
    """Return whether somebody who asks could hold the lock alone."""

    def ask() -> bool:
        lock = VaultLock(path)
        try:
            lock.take()
        except VaultInUseError:
            return False
        else:
            return True
        finally:
            lock.let_go()

    return await asyncio.to_thread(ask)


async def settings_in(path: Path) -> set[str]:
    """Return the names of the settings in a vault."""
    async with Vault.open(path, key=KEY, create=False) as vault, vault.unit_of_work(read_only=True) as uow:
        return {setting.key for setting in await uow.settings.get_all()}


@pytest_asyncio.fixture
async def path(tmp_path: Path) -> Path:
    """A vault that nobody has open."""
    async with Vault.open(tmp_path / "journal.vault", key=KEY) as vault:
        await write_account(vault)
    return tmp_path / "journal.vault"


async def test_a_vault_that_another_process_holds_is_not_rekeyed(path: Path) -> None:
    """Nothing changes, both go on, and once the other has closed it, it is rekeyed."""
    async with running("hold", path) as other:
        assert await asyncio.to_thread(read_line, other) == "ready"
        async with Vault.open(path, key=KEY) as vault:
            for _ in range(3):
                with pytest.raises(VaultInUseError):
                    await vault.rekey("new", profile=KdfProfile.CHEAPEST)
            await write_account(vault)
            assert not await is_free(path)
            await asyncio.to_thread(say, other)
            assert await asyncio.to_thread(read_line, other) == "done"
            await asyncio.to_thread(other.wait)
            await vault.rekey("new", profile=KdfProfile.CHEAPEST)
            async with vault.unit_of_work(read_only=True) as uow:
                assert await uow.settings.get("held on")
            assert not await is_free(path)
    assert await is_free(path)


async def test_a_vault_that_is_open_twice_in_one_process_is_not_rekeyed(path: Path) -> None:
    """Each of the two holds the lock for itself, even while it has no connection open."""
    async with Vault.open(path, key=KEY) as vault, Vault.open(path, key=KEY) as other:
        with pytest.raises(VaultInUseError):
            await vault.rekey("new", profile=KdfProfile.CHEAPEST)
        await other.aclose()
        await vault.rekey("new", profile=KdfProfile.CHEAPEST)


async def test_opening_waits_for_one_who_replaces_the_vault(path: Path) -> None:
    """It goes on once the other lets go, and gives up after the busy timeout."""
    async with running("hold_alone", path) as other:
        assert await asyncio.to_thread(read_line, other) == "ready"
        before = time.monotonic()
        with pytest.raises(VaultInUseError):
            await Vault.open(path, key=KEY, busy_timeout_s=0.2)
        assert 0.2 <= time.monotonic() - before < 2
        opening = asyncio.ensure_future(Vault.open(path, key=KEY))
        await asyncio.wait({opening}, timeout=0.1)
        assert not opening.done()
        await asyncio.to_thread(say, other)
        await (await opening).aclose()


async def test_waiting_for_the_lock_is_cancelled_at_once(path: Path) -> None:
    """And nothing of it is left: the one who holds it alone never notices."""
    lock = await asyncio.to_thread(VaultLock, path)
    await asyncio.to_thread(lock.take)
    opening = asyncio.ensure_future(Vault.open(path, key=KEY))
    await asyncio.wait({opening}, timeout=0.1)
    before = time.monotonic()
    opening.cancel()
    await asyncio.wait({opening})
    assert opening.cancelled()
    assert time.monotonic() - before < PROMPT_S
    await asyncio.to_thread(lock.let_go)
    assert await is_free(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_the_lock_of_a_killed_process_is_free(path: Path) -> None:
    """The kernel lets go of it."""
    async with running("hold", path) as other:
        assert await asyncio.to_thread(read_line, other) == "ready"
        assert not await is_free(path)
        other.kill()
        assert await asyncio.to_thread(other.wait) == KILLED
    assert await is_free(path)
    assert await settings_in(path) == {"held"}


async def test_a_lock_that_its_last_user_let_go_is_not_held_again(path: Path) -> None:
    """Its file is closed; who wants it makes another one."""
    lock = await asyncio.to_thread(VaultLock, path)
    assert lock.retain()
    await asyncio.to_thread(lock.let_go)
    await asyncio.to_thread(lock.let_go)
    assert not lock.retain()
    assert lock.users == 0


async def test_a_forgotten_vault_lets_go(path: Path) -> None:
    """Garbage collection closes its connections, and the last of them lets go."""
    vault: Any = await Vault.open(path, key=KEY)
    await write_account(vault)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # whoever records a warning keeps the connection it is about
        del vault
        async with asyncio.timeout(10):
            while not await is_free(path):
                gc.collect()  # again, where a connection's thread had not yet dropped the last thing that it did


async def test_a_unit_of_work_outlives_its_vault_with_the_lock(path: Path) -> None:
    """Closing the vault leaves it its connection, so nobody may replace the file before it ends."""
    vault = await Vault.open(path, key=KEY)
    async with vault.unit_of_work() as uow:
        await uow.settings.set("late", value=True)
        await vault.aclose()
        assert not await is_free(path)
        await uow.commit()
    assert await is_free(path)
    assert await settings_in(path) == {"late"}


async def test_an_error_that_is_kept_keeps_no_lock(path: Path) -> None:
    """Its traceback refers to connections, which are closed nevertheless."""
    vault = await Vault.open(path, key=KEY)
    with pytest.raises(Exception, match="no such table") as kept:
        async with vault.engine.connect() as connection:
            await connection.exec_driver_sql("SELECT * FROM nowhere")
    await vault.aclose()
    assert await is_free(path)
    del kept


async def test_the_lock_file_is_private_and_tells_which_file_is_open(path: Path) -> None:
    """It is the only thing that a closed vault leaves beside it, and holds the vault's inode number alone."""

    def look() -> None:
        assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}.lock"}
        lock = path.with_name(f"{path.name}.lock")
        status = lock.stat()
        assert lock.read_text() == f"{path.stat().st_ino}\n"
        assert sys.platform == "win32" or stat.S_IMODE(status.st_mode) == 0o600

    await asyncio.to_thread(look)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make symbolic links")
async def test_two_names_of_one_vault_have_one_lock(path: Path) -> None:
    """A symbolic link stands for the file that it leads to, and is still a link after a rekey."""
    link = path.with_name("link.vault")
    await asyncio.to_thread(link.symlink_to, path)
    async with Vault.open(link, key=KEY) as vault, Vault.open(path, key=KEY) as other:
        assert vault.path == other.path == path
        with pytest.raises(VaultInUseError):
            await vault.rekey("new", profile=KdfProfile.CHEAPEST)
        await other.aclose()
        await vault.rekey("new", profile=KdfProfile.CHEAPEST)
    assert await asyncio.to_thread(link.is_symlink)
    async with Vault.open(path, passphrase="new") as vault:
        await write_account(vault)
