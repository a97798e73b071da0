"""The outcome of a commit is true, whatever happens to its answer, its task or its server's connection."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

import asyncpg
import pytest

from factories import make_account
from journal_server import cluster, new_journal, runtime_url, superuser_url
from zorivest_async import (
    CommitOutcomeUnknownError,
    RepositoryError,
    Vault,
    VaultUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.asyncio

Fault = Literal["none", "answer", "commit", "silence"]

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The message of a COMMIT (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""


class Proxy:
    """A proxy before the server, which loses a COMMIT, or the answer to one, and the connection with it.

    Attributes:
        fault: What to lose: ``"commit"`` before the server gets it, its ``"answer"``, or only the answer, so that the
            connection is silent (``"silence"``).
        refuses: Whether new connections are closed.
    """

    def __init__(self) -> None:
        self.fault: Fault = "none"
        self.refuses = False
        self._serving = set[asyncio.Task[Any] | None]()

    async def aclose(self) -> None:
        """Wait until every connection has ended, which the clients do."""
        await asyncio.wait({task for task in self._serving if task is not None})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward both ways until one of the sides closes, or the fault comes."""
        self._serving.add(asyncio.current_task())
        if self.refuses:
            writer.close()
            await writer.wait_closed()
            return
        to_server = await asyncio.open_connection("127.0.0.1", cluster().port)
        lost = asyncio.Event()
        tasks = [
            asyncio.ensure_future(self._forward(reader, to_server[1], lost, watch=True)),
            asyncio.ensure_future(self._forward(to_server[0], writer, lost, watch=False)),
        ]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for each in (writer, to_server[1]):
            each.close()
            with suppress(ConnectionError):
                await each.wait_closed()

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, lost: asyncio.Event, *, watch: bool
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                if watch and self.fault != "none" and COMMIT in data:
                    fault, self.fault = self.fault, "none"
                    if fault == "commit":
                        return
                    lost.set()
                    target.write(data)
                    if fault == "answer":
                        await asyncio.sleep(0.3)  # the server has committed by then
                        return
                elif not watch and lost.is_set():
                    continue  # the answer is lost, and so is all after it
                else:
                    target.write(data)
                await target.drain()


@pytest.fixture
def proxy() -> Proxy:
    """A proxy before the server, which has a database with the schema."""
    runtime_url()
    return Proxy()


@asynccontextmanager
async def vault_behind(proxy: Proxy, **options: Any) -> AsyncGenerator[Vault]:
    """Open a new journal through a proxy."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = runtime_url().replace(f":{cluster().port}/", f":{port}/")
    try:
        async with Vault.connect(url, journal=new_journal(), encryption="server", **options) as vault:
            yield vault
    finally:
        server.close()
        await proxy.aclose()


async def names(vault: Vault) -> list[str]:
    """Return the identifiers of the stored accounts."""
    async with vault.unit_of_work(read_only=True) as uow:
        return [account.account_id for account in await uow.accounts.list_all()]


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


async def test_a_terminated_connection_loses_its_transaction_alone(proxy: Proxy) -> None:
    """The next statement says that the connection is lost; the next unit of work has another one."""
    async with vault_behind(proxy) as vault:
        admin = await asyncpg.connect(superuser_url(), ssl=False)
        try:
            async with vault.unit_of_work() as uow:
                await uow.accounts.save(make_account("U1"))
                await admin.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE application_name = 'zorivest-async' AND datname = current_database()"
                )
                with pytest.raises(VaultUnreachableError):
                    await uow.accounts.save(make_account("U2"))
                with pytest.raises(RepositoryError):
                    await uow.commit()
                assert uow.outcome == "rolled_back"
        finally:
            await admin.close()
        async with vault.unit_of_work() as uow:
            await uow.accounts.save(make_account("U3"))
            await uow.commit()
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
