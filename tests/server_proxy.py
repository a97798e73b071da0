"""A proxy before the PostgreSQL server of tests, which counts messages, and loses, holds or drops them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Literal

from journal_server import cluster, new_journal, runtime_url
from zorivest_async import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from servers import Cluster

__all__ = ["Fault", "Proxy", "served", "vault_behind"]

Fault = Literal["none", "answer", "commit", "silence", "swallowed"]

COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""The message of a COMMIT (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""

_COMMITTED_S: Final = 0.3
"""Time in which a server that got a COMMIT has committed."""


class Proxy:
    """A proxy before the server.

    Attributes:
        fault: What to lose of the next COMMIT. With the connection: the message before the server gets it
            (``"commit"``), or the server's answer (``"answer"``). On a connection that stays open and is silent
            from then on: the message (``"swallowed"``) or the answer (``"silence"``).
        lost: Set once a COMMIT or its answer was lost.
        refuses: Whether new connections are closed.
        sent: What clients have sent, by its end: the SQL of a simple query, or ``"Sync"`` for prepared statements. Each
            is a message over the network that the server answers.
        passing: Whether anything is forwarded; while it is cleared, the network is silent.
        holds: Beginning of the simple query before which the network becomes silent; empty for none.
    """

    def __init__(self, server: Cluster | None = None) -> None:
        self.fault: Fault = "none"
        self.lost = asyncio.Event()
        self.refuses = False
        self.sent = list[str]()
        self.passing = asyncio.Event()
        self.passing.set()
        self.holds = ""
        self._server = server or cluster()
        self._serving = set[asyncio.Task[Any] | None]()

    @property
    def server_port(self) -> int:
        """The port of the server behind."""
        return self._server.port

    async def aclose(self) -> None:
        """Wait until every connection has ended, which the clients do."""
        self.passing.set()
        if tasks := {task for task in self._serving if task is not None}:
            await asyncio.wait(tasks)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward both ways until one of the sides closes, or the fault comes."""
        self._serving.add(asyncio.current_task())
        try:
            if self.refuses:
                return
            to_server = await asyncio.open_connection("127.0.0.1", self._server.port)
            silent = asyncio.Event()
            tasks = [
                asyncio.ensure_future(self._send(reader, to_server[1], silent)),
                asyncio.ensure_future(self._answer(to_server[0], writer, silent)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await _close(to_server[1])
        except OSError:
            return  # the server is not there
        finally:
            await _close(writer)
            self._serving.discard(asyncio.current_task())

    async def _send(self, client: asyncio.StreamReader, server: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        messages = _Messages()
        with suppress(ConnectionError):
            while data := await client.read(65_536):
                sent = messages.ends_in(data)
                self.sent += sent
                if self.holds and any(each.startswith(self.holds) for each in sent):
                    self.holds = ""
                    self.passing.clear()
                await self.passing.wait()
                if self.fault != "none" and COMMIT in data:
                    fault, self.fault = self.fault, "none"
                    self.lost.set()
                    if fault == "commit":
                        return
                    silent.set()
                    if fault == "swallowed":
                        continue
                    server.write(data)
                    if fault == "answer":
                        await asyncio.sleep(_COMMITTED_S)
                        return
                else:
                    server.write(data)
                await server.drain()

    async def _answer(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await server.read(65_536):
                await self.passing.wait()
                if not silent.is_set():  # the answer is lost, and so is all after it
                    client.write(data)
                    await client.drain()


class _Messages:
    """The messages of a client, whose first one, at the start of a connection, has no type."""

    def __init__(self) -> None:
        self._left = b""
        self._started = False

    def ends_in(self, data: bytes) -> list[str]:
        """Return what the server has to answer once it has got the data."""
        self._left += data
        found = list[str]()
        while len(self._left) >= 4 + self._started:
            kind = self._left[:1] if self._started else b""
            size = len(kind) + int.from_bytes(self._left[len(kind) : len(kind) + 4])
            if len(self._left) < size:
                break
            message, self._left = self._left[:size], self._left[size:]
            self._started = True
            if kind == b"Q":
                found.append(message[5:-1].decode())
            elif kind in (b"S", b"H"):
                found.append("Sync" if kind == b"S" else "Flush")
        return found


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def served(proxy: Proxy, url: str) -> AsyncGenerator[str]:
    """Serve a proxy, and yield the URL through it."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield url.replace(f":{proxy.server_port}/", f":{port}/")
    finally:
        server.close()
        await proxy.aclose()


@asynccontextmanager
async def vault_behind(proxy: Proxy, *, journal: str | None = None, **options: Any) -> AsyncGenerator[Vault]:
    """Open a journal of the shared server, by default a new one, through a proxy."""
    async with (
        served(proxy, runtime_url()) as url,
        Vault.connect(url, journal=journal or new_journal(), encryption="server", **options) as vault,
    ):
        yield vault
