"""Closing a vault on a server returns in time, whatever the server and the network do."""

from __future__ import annotations

import asyncio
import time

import pytest

from factories import make_account
from journal_server import new_journal, runtime_url
from server_proxy import Proxy, served
from zorivest_async import CommitOutcomeUnknownError, Vault

pytestmark = pytest.mark.asyncio

BUSY_S = 1.5


@pytest.fixture
def proxy() -> Proxy:
    """A proxy before the server, which has a database with the schema."""
    runtime_url()
    return Proxy()


async def connect(url: str) -> Vault:
    """Open a new journal."""
    return await Vault.connect(url, journal=new_journal(), encryption="server", busy_timeout_s=BUSY_S)


async def test_a_vault_closes_while_a_commit_has_no_answer(proxy: Proxy) -> None:
    """The commit ends within the busy timeout, as if the vault were open."""
    async with served(proxy, runtime_url()) as url:
        vault = await connect(url)
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            proxy.fault, proxy.refuses = "silence", True
            begun = time.monotonic()
            closing = asyncio.ensure_future(close_after(proxy, vault))
            with pytest.raises(CommitOutcomeUnknownError):
                await uow.commit()
            await closing
            assert time.monotonic() - begun < BUSY_S + 0.5


async def close_after(proxy: Proxy, vault: Vault) -> None:
    """Close a vault once a COMMIT was lost."""
    await proxy.lost.wait()
    begun = time.monotonic()
    await vault.aclose()
    assert time.monotonic() - begun < BUSY_S


async def test_a_vault_closes_while_the_network_is_silent(proxy: Proxy) -> None:
    """Idle connections, of which some have just read, say goodbye to a server that does not answer."""
    async with served(proxy, runtime_url()) as url:
        vault = await connect(url)
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await uow.commit()
        await asyncio.gather(*(read(vault) for _ in range(4)))
        await asyncio.sleep(0.05)
        async with vault.unit_of_work(read_only=True) as uow:
            await uow.accounts.get("U1")
            proxy.passing.clear()
        begun = time.monotonic()
        await vault.aclose()
        assert time.monotonic() - begun < BUSY_S


async def read(vault: Vault) -> None:
    """Read at the same time as others, on a connection of its own."""
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.accounts.get("U1")
        await asyncio.sleep(0.05)
