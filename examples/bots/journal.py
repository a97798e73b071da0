"""What a bot does to a journal; nothing here knows a framework.

Each function gets the unit of work of one update, and answers. Whoever calls it commits before the answer is sent, so
that what a user was told of is there.
"""

import asyncio
import gc
import logging
import os
import re
import traceback
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from zorivest_async import (
    Account,
    AccountType,
    DuplicateError,
    ForeignKeyError,
    ImageOwnerType,
    ImagePolicy,
    ImageTooLargeError,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeAction,
    Vault,
    VaultError,
    ZorivestError,
)

__all__ = [
    "USAGE",
    "Answer",
    "UpdatesAtWork",
    "UsageError",
    "attach_chart",
    "check_size",
    "explain",
    "illustrate",
    "list_last",
    "open_journal",
    "owner",
    "record_trade",
    "setting",
    "token_hidden",
    "trade_named_in",
]

USAGE = (
    "/trade BOT 100 SPY 619.61 stores a trade, a chart sent in reply to its number explains it, /last lists the last."
)

_ACCOUNT = "BOT"
_IMAGES = ImagePolicy()
_LAST = 5
_CHART_PX = 1280
_PATIENCE_S = 10.0
_LONGEST_CAPTION = 1024  # of a photo in Telegram
_OF_TRADE = ImageOwnerType.TRADE
_EXPLANATIONS: dict[type[Exception], str] = {
    DuplicateError: "This is stored already.",
    ForeignKeyError: "There is no such trade; nothing was stored.",
}


class Answer(NamedTuple):
    """What a user is told, and a picture in WebP: that of a chart, which is made when the unit of work has ended."""

    text: str
    picture: bytes | None = None
    chart: int | None = None


class UpdatesAtWork:
    """The tasks that handle updates, for frameworks that do not wait for them when they stop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def add_current(self) -> None:
        """Remember the task that this is called in."""
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all of them, no longer than 10 s; what is cancelled after that is rolled back."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE_S)


class UsageError(Exception):
    """The words are not those of a command."""


def setting(name: str, default: str | None = None) -> str:
    """Return an environment variable; without it and a default, the program ends and says so."""
    value = os.environ.get(name) or default
    if value is None:
        raise SystemExit(f"set the environment variable {name}")
    return value


def owner() -> int:
    """Return the number of the only person who is answered; without one, the program ends and says so."""
    number = setting("BOT_OWNER")
    if not number.isdecimal():
        raise SystemExit("BOT_OWNER must be your number on the platform, not a name")
    return int(number)


@contextmanager
def token_hidden() -> Generator[None]:
    """Keep the bot's token out of what is printed and logged, while a framework runs.

    A platform that refuses a token, or an address that is wrong, makes frameworks raise and log errors whose texts have
    the token in them. So errors are shown by type and place alone, but for the library's, which say what to do.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)  # frameworks warn of what is meant, such as an intent that is not asked for
    handler.setFormatter(_FormatterWithoutToken(setting("BOT_TOKEN")))
    logging.basicConfig(handlers=[handler])
    try:
        yield
    except ZorivestError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a framework raises
        raise SystemExit(f"the bot ended: {_place_of(error)}") from None


class _FormatterWithoutToken(logging.Formatter):
    def __init__(self, token: str) -> None:
        super().__init__("%(message)s")
        self._token = token

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return _place_of(ei[1])

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace(self._token, "BOT_TOKEN")


@asynccontextmanager
async def open_journal() -> AsyncGenerator[Vault]:
    """Open the vault for as long as the bot runs, on the bot's event loop; make it where there is none."""
    path, passphrase = setting("JOURNAL", "journal.vault"), setting("ZORIVEST_PASSPHRASE")
    async with Vault.open(path, passphrase=passphrase, images=_IMAGES) as vault:
        async with vault.unit_of_work() as uow:
            if not await uow.accounts.exists(_ACCOUNT):
                await uow.accounts.save(Account(_ACCOUNT, "Recorded by a bot", AccountType.BROKER))
                await uow.commit()
        gc.freeze()  # what was imported stays: looking through it again and again would hold the event loop
        yield vault


