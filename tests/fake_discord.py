"""As much of Discord (https://discord.com/developers/docs) as the recipe uses: a gateway and REST, on this machine."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from chat import OWNER, Attachment, Told, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["FakeDiscord"]

TOKEN = "canary-discord-token"
BOT = {"id": "8001", "username": "journal", "discriminator": "0", "avatar": None, "bot": True}
APPLICATION = {"id": "8001", "name": "journal", "description": "", "icon": None, "bot_public": False, "flags": 0,
               "bot_require_code_grant": False, "verify_key": "", "owner": BOT, "summary": ""}  # fmt: skip
STRING, ATTACHMENT, DEFERRED = 3, 11, 5
HEARTBEAT_MS, PULSES = 100, 3
HELLO, IDENTIFY, HEARTBEAT, HEARTBEAT_ACK = 10, 2, 1, 11


class FakeDiscord:
    """A server to which one bot belongs; commands come to it over the gateway, from people's direct messages."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Told] = asyncio.Queue()
        self.environment = {"BOT_TOKEN": TOKEN, "BOT_OWNER": str(OWNER)}
        self.secrets: tuple[str, ...] = (TOKEN,)
        self.asked = asyncio.Event()
        self._pulse = asyncio.Semaphore(0)
        self.commands: list[dict[str, Any]] = []
        self._gateway: web.WebSocketResponse | None = None
        self._address = ""
        self._files: list[Attachment] = []
        self._people: dict[str, int] = {}
        self._last_id = 1_215_700_000_000_000_000  # of March 2024
        self._sequence = 1
        self._sending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeDiscord]:
        """Serve while the block runs."""
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/gateway", self._talk)
        app.router.add_get("/files/{number}", self._answer_file)
        app.router.add_get("/api/users/@me", self._constant(BOT))
        app.router.add_get("/api/oauth2/applications/@me", self._constant(APPLICATION))
        app.router.add_put("/api/applications/8001/commands", self._take_commands)
        app.router.add_post("/api/interactions/{id}/{token}/callback", self._take_callback)
        app.router.add_post("/api/webhooks/8001/{token}", self._take_followup)
        runner, self._address = await serve(app)
        self.environment["DISCORD_API"] = f"http://{self._address}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def send_trade(self, words: str, *, person: int = OWNER) -> None:
        """Have somebody use ``/trade``."""
        values = dict(zip(("action", "quantity", "instrument", "price"), words.split(), strict=True))
        self._use("trade", [{"name": name, "type": STRING, "value": value} for name, value in values.items()], person)

    def send_last(self, *, person: int = OWNER) -> None:
        """Have somebody use ``/last``."""
        self._use("last", [], person)

    def send_chart(self, chart: Attachment, exec_id: str, caption: str | None = None, *, person: int = OWNER) -> None:
        """Have somebody use ``/chart``."""
        number = str(len(self._files))
        self._files.append(chart)
        url = f"http://{self._address}/files/{number}"
        file = {"id": number, "filename": "chart.png", "size": chart.told_size, "url": url, "proxy_url": url}
        options = [
            {"name": "trade", "type": STRING, "value": exec_id},
            {"name": "chart", "type": ATTACHMENT, "value": number},
        ]
        if caption is not None:
            options.append({"name": "caption", "type": STRING, "value": caption})
        self._use("chart", options, person, {"attachments": {number: file}})

    async def stopping(self) -> None:
        """Wait until a bot that was told to stop would have left, if it did not finish first: for a few heartbeats."""
        self._pulse = asyncio.Semaphore(0)
        for _ in range(PULSES):
            await self._pulse.acquire()

    def _use(
        self, name: str, options: list[dict[str, Any]], person: int, resolved: dict[str, Any] | None = None
    ) -> None:
        self._last_id += 2**22
        token = f"token-{self._last_id}"
        self._people[token] = person
        user = {"id": str(person), "username": "somebody", "discriminator": "0", "avatar": None}
        data = {"id": "1", "name": name, "type": 1, "options": options, "resolved": resolved or {}}
        interaction = {
            "id": str(self._last_id), "application_id": "8001", "type": 2, "token": token, "version": 1, "data": data,
            "channel_id": "5", "channel": {"id": "5", "type": 1, "recipients": [user]}, "user": user, "locale": "en-US",
            "entitlements": [], "authorizing_integration_owners": {"1": str(OWNER)}, "context": 1,
            "attachment_size_limit": 2**23,
        }  # fmt: skip
        task = asyncio.create_task(self._dispatch("INTERACTION_CREATE", interaction))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _dispatch(self, event: str, data: dict[str, Any]) -> None:
        self._sequence += 1
        assert self._gateway is not None
        await self._gateway.send_json({"op": 0, "t": event, "s": self._sequence, "d": data})

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        self._gateway = gateway = web.WebSocketResponse()
        await gateway.prepare(request)
        await gateway.send_json({"op": HELLO, "d": {"heartbeat_interval": HEARTBEAT_MS}})
        async for message in gateway:
            if message.type is not WSMsgType.TEXT:
                break
            said = message.json()
            if said["op"] == HEARTBEAT:
                self._pulse.release()
                await gateway.send_json({"op": HEARTBEAT_ACK})
            elif said["op"] == IDENTIFY and said["d"]["token"] == TOKEN:
                resume = f"http://{self._address}/gateway"
                ready = {"v": 10, "user": BOT, "guilds": [], "session_id": "s", "resume_gateway_url": resume}
                await self._dispatch("READY", ready | {"application": APPLICATION})
                self.asked.set()
        for _ in range(PULSES):
            self._pulse.release()
        return gateway

    def _constant(self, value: dict[str, Any]) -> Any:
        async def answer(_request: web.Request) -> web.Response:
            return _as_json(value)

        return answer

    async def _take_commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        numbers = {"id": "1", "application_id": "8001", "version": "1", "default_member_permissions": None}
        return _as_json([command | numbers for command in self.commands])

    async def _take_callback(self, request: web.Request) -> web.Response:
        assert (await request.json())["type"] == DEFERRED
        about = {"id": request.match_info["id"], "type": 2}
        return _as_json({"interaction": about, "resource": {"type": DEFERRED}})

    async def _take_followup(self, request: web.Request) -> web.Response:
        picture = None
        if request.content_type == "multipart/form-data":
            given = await request.post()
            payload = json.loads(str(given["payload_json"]))
            files = [value for value in given.values() if isinstance(value, web.FileField)]
            picture = await asyncio.to_thread(files[0].file.read)
        else:
            payload = await request.json()
        self.told.put_nowait(Told(self._people[request.match_info["token"]], payload["content"], picture))
        self._last_id += 1
        return _as_json({
            "id": str(self._last_id), "channel_id": "5", "author": BOT, "content": payload["content"], "type": 0,
            "timestamp": "2024-03-08T14:30:00+00:00", "edited_timestamp": None, "tts": False, "mention_everyone": False,
            "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": False, "flags": 64,
        })  # fmt: skip

    async def _answer_file(self, request: web.Request) -> web.Response:
        return await self._files[int(request.match_info["number"])].respond()


def _as_json(value: Any) -> web.Response:
    # discord.py compares the whole header.
    return web.Response(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})
