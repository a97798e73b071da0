"""``python -m examples.bots.ptb_bot``: a journal that is kept in a Telegram chat, with python-telegram-bot."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from telegram import Message, Update
from telegram.ext import Application, ApplicationBuilder, CommandHandler, ContextTypes, MessageHandler, filters

from examples.bots import journal
from zorivest_async import SqlAlchemyUnitOfWork, Vault

_VAULT = "vault"
_Handler = Callable[[Message, SqlAlchemyUnitOfWork], Awaitable[journal.Answer]]


async def record_trade(message: Message, uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """Store the trade that the message tells of."""
    exec_id = f"telegram-{message.get_bot().id}-{message.message_id}"
    _command, _, words = (message.text or "").partition(" ")
    return await journal.record_trade(uow, exec_id, message.date, words)


async def attach_chart(message: Message, uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """Attach a photo, or an image sent as a file, to the trade that it replies to."""
    exec_id = journal.trade_named_in(getattr(message.reply_to_message, "text", None))
    sent = message.photo[-1] if message.photo else message.document
    if sent is None:
        raise journal.UsageError
    journal.check_size(sent.file_size)
    file = await sent.get_file()  # nothing was asked of the unit yet: nobody waits for it meanwhile
    return await journal.attach_chart(uow, exec_id, bytes(await file.download_as_bytearray()), message.caption)


async def list_last(_message: Message, uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """List the last trades, and show a chart."""
    return await journal.list_last(uow)


async def explain_usage(_message: Message, _uow: SqlAlchemyUnitOfWork) -> journal.Answer:
    """Answer what is no command."""
    return journal.Answer(journal.USAGE)


async def handle(
    handler: _Handler, update: Update, context: ContextTypes.DEFAULT_TYPE, *, read_only: bool = False
) -> None:
    """Give a message a unit of work, commit it, and only then answer."""
    message = update.effective_message
    if message is None:
        return
    try:
        vault: Vault = context.bot_data[_VAULT]
        async with vault.unit_of_work(read_only=read_only) as uow:
            answer = await handler(message, uow)
            if not read_only:
                await uow.commit()
        answer = await journal.illustrate(vault, answer)
    except Exception as error:  # noqa: BLE001 - the user gets it, or it is logged
        answer = journal.explain(error)
    if answer.picture is None:
        await message.reply_text(answer.text)
    else:
        await message.reply_photo(answer.picture, caption=answer.text, filename="chart.webp")


def create_application() -> Application[Any, Any, Any, Any, Any, Any]:
    """Return the bot; its vault is opened before the first update and closed after the last."""
    journal.setting("ZORIVEST_PASSPHRASE")  # now: after a SystemExit in post_init, the bot ends without a word
    api = journal.setting("BOT_API", "https://api.telegram.org")
    # The chat with a person has the person's number: nobody else gets an answer, and it shows in no group.
    owner = filters.Chat(journal.owner()) & filters.UpdateType.MESSAGE
    opened = AsyncExitStack()

    async def open_vault(application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        application.bot_data[_VAULT] = await opened.enter_async_context(journal.open_journal())
        await application.bot.set_my_commands([("trade", "Store a trade"), ("last", "List the last trades")])

    async def close_vault(_application: Application[Any, Any, Any, Any, Any, Any]) -> None:
        await opened.aclose()

    builder = ApplicationBuilder().token(journal.setting("BOT_TOKEN"))
    builder.base_url(f"{api}/bot").base_file_url(f"{api}/file/bot").concurrent_updates(True)
    application = builder.post_init(open_vault).post_shutdown(close_vault).build()
    application.add_handlers([
        CommandHandler("trade", partial(handle, record_trade), owner),
        CommandHandler("last", partial(handle, list_last, read_only=True), owner),
        MessageHandler(owner & (filters.PHOTO | filters.Document.ALL), partial(handle, attach_chart)),
        MessageHandler(owner, partial(handle, explain_usage)),
    ])  # fmt: skip
    return application


if __name__ == "__main__":
    with journal.token_hidden():
        create_application().run_polling(allowed_updates=[Update.MESSAGE])  # until SIGINT or SIGTERM
