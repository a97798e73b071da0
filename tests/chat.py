"""What the fakes of chat platforms have in common: the people, what they send, and what they are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web

__all__ = ["OWNER", "STRANGER", "Attachment", "Platform", "Told", "serve"]

OWNER = 42
STRANGER = 43


@dataclass(frozen=True)
class Told:
    """What a bot told somebody."""

    person: int
    text: str
    picture: bytes | None = None


@dataclass
class Attachment:
    """A file that somebody sends.

    Attributes:
        data: Its bytes.
        size: What the platform says of its size; the truth where it is ``None``.
        broken: The server that keeps it answers with an error.
        asked_for: Set once somebody began to download it.
        kept: Nobody gets it before this is set.
    """

    data: bytes
    size: int | None = None
    broken: bool = False
    asked_for: asyncio.Event = field(default_factory=asyncio.Event)
    kept: asyncio.Event | None = None

    @property
    def told_size(self) -> int:
        """What the platform says."""
        return len(self.data) if self.size is None else self.size

    async def respond(self) -> web.Response:
        """Answer who asks for it."""
        self.asked_for.set()
        if self.kept is not None:
            await self.kept.wait()
        return web.Response(status=500) if self.broken else web.Response(body=self.data)


class Platform(Protocol):
    """A place where people talk to a bot.

    Attributes:
        told: What it tells them.
        asked: Set when it listens.
        environment: Its settings.
        secrets: Those of them that it must keep.
    """

    told: asyncio.Queue[Told]
    asked: asyncio.Event
    environment: dict[str, str]
    secrets: tuple[str, ...]

    def send_trade(self, words: str, *, person: int = OWNER) -> Any:
        """Have somebody send ``/trade`` with these words."""

    def send_chart(self, chart: Attachment, exec_id: str, caption: str | None = None, *, person: int = OWNER) -> Any:
        """Have somebody send a chart of the trade."""

    def send_last(self, *, person: int = OWNER) -> Any:
        """Have somebody send ``/last``."""

    async def stopping(self) -> None:
        """Wait until a bot that was told to stop is about it."""


async def serve(app: web.Application) -> tuple[web.AppRunner, str]:
    """Serve on a free port of this machine; return what to clean up, and the address."""
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"127.0.0.1:{runner.addresses[0][1]}"
