"""The outcome of a commit is true, whatever happens to its answer, its task or its server's connection."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import asyncpg
import pytest

from factories import make_account, make_trade
from journal_server import new_journal, runtime_url, superuser_url
from server_proxy import Fault, Proxy, vault_behind
from zorivest_async import CommitOutcomeUnknownError, RepositoryError, Vault, VaultUnreachableError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio

MANY = 70
"""More commits than tokens that a journal's row keeps."""


@pytest.fixture
def proxy() -> Proxy:
    """A proxy before the server, which has a database with the schema."""
    runtime_url()
    return Proxy()


async def names(vault: Vault) -> list[str]:
    """Return the identifiers of the stored accounts."""
    async with vault.unit_of_work(read_only=True) as uow:
        return [account.account_id for account in await uow.accounts.list_all(limit=None)]


@pytest.mark.parametrize("fault", ["answer", "silence"])
async def test_a_commit_whose_answer_is_lost_is_committed(proxy: Proxy, fault: Fault) -> None:
    """The token in the journal's row says so, on a new connection; nothing is raised."""
    async with vault_behind(proxy, busy_timeout_s=6.0) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            proxy.fault = fault
            await uow.commit()
            assert uow.outcome == "committed"
        assert await names(vault) == ["U1"]


async def test_a_commit_that_the_server_never_got_is_rolled_back(proxy: Proxy) -> None:
    """It is an error, and the unit of work can be run again."""
    async with vault_behind(proxy) as vault:
        for number in range(2):
            async with vault.unit_of_work() as uow:
                await uow.accounts.save(make_account("U1"))
                if not number:
                    proxy.fault = "commit"
                    with pytest.raises(VaultUnreachableError, match="rolled back"):
                        await uow.commit()
                    assert uow.outcome == "rolled_back"
                else:
                    await uow.commit()
            assert await names(vault) == (["U1"] if number else [])


async def write(vault: Vault, name: str) -> None:
    """Commit an account in a unit of work of its own."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(name))
        await uow.commit()


@pytest.mark.parametrize("earlier", [0, 1], ids=["the first commit", "a later commit"])
async def test_commits_of_other_machines_do_not_hide_that_one_is_not_stored(proxy: Proxy, earlier: int) -> None:
    """However many there were since this vault's last one: a server that answers is enough for the outcome."""
    journal = new_journal()
    async with (
        vault_behind(proxy, journal=journal) as vault,
        Vault.connect(runtime_url(), journal=journal, encryption="server") as other,
    ):
        for number in range(earlier):
            await write(vault, f"E{number}")
        for number in range(MANY):
            await write(other, f"O{number}")
        proxy.fault = "commit"
        with pytest.raises(VaultUnreachableError, match="rolled back"):
            await write(vault, "U1")
        await write(vault, "U2")
        assert {"U1", "U2"} & {*await names(vault)} == {"U2"}


async def test_commits_of_other_machines_do_not_hide_that_one_is_stored(proxy: Proxy) -> None:
    """Though the server can be asked only after many of them."""
    journal = new_journal()
    async with (
        vault_behind(proxy, journal=journal) as vault,
        Vault.connect(runtime_url(), journal=journal, encryption="server") as other,
    ):
        await write(other, "O")
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            proxy.fault, proxy.refuses = "answer", True
            others = asyncio.ensure_future(write_many(proxy, other))
            await uow.commit()
            assert uow.outcome == "committed"
        await others
        assert "U1" in await names(vault)


async def write_many(proxy: Proxy, other: Vault) -> None:
    """Wait until a COMMIT has been lost, write much, and let the proxy connect again."""
    await proxy.lost.wait()
    for number in range(MANY):
        await write(other, f"M{number}")
    proxy.refuses = False


