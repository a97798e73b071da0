"""``python -m examples.bots.aiogram_bot``: a journal that is kept in a Telegram chat, with aiogram."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiogram import BaseMiddleware, Bot, Dispatcher, F, Router
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.dispatcher.flags import get_flag
from aiogram.filters import Command, CommandObject
from aiogram.methods import TelegramMethod
from aiogram.types import BotCommand, BufferedInputFile, Message

from examples.bots import journal
from zorivest_async import SqlAlchemyUnitOfWork, Vault

router = Router()


@router.message(F.text, Command("trade"))  # which may be a caption, too
async def record_trade(message: Message, bot: Bot, command: CommandObject, uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """Store the trade that the message tells of."""
    exec_id = f"telegram-{bot.id}-{message.message_id}"
    return await journal.record_trade(uow, exec_id, message.date, command.args or "")


@router.message(F.photo[-1].as_("file") | F.document.as_("file"))
async def attach_chart(message: Message, bot: Bot, file: Any, uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """Attach a photo, or an image sent as a file, to the trade that it replies to."""
    exec_id = journal.trade_named_in(getattr(message.reply_to_message, "text", None))
    journal.check_size(file.file_size)
    downloaded = await bot.download(file)  # nothing was asked of the unit yet: nobody waits for it meanwhile
    return await journal.attach_chart(uow, exec_id, downloaded.read() if downloaded else b"", message.caption)


@router.message(Command("last"), flags={"read_only": True})
async def list_last(_message: Message, uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """List the last trades, and show a chart."""
    return await journal.list_last(uow)


@router.message()
async def explain_usage(_message: Message) -> journal.Answer:
    """Answer what is no command."""
    return journal.Answer(journal.USAGE)


class UnitOfWorkMiddleware(BaseMiddleware):
    """Gives each message a unit of work, commits it, and only then answers.

    Args:
        vault: The journal.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.at_work = journal.UpdatesAtWork()

    async def __call__(
        self, handler: Callable[[Any, dict[str, Any]], Awaitable[Any]], message: Any, data: dict[str, Any]
    ) -> TelegramMethod[Message]:
        """Call the handler and return the method that sends its answer, which aiogram then calls."""
        self.at_work.add_current()
        try:
            read_only = bool(get_flag(data, "read_only"))
            async with self._vault.unit_of_work(read_only=read_only) as uow:
                answer = await handler(message, data | {"uow": uow})
                if not read_only:
                    await uow.commit()
            answer = await journal.illustrate(self._vault, answer)
        except Exception as error:  # noqa: BLE001 - the user gets it, or it is logged
            answer = journal.explain(error)
        method: TelegramMethod[Message] = message.answer(answer.text)
        if answer.picture is not None:
            method = message.answer_photo(BufferedInputFile(answer.picture, "chart.webp"), caption=answer.text)
        return method


async def main() -> None:
    """Answer the owner until told to stop (SIGINT, SIGTERM); the vault is open for as long."""
    server = TelegramAPIServer.from_base(journal.setting("BOT_API", "https://api.telegram.org"))
    owner = journal.owner()
    async with (
        Bot(journal.setting("BOT_TOKEN"), AiohttpSession(api=server)) as bot,
        journal.open_journal() as vault,
    ):
        units = UnitOfWorkMiddleware(vault)
        dispatcher = Dispatcher()
        dispatcher.include_router(router)
        # The chat with a person has the person's number: nobody else gets an answer, and it shows in no group.
        router.message.filter(F.chat.id == owner)
        router.message.middleware(units)
        dispatcher.shutdown.register(units.at_work.finish)  # aiogram does not wait for handlers
        await bot.set_my_commands([BotCommand(command="trade", description="Store a trade"),
                                   BotCommand(command="last", description="List the last trades")])  # fmt: skip
        await dispatcher.start_polling(bot)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt), journal.token_hidden():  # which is how Ctrl-C arrives on Windows
        asyncio.run(main())
