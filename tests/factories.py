"""What tests are made of: valid entities with fields to override, pictures, and the expectations they share."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from PIL import Image
from sqlalchemy import event

from zorivest_async import (
    Account,
    AccountType,
    BalanceSnapshot,
    ConvictionLevel,
    ImageAttachment,
    ImageOwnerType,
    Import,
    MarketProviderSetting,
    SqlAlchemyUnitOfWork,
    Trade,
    TradeAction,
    TradePlan,
    TradeReport,
    Watchlist,
    WatchlistItem,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sqlalchemy.ext.asyncio import AsyncEngine

    from implementations import Journal

OPENING_BELL = datetime(2024, 3, 8, 14, 30, tzinfo=UTC)
"""A Friday, half past nine in New York."""

FAKE_BYTES = b"\x89PNG_fake_data"
"""Not an image, though it begins like one: for tests that never look at pixels."""

TRICKY_TEXTS = [
    "100% _real_",
    "O'Brien; DROP TABLE trades--",
    'say "when"',
    "naïve Ünïcødé 株 🚀",
    "a\\b\n\tc",
    " ",
    "NULL",
]
"""Texts that a careless statement would not store, or not find."""

_ErrorT = TypeVar("_ErrorT", bound=BaseException)


def _merge(changes: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    return defaults | changes


def minutes_later(minutes: float) -> datetime:
    """Return a moment after the opening bell, or before it."""
    return OPENING_BELL + timedelta(minutes=minutes)


def make_account(account_id: str = "U1", **changes: Any) -> Account:
    """Make a broker's account."""
    return Account(**_merge(changes, account_id=account_id, name="Margin", account_type=AccountType.BROKER))


def make_trade(exec_id: str = "0001", **changes: Any) -> Trade:
    """Make an execution in account ``U1``."""
    execution = _merge(changes, time=OPENING_BELL, action=TradeAction.BOT, quantity=100, price=513.07)
    return Trade(**_merge(execution, exec_id=exec_id, instrument="SPY", account_id="U1"))


def make_trades(count: int, *, first: int = 0, **changes: Any) -> list[Trade]:
    """Make executions a minute apart, oldest first, numbered from ``first``."""
    return [make_trade(f"{n:05}", **_merge(changes, time=minutes_later(n))) for n in range(first, first + count)]


def make_snapshot(account_id: str = "U1", **changes: Any) -> BalanceSnapshot:
    """Make a balance at the opening bell."""
    return BalanceSnapshot(**_merge(changes, account_id=account_id, datetime=OPENING_BELL, balance=10_000.0))


def make_report(trade_id: str = "0001", **changes: Any) -> TradeReport:
    """Make a review of trade ``0001``."""
    return TradeReport(**_merge(changes, trade_id=trade_id, setup_quality=4, tags=("breakout",)))


def make_plan(ticker: str = "SPY", **changes: Any) -> TradePlan:
    """Make a plan to buy."""
    return TradePlan(**_merge(changes, ticker=ticker, direction=TradeAction.BOT, conviction=ConvictionLevel.HIGH))


def make_watchlist(name: str = "Semiconductors", *tickers: str, **changes: Any) -> Watchlist:
    """Make a watchlist of tickers."""
    return Watchlist(**_merge(changes, name=name, items=tuple(make_item(ticker) for ticker in tickers)))


def make_item(ticker: str = "NVDA", **changes: Any) -> WatchlistItem:
    """Make a watchlist's item."""
    return WatchlistItem(ticker, **changes)


def make_provider(provider_name: str = "Alpha Vantage", **changes: Any) -> MarketProviderSetting:
    """Make a provider's settings, without an API key."""
    return MarketProviderSetting(provider_name, **changes)


def make_image_entity(data: bytes = FAKE_BYTES, **changes: Any) -> ImageAttachment:
    """Make an image as an entity, which nobody has looked into."""
    return ImageAttachment(data, **changes)