async def record_trade(uow: SqlAlchemyUnitOfWork, exec_id: str, time: datetime, words: str) -> Answer:
    """Store a trade, ``BOT 100 SPY 619.61``.

    Args:
        uow: The update's unit of work.
        exec_id: What the platform numbers the message by: a message that is delivered again is not stored again.
        time: When the message was sent.
        words: What follows the command.

    Raises:
        UsageError: There are more words or fewer, or one is not what it should be.
        ValidationError: A value cannot be right.
        DuplicateError: The message was delivered before.
    """
    try:
        action, quantity, instrument, price = words.split()
        side, amount, paid = TradeAction(action.upper()), float(quantity), float(price)
    except ValueError:
        raise UsageError from None
    trade = Trade(exec_id, time, instrument.upper(), side, amount, paid, _ACCOUNT)
    await uow.trades.save(trade)
    return Answer(f"Stored as {exec_id}: {_line(trade)}")


async def attach_chart(uow: SqlAlchemyUnitOfWork, exec_id: str, data: bytes, caption: str | None) -> Answer:
    """Attach a chart to its trade; it is decoded in a thread, before the unit takes the lock of writers.

    Raises:
        ForeignKeyError: There is no such trade.
        ImageError: The file is too large, damaged or no image.
        DuplicateError: The trade has this chart: the message was delivered before.
    """
    number = await uow.images.attach(_OF_TRADE, exec_id, data, caption=caption or None)
    for other in await uow.images.list_for_owner(_OF_TRADE, exec_id, limit=None):
        if other.id is None or other.id == number or other.file_size != len(data):
            continue
        if await uow.images.get_full_data(other.id) == data:
            raise DuplicateError("ImageAttachment", number)
    return Answer(f"Stored the chart of {exec_id}.")


async def list_last(uow: SqlAlchemyUnitOfWork) -> Answer:
    """Return the last trades, newest first, with the newest chart of the newest of them that has one."""
    trades = await uow.trades.list_all(limit=_LAST)
    text = "\n".join(f"{trade.time:%Y-%m-%d %H:%M} {_line(trade)}" for trade in trades) or "No trades."
    for trade in trades:
        for chart in await uow.images.list_for_owner(_OF_TRADE, trade.exec_id, limit=1):
            if chart.id is not None:
                return Answer(text[:_LONGEST_CAPTION], chart=chart.id)
    return Answer(text[:_LONGEST_CAPTION])


async def illustrate(vault: Vault, answer: Answer) -> Answer:
    """Return an answer with the picture of its chart; call it outside a unit of work, so that others need not wait."""
    if answer.chart is None:
        return answer
    return answer._replace(picture=await vault.thumbnail(answer.chart, _CHART_PX))


def check_size(size_bytes: int | None) -> None:
    """Refuse a file before it is downloaded, where the platform tells its size.

    Raises:
        ImageTooLargeError: The vault's image policy allows less.
    """
    if size_bytes is not None and size_bytes > _IMAGES.max_bytes:
        raise ImageTooLargeError("bytes", size_bytes, _IMAGES.max_bytes)


def trade_named_in(text: str | None) -> str:
    """Return the ``exec_id`` in an answer of the bot's.

    Raises:
        UsageError: There is none.
    """
    if (found := re.match(r"Stored as (\S+):", text or "")) is None:
        raise UsageError
    return found[1]


def explain(error: Exception) -> Answer:
    """Say why an update was undone, without a value of the journal's, its path or the words of another library."""
    if type(error) in _EXPLANATIONS:
        return Answer(_EXPLANATIONS[type(error)])
    if isinstance(error, UsageError):
        return Answer(USAGE)
    if isinstance(error, ZorivestError):
        # The text of an error about a vault begins with the path of its file.
        return Answer(f"Nothing was stored: {error.problem if isinstance(error, VaultError) else error}.")
    logging.getLogger(__name__).error("An update could not be handled: %s", _place_of(error))
    return Answer("Nothing was stored: that went wrong here, not with you.")


def _place_of(error: BaseException) -> str:
    """Return an error's type and place, not its text: an address in it has the bot's token in it."""
    return "\n".join([type(error).__name__, *traceback.format_tb(error.__traceback__)])


def _line(trade: Trade) -> str:
    return f"{trade.action} {trade.quantity:.15g} {trade.instrument} at {trade.price:.15g}"