async def test_a_commit_is_unknown_while_no_server_answers(proxy: Proxy) -> None:
    """And never said to be stored, or not to be."""
    async with vault_behind(proxy, busy_timeout_s=1.0) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            proxy.fault, proxy.refuses = "answer", True
            with pytest.raises(CommitOutcomeUnknownError):
                await uow.commit()
            assert uow.outcome == "unknown"
        proxy.refuses = False
        assert await names(vault) == ["U1"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such sockets")
async def test_a_commit_is_unknown_while_the_socket_of_the_server_is_missing(proxy: Proxy, tmp_path: Path) -> None:
    """A server that starts again makes it again."""
    if sys.platform != "win32":
        socket = tmp_path / ".s.PGSQL.5432"
        url = runtime_url().replace(f"127.0.0.1:{proxy.server_port}", "") + f"?host={quote(str(tmp_path))}&port=5432"
        server = await asyncio.start_unix_server(proxy.serve, socket)
        async with (
            Vault.connect(url, journal=new_journal(), encryption="server", busy_timeout_s=1.0) as vault,
            vault.unit_of_work() as uow,
        ):
            await uow.accounts.save(make_account("U1"))
            proxy.fault = "answer"
            await asyncio.to_thread(socket.unlink)
            with pytest.raises(CommitOutcomeUnknownError):
                await uow.commit()
            assert uow.outcome == "unknown"
        server.close()
        await proxy.aclose()


async def test_a_cancelled_commit_finishes(proxy: Proxy) -> None:
    """The task is cancelled after it, and the outcome says what is stored."""
    async with vault_behind(proxy) as vault:
        units = []

        async def write(number: int) -> None:
            async with vault.unit_of_work() as uow:
                units.append(uow)
                await uow.accounts.save(make_account(f"U{number}"))
                await uow.commit()

        for number in range(20):
            task = asyncio.ensure_future(write(number))
            for _ in range(number):
                await asyncio.sleep(0)
            await asyncio.sleep(number / 5_000)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        committed = [f"U{n}" for n, uow in enumerate(units) if uow.outcome == "committed"]
        assert sorted(await names(vault)) == sorted(committed)


async def test_a_refused_statement_that_is_cancelled_loses_the_transaction(proxy: Proxy) -> None:
    """The unit of work says so at its next statement, as after any cancelled one, and begins again after a rollback."""
    async with vault_behind(proxy) as vault, vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        proxy.holds = "ROLLBACK TO"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await uow.trades.save(make_trade("1", account_id="U9"))
        proxy.passing.set()
        with pytest.raises(RepositoryError, match="cancelled"):
            await uow.accounts.save(make_account("U2"))
        with pytest.raises(RepositoryError, match="cancelled"):
            await uow.commit()
        assert uow.outcome == "rolled_back"
        await uow.accounts.save(make_account("U3"))
        await uow.commit()
        assert await names(vault) == ["U3"]


async def test_a_task_that_is_cancelled_while_it_begins_is_rolled_back(proxy: Proxy) -> None:
    """Nothing was sent but BEGIN, so its outcome is known."""
    async with vault_behind(proxy) as vault:
        async with vault.unit_of_work() as uow:
            proxy.holds = "BEGIN"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await uow.accounts.save(make_account("U1"))
            proxy.passing.set()
            with pytest.raises(RepositoryError, match="cancelled"):
                await uow.commit()
        assert uow.outcome == "rolled_back"
        await write(vault, "U2")
        assert await names(vault) == ["U2"]


async def test_a_connection_that_is_lost_before_the_block_is_left_is_rolled_back(proxy: Proxy) -> None:
    """No COMMIT was sent, so its outcome is known, too."""
    async with vault_behind(proxy) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await terminate_all()
        assert uow.outcome == "rolled_back"
        await write(vault, "U2")
        assert await names(vault) == ["U2"]


async def terminate_all() -> None:
    """Terminate the connections of vaults, and let them notice."""
    admin = await asyncpg.connect(superuser_url(), ssl=False)
    try:
        await admin.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'zorivest-async' AND datname = current_database()"
        )
    finally:
        await admin.close()
    await asyncio.sleep(0.1)


async def test_a_terminated_connection_loses_its_transaction_alone(proxy: Proxy) -> None:
    """The next statement says that the connection is lost; the next unit of work has another one."""
    async with vault_behind(proxy) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await terminate_all()
            with pytest.raises(VaultUnreachableError):
                await uow.accounts.save(make_account("U2"))
            with pytest.raises(RepositoryError):
                await uow.commit()
            assert uow.outcome == "rolled_back"
        await write(vault, "U3")
        assert await names(vault) == ["U3"]


async def test_an_aborted_transaction_is_never_committed(proxy: Proxy) -> None:
    """PostgreSQL answers its COMMIT with ROLLBACK, and no error."""
    async with vault_behind(proxy) as vault:
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            connection = await uow.connection()
            raw: Any = (await connection.get_raw_connection()).driver_connection
            with pytest.raises(asyncpg.PostgresError):
                await raw.execute("SELECT no_such_column")
            with pytest.raises(RepositoryError):
                await uow.commit()
            assert uow.outcome == "rolled_back"
        assert await names(vault) == []
