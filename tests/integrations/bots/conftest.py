"""A bot as a process of its own, over a vault of its own, and the platform that it believes to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest
import pytest_asyncio

from conftest import PASSPHRASE
from fake_discord import FakeDiscord
from fake_telegram import FakeTelegram
from workers.launch import command, environment
from zorivest_async import KdfProfile, Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from chat import Platform, Told

_T = TypeVar("_T")

ROOT = Path(__file__).parents[3]

HARMLESS = ("voice will NOT be supported", "Received SIG")
"""What discord.py says without its extra, and aiogram when it is told to stop."""


class Bot:
    """A running bot.

    Attributes:
        process: Its process.
        platform: Where it talks.
        path: Its vault.
    """

    def __init__(self, process: asyncio.subprocess.Process, platform: Platform, path: Path) -> None:
        self.process = process
        self.platform = platform
        self.path = path

    async def answer(self) -> Told:
        """Return what it tells next."""
        return await self._unless_it_ends(self.platform.told.get())

    async def ready(self, asked: asyncio.Event) -> None:
        """Wait until it listens."""
        await self._unless_it_ends(asked.wait())

    async def _unless_it_ends(self, work: Coroutine[Any, Any, _T]) -> _T:
        answer, end = asyncio.ensure_future(work), asyncio.ensure_future(self.process.wait())
        await asyncio.wait({answer, end}, return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        if not answer.done():
            answer.cancel()
            _, complaints = await self.process.communicate()
            pytest.fail(f"the process ended: {complaints.decode()}")
        return answer.result()

    async def end(self, how: signal.Signals = signal.SIGTERM) -> str:
        """Tell it to stop; it must end in order, leaving no thread and no secret. Return what it complained of."""
        self.process.send_signal(how)
        return await self.ended()

    async def ended(self) -> str:
        """Wait for its end, which must be in order."""
        printed, complained = await self.process.communicate()
        lines = [line for line in complained.decode().splitlines() if not any(known in line for known in HARMLESS)]
        complaints = "\n".join(lines)
        assert (self.process.returncode, printed.decode().strip()) == (0, "[]"), complaints
        for secret in (PASSPHRASE, *self.platform.secrets):
            assert secret not in complained.decode()
        assert not await asyncio.to_thread(self.path.with_name(f"{self.path.name}-wal").exists)
        return complaints

    def vault(self) -> AbstractAsyncContextManager[Vault]:
        """Open its vault beside it."""
        return Vault.open(self.path, passphrase=PASSPHRASE, create=False)


class Start(Protocol):
    """Starts a bot and waits until it listens."""

    def __call__(self, platform: Any, *, passphrase: str = PASSPHRASE) -> AbstractAsyncContextManager[Bot]:
        """Start it; it is killed at the end of the block if it still runs."""


@pytest_asyncio.fixture
async def platform(recipe: str) -> AsyncIterator[Platform]:
    """What the bot of the recipe that the test names talks to."""
    if recipe == "discord_bot":
        async with FakeDiscord().running() as discord:
            yield discord
    else:
        async with FakeTelegram().running() as telegram:
            yield telegram


@pytest.fixture
def start(recipe: str, tmp_path: Path) -> Start:
    """Start the recipe that the test names."""

    @asynccontextmanager
    async def start_one(platform: Any, *, passphrase: str = PASSPHRASE) -> AsyncIterator[Bot]:
        path = tmp_path / "journal.vault"
        async with Vault.open(path, passphrase=PASSPHRASE, profile=KdfProfile.CHEAPEST):
            pass  # the cheapest of all, so that the bot does not take a second to open it
        settings = {
            "JOURNAL": str(path),
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            "PYTHONWARNINGS": "error::ResourceWarning,error::RuntimeWarning",
            "ZORIVEST_PASSPHRASE": passphrase,
        }
        process = await asyncio.create_subprocess_exec(
            *command("bot", recipe),
            env=environment() | platform.environment | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        bot = Bot(process, platform, path)
        try:
            await bot.ready(platform.asked)
            platform.asked.clear()
            yield bot
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.communicate()

    return start_one
