"""Messages over the network: each that the server answers is one, and on a network of other machines each costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from factories import make_account, make_trade, make_trades
from journal_server import runtime_url
from server_proxy import Proxy, vault_behind

if TYPE_CHECKING:
    from zorivest_async import Vault

pytestmark = pytest.mark.asyncio

PREPARED = "Sync"
"""The end of a message that binds and executes a prepared statement."""


@pytest.fixture
def proxy() -> Proxy:
    """A proxy before the server, which has a database with the schema."""
    runtime_url()
    return Proxy()


async def read(vault: Vault, exec_id: str = "0") -> None:
    """Read one row in a unit of work of its own."""
    async with vault.unit_of_work(read_only=True) as uow:
        await uow.trades.get(exec_id)


async def save(vault: Vault, *exec_ids: str) -> None:
    """Save rows in a unit of work."""
    async with vault.unit_of_work() as uow:
        for exec_id in exec_ids:
            await uow.trades.save(make_trade(exec_id))
        await uow.commit()


async def prepare(vault: Vault) -> None:
    """Do everything once, which prepares the statements, and let the network become quiet."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.commit()
    await save(vault, "a", "b")
    await read(vault)
    await asyncio.sleep(0.05)


def sent(proxy: Proxy) -> list[str]:
    """Return the first words of what was sent since the last call."""
    found = [each.split(maxsplit=1)[0].rstrip(";") for each in proxy.sent]
    proxy.sent.clear()
    return found


async def test_a_read_is_three_messages_of_which_two_are_awaited(proxy: Proxy) -> None:
    """The unit of work is left while its ROLLBACK is on the way, which then never arrives."""
    async with vault_behind(proxy) as vault:
        await prepare(vault)
        sent(proxy)
        proxy.holds = "ROLLBACK"
        reading = asyncio.ensure_future(read(vault))
        done, _ = await asyncio.wait({reading}, timeout=2)
        await asyncio.sleep(0.05)
        is_silent = not proxy.passing.is_set()
        proxy.passing.set()
        await reading
        assert done
        assert is_silent
        assert sent(proxy) == ["BEGIN", PREPARED, "ROLLBACK"]


async def test_reads_one_after_another_are_two_messages_each(proxy: Proxy) -> None:
    """The ROLLBACK of one goes with the BEGIN of the next."""
    async with vault_behind(proxy, readers=1) as vault:
        await prepare(vault)
        sent(proxy)
        for _ in range(3):
            await read(vault)
        assert sent(proxy) == ["BEGIN", PREPARED, "ROLLBACK", PREPARED, "ROLLBACK", PREPARED]


async def test_a_save_and_its_commit_are_three_messages(proxy: Proxy) -> None:
    """COMMIT is one of them: with other statements it would be answered as if it had succeeded."""
    async with vault_behind(proxy) as vault:
        await prepare(vault)
        sent(proxy)
        await save(vault, "1")
        assert proxy.sent[-1] == "COMMIT"
        assert sent(proxy) == ["BEGIN", PREPARED, "COMMIT"]


async def test_a_further_save_renews_the_savepoint(proxy: Proxy) -> None:
    """So that a refused statement is undone alone; it is one message more."""
    async with vault_behind(proxy) as vault:
        await prepare(vault)
        sent(proxy)
        await save(vault, "1", "2")
        assert sent(proxy) == ["BEGIN", PREPARED, "RELEASE", PREPARED, "COMMIT"]


async def test_many_rows_are_sent_in_slices(proxy: Proxy) -> None:
    """10,000 rows are fifty messages at most, not thousands."""
    async with vault_behind(proxy) as vault:
        await prepare(vault)
        async with vault.unit_of_work() as uow:
            sent(proxy)
            await uow.trades.save_many(make_trades(10_000))
            await uow.commit()
        assert len(sent(proxy)) <= 50