def make_picture(width: int = 320, height: int = 180, color: str = "teal", image_format: str = "PNG") -> bytes:
    """Draw a picture of two colours and return the bytes of its file."""
    picture = Image.new("RGB", (width, height), color)
    picture.paste("white", (0, 0, (width + 1) // 2, (height + 1) // 2))
    buffer = BytesIO()
    picture.save(buffer, image_format)
    return buffer.getvalue()


def make_png(width: int = 320, height: int = 180, color: str = "teal") -> bytes:
    """Draw a PNG and return the bytes of its file."""
    return make_picture(width, height, color)


def make_noise_png(width: int = 400, height: int = 300) -> bytes:
    """Draw a PNG that hardly compresses, as screenshots do: about 160 kB at the default size."""
    buffer = BytesIO()
    Image.effect_noise((width, height), 80).save(buffer, "PNG")
    return buffer.getvalue()


def size_of_picture(data: bytes) -> tuple[str | None, int, int]:
    """Return the format, width and height of a picture."""
    with Image.open(BytesIO(data)) as picture:
        return picture.format, *picture.size


def assert_same(found: object, saved: Any, **given: Any) -> None:
    """Check that an entity came back equal in every field and type, but for what storing it has given it."""
    assert _exactly(found) == _exactly(replace(saved, **given))


def _exactly(entity: Any) -> dict[str, tuple[type, object]]:
    values = {field.name: getattr(entity, field.name) for field in fields(entity)}
    return {"class": (type, type(entity))} | {name: (type(value), value) for name, value in values.items()}


async def store_a_text_everywhere(journal: Journal) -> None:
    """Store a text of its own in every field that has any, beside account ``U1`` and its trade ``0001``."""
    async with journal.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        await uow.accounts.save(make_account("U2", notes="alpha money for a house"))
        await uow.trades.save_many([make_trade("0020", notes="juliett was a fat finger"), make_trade("0021")])
        await uow.trade_reports.save(make_report(lessons_learned="bravo: wait for the close"))
        await uow.images.attach(ImageOwnerType.TRADE, "0001", make_png(), caption="charlie at the open")
        await uow.trade_plans.save(
            make_plan(
                strategy_name="delta neutral",
                strategy_description="echo of an older idea",
                entry_conditions="foxtrot above the average",
                exit_conditions="golf below it",
            )
        )
        await uow.watchlists.save(make_watchlist(description="hotel chains"))
        await uow.watchlists.add_item(1, make_item(notes="india is where it sells"))
        await uow.commit()


TEXT_DELETIONS: dict[str, tuple[str, Callable[[SqlAlchemyUnitOfWork], Any]]] = {
    "account": ("alpha", lambda uow: uow.accounts.delete("U2")),
    "report": ("bravo", lambda uow: uow.trade_reports.delete(1)),
    "image": ("charlie", lambda uow: uow.images.delete(1)),
    "plan": ("delta", lambda uow: uow.trade_plans.delete(1)),
    "trade": ("juliett", lambda uow: uow.trades.delete("0020")),
    "no more notes of a trade": ("juliett", lambda uow: uow.trades.update(make_trade("0020"))),
    "no more notes of many trades": (
        "juliett",
        lambda uow: uow.trades.save_many([make_trade("0020"), make_trade("0022")], "update"),
    ),
    "watchlist": ("hotel", lambda uow: uow.watchlists.delete(1)),
    "item": ("india", lambda uow: uow.watchlists.remove_item(1)),
    "trade, for its report": ("bravo", lambda uow: uow.trades.delete("0001")),
    "trade, for its image": ("charlie", lambda uow: uow.trades.delete("0001")),
    "watchlist, for its item": ("india", lambda uow: uow.watchlists.delete(1)),
    "no more notes": ("alpha", lambda uow: uow.accounts.update(make_account("U2"))),
}
"""A word of each of those texts, and what takes it out of the journal."""


@contextmanager
def statements_of(engine: AsyncEngine) -> Iterator[list[str]]:
    """Collect the statements that an engine sends while the block runs."""
    statements: list[str] = []

    def collect(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", collect)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", collect)


@asynccontextmanager
async def refusal(
    journal: Journal, error: type[_ErrorT]
) -> AsyncIterator[tuple[SqlAlchemyUnitOfWork, pytest.ExceptionInfo[_ErrorT]]]:
    """Expect an error in the block, and that the unit of work goes on after it with all that it had stored before."""
    async with journal.unit_of_work() as uow:
        await uow.settings.set("stored before", 1)
        with pytest.raises(error) as caught:
            yield uow, caught
        await uow.settings.set("stored after", 2)
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        assert [setting.key for setting in await uow.settings.get_all()] == ["stored after", "stored before"]


def make_import(**changes: Any) -> Import:
    """Make the record of an import."""
    return Import(**_merge(changes, source="statement.csv", sha256="0" * 64))
