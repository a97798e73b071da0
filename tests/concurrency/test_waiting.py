"""Whoever waits for a vault that changes its passphrase, or for a place, can leave, and is told what it waited for."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from stores import file_store
from zorivest_async import (
    KdfProfile,
    Vault,
    VaultBusyError,
    VaultInUseError,
    create_encrypted_connection,
    create_vault_engine,
)
from zorivest_async.vault.lock import VaultLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from zorivest_async import Progress

KEY = bytes(range(32))
CHEAPEST = KdfProfile.CHEAPEST
PATIENCE_S = 20


@asynccontextmanager
async def file_replaced(vault: Vault) -> AsyncIterator[None]:
    """Hold a vault's file as its rekey does, for the length of the block."""
    with file_store(vault)._replacing_file:
        yield


async def read(vault: Vault) -> object:
    """Read a setting."""
    async with vault.unit_of_work(read_only=True) as uow:
        return await uow.settings.get("n")


async def read_by_engine(vault: Vault) -> object:
    """Read past the unit of work."""
    async with vault.read_engine.connect() as connection:
        return await connection.exec_driver_sql("SELECT 1")


async def write(vault: Vault) -> None:
    """Store a setting."""
    async with vault.unit_of_work() as uow:
        await uow.settings.set("n", 1)
        await uow.commit()


USES = {use.__name__: use for use in (read, read_by_engine, write)}


@pytest.mark.asyncio
@pytest.mark.parametrize("use", USES)
async def test_waiting_for_a_rekey_can_be_cancelled(vault_path: Path, use: str) -> None:
    """The task ends at once; the vault works as soon as the file is free, and closes."""
    async with Vault.open(vault_path, key=KEY) as vault:
        async with file_replaced(vault):
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await USES[use](vault)
            assert time.monotonic() - start < 5
        await USES[use](vault)


@pytest.mark.asyncio
@pytest.mark.parametrize("use", [read, write], ids=["read", "write"])
async def test_waiting_for_a_rekey_ends_with_the_busy_timeout(
    vault_path: Path, use: Callable[[Vault], Awaitable[object]]
) -> None:
    """The error says what the vault was doing; it works afterwards."""
    async with Vault.open(vault_path, key=KEY, busy_timeout_s=0.2) as vault:
        async with file_replaced(vault):
            with pytest.raises(VaultBusyError, match="changing its passphrase"):
                await asyncio.wait_for(use(vault), PATIENCE_S)
        await use(vault)


@pytest.mark.asyncio
async def test_a_read_begun_during_a_real_rekey_is_served_after_it(vault_path: Path) -> None:
    """It waits for the file, and sees what was there before."""
    async with Vault.open(vault_path, passphrase="old", profile=CHEAPEST) as vault:
        await write(vault)
        begun, reading = asyncio.Event(), list[asyncio.Task[object]]()

        def begin(_report: Progress) -> None:
            if not begun.is_set():
                begun.set()
                reading.append(asyncio.create_task(read(vault)))

        await vault.rekey("new", profile=CHEAPEST, progress=begin)
        assert await asyncio.wait_for(reading[0], PATIENCE_S) == 1


async def open_engine(path: Path) -> None:
    """Connect by an engine."""
    engine = create_vault_engine(path, KEY, busy_timeout_s=30)
    try:
        async with engine.connect():
            pass
    finally:
        await engine.dispose()


async def open_vault(path: Path) -> None:
    """Open the vault."""
    await (await Vault.open(path, key=KEY, create=False)).aclose()


async def open_connection(path: Path) -> None:
    """Open a connection, whose passphrase is not asked for yet."""
    await (await create_encrypted_connection(path, "passphrase", create=False)).close()


@pytest.mark.asyncio
@pytest.mark.parametrize("door", [open_engine, open_vault, open_connection], ids=lambda door: door.__name__)
async def test_waiting_for_another_process_s_rekey_can_be_cancelled(
    vault_path: Path, door: Callable[[Path], Awaitable[None]]
) -> None:
    """It holds the file's lock alone meanwhile, as this other holder does."""
    await (await Vault.open(vault_path, key=KEY)).aclose()
    other = VaultLock(vault_path)
    await asyncio.to_thread(other.take)
    try:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await door(vault_path)
        assert time.monotonic() - start < 5
    finally:
        await asyncio.to_thread(other.let_go)


@pytest.mark.asyncio
async def test_an_engine_waits_for_another_process_s_rekey_for_its_busy_timeout(vault_path: Path) -> None:
    """And says then who holds the vault."""
    await (await Vault.open(vault_path, key=KEY)).aclose()
    other = VaultLock(vault_path)
    await asyncio.to_thread(other.take)
    engine = create_vault_engine(vault_path, KEY, busy_timeout_s=0.2)
    try:
        with pytest.raises(VaultInUseError):
            await asyncio.wait_for(engine.connect().start(), PATIENCE_S)
    finally:
        await asyncio.to_thread(other.let_go)
    async with engine.connect():
        pass
    await engine.dispose()


@pytest.mark.asyncio
async def test_a_reader_without_a_place_is_told_of_the_places(vault_path: Path) -> None:
    """And not of a writer, who holds up no reader."""
    async with Vault.open(vault_path, key=KEY, readers=1, busy_timeout_s=0.1) as vault:
        async with vault.unit_of_work(read_only=True) as first:
            await first.settings.get("n")
            with pytest.raises(VaultBusyError, match=r"all readers \(readers=1\) were in use") as caught:
                async with vault.unit_of_work(read_only=True) as second:
                    await second.settings.get("n")
        assert "writer" not in str(caught.value)
        async with vault.unit_of_work() as first:
            await first.settings.set("n", 1)
            with pytest.raises(VaultBusyError, match="another writer held"):
                await asyncio.create_task(write(vault))


@pytest.mark.asyncio
async def test_a_reader_in_memory_is_told_of_the_only_connection() -> None:
    """Where units of work take turns, whoever holds it."""
    async with Vault.in_memory(busy_timeout_s=0.1) as vault, vault.unit_of_work() as first:
        await first.settings.set("n", 1)
        with pytest.raises(VaultBusyError, match="only connection"):
            await asyncio.create_task(read(vault))
