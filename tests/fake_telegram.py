"""As much of the Telegram Bot API as the recipes use (https://core.telegram.org/bots/api), on this machine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from chat import OWNER, Attachment, Told, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["FakeTelegram"]

TOKEN = "8001:canary-telegram-token"
SENT_AT = 1_709_908_200  # 2024-03-08T14:30:00Z


class FakeTelegram:
    """A server to which one bot belongs. An update is delivered until it was confirmed, as the real one does."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Told] = asyncio.Queue()
        self.environment = {"BOT_TOKEN": TOKEN, "BOT_OWNER": str(OWNER)}
        self.secrets: tuple[str, ...] = (TOKEN,)
        self.updates: list[dict[str, Any]] = []
        self.asked = asyncio.Event()
        self._left = asyncio.Event()
        self._new = asyncio.Event()
        self._files: dict[str, Attachment] = {}
        self._last_id = 0
        self._confirming = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeTelegram]:
        """Serve while the block runs."""
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/bot{token}/{method}", self._answer_method)
        app.router.add_get("/file/bot{token}/{file}", self._answer_file)
        runner, address = await serve(app)
        self.environment["BOT_API"] = f"http://{address}"
        try:
            yield self
        finally:
            self._new.set()
            await runner.cleanup()

    def send_trade(self, words: str, *, person: int = OWNER) -> None:
        """Have somebody send a trade."""
        self._send({"text": f"/trade {words}", "entities": [_command("/trade")]}, person)

    def send_last(self, *, person: int = OWNER) -> None:
        """Have somebody ask for the last trades."""
        self._send({"text": "/last", "entities": [_command("/last")]}, person)

    def send_chart(self, chart: Attachment, exec_id: str, caption: str | None = None, *, person: int = OWNER) -> None:
        """Have somebody send a photo in reply to what the bot said of a trade."""
        name = f"file{len(self._files)}.png"
        self._files[name] = chart
        size = {"file_id": name, "file_unique_id": name, "width": 90, "height": 90, "file_size": chart.told_size}
        reply = self._message({"text": f"Stored as {exec_id}: BOT 100 SPY at 619.61"}, person)
        small = {**size, "file_id": "small", "file_size": 1}
        self._send({"photo": [small, size], "reply_to_message": reply, "caption": caption or ""}, person)

    async def stopping(self) -> None:
        """Wait until a bot that was told to stop has given up listening, though it may not be done."""
        await self._left.wait()

    def withhold_confirmations(self) -> None:
        """Deliver again what is delivered from now on, as to a bot that died before it asked for more."""
        self._confirming = False

    def _message(self, content: dict[str, Any], person: int) -> dict[str, Any]:
        self._last_id += 1
        someone = {"id": person, "is_bot": False, "first_name": "Somebody"}
        chat = {"id": person, "type": "private", "first_name": "Somebody"}
        return {"message_id": self._last_id, "date": SENT_AT, "chat": chat, "from": someone, **content}

    def _send(self, content: dict[str, Any], person: int) -> None:
        message = self._message(content, person)
        self.updates.append({"update_id": message["message_id"], "message": message})
        self._new.set()

    async def _answer_method(self, request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        given: dict[str, Any] = dict(await request.post())
        method = request.match_info["method"]
        if (answer := getattr(self, f"_{method}", None)) is None:
            return web.json_response({"ok": False, "error_code": 404, "description": f"no {method}"}, status=404)
        return web.json_response({"ok": True, "result": await answer(given)})

    async def _answer_file(self, request: web.Request) -> web.Response:
        return await self._files[request.match_info["file"]].respond()

    async def _getMe(self, _given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - Telegram's names
        return {"id": 8001, "is_bot": True, "first_name": "Journal", "username": "journal_bot"}

    async def _setMyCommands(self, _given: dict[str, Any]) -> bool:  # noqa: N802
        return True

    async def _deleteWebhook(self, _given: dict[str, Any]) -> bool:  # noqa: N802
        return True

    async def _getUpdates(self, given: dict[str, Any]) -> list[dict[str, Any]]:  # noqa: N802
        self.asked.set()
        offset = int(given.get("offset", 0))
        if self._confirming:
            self.updates = [update for update in self.updates if update["update_id"] >= offset]
        if not (waiting := self._from(offset)) and float(given.get("timeout", 0)) > 0:
            self._new.clear()
            try:
                async with asyncio.timeout(float(given["timeout"])):
                    await self._new.wait()
            except TimeoutError:
                pass
            except asyncio.CancelledError:
                self._left.set()  # aiohttp cancels what a client no longer waits for
                raise
            waiting = self._from(offset)
        return waiting

    def _from(self, offset: int) -> list[dict[str, Any]]:
        return [update for update in self.updates if update["update_id"] >= offset]

    async def _getFile(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        size = self._files[given["file_id"]].told_size
        return {"file_id": given["file_id"], "file_unique_id": "u", "file_size": size, "file_path": given["file_id"]}

    async def _sendMessage(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.told.put_nowait(Told(int(given["chat_id"]), given["text"]))
        return self._message({"text": given["text"]}, int(given["chat_id"]))

    async def _sendPhoto(self, given: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        files = [value for value in given.values() if isinstance(value, web.FileField)]
        told = Told(int(given["chat_id"]), given["caption"], await asyncio.to_thread(files[0].file.read))
        self.told.put_nowait(told)
        return self._message({"photo": []}, told.person)


def _command(text: str) -> dict[str, Any]:
    return {"type": "bot_command", "offset": 0, "length": len(text)}
