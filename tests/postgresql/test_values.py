"""Values at the edges, through the repositories, are exact, or a ``ValidationError`` before anything is sent."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from factories import (
    OPENING_BELL,
    assert_same,
    make_account,
    make_image_entity,
    make_plan,
    make_provider,
    make_report,
    make_snapshot,
    make_trade,
    make_watchlist,
)
from journal_server import runtime_url
from server_proxy import Proxy, vault_behind
from zorivest_async import ImageOwnerType, ValidationError, Vault, WatchlistItem
from zorivest_async.domain.entities import SequencedTrade

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from zorivest_async import ImageAttachment, SqlAlchemyUnitOfWork

pytestmark = pytest.mark.asyncio

TOO_LONG = "at most 512 characters, and 1,024 bytes"

TIMES = [
    datetime.min.replace(tzinfo=UTC),
    datetime.min.replace(microsecond=1, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
]
"""The first, the last, and those around the time from which PostgreSQL counts."""

INTEGERS = [1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1]


@pytest.fixture
def proxy() -> Proxy:
    """A proxy before the server, which has a database with the schema."""
    runtime_url()
    return Proxy()


@pytest_asyncio.fixture
async def vault(proxy: Proxy) -> AsyncGenerator[Vault]:
    """A new journal with an account and a trade."""
    async with vault_behind(proxy) as opened:
        async with opened.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await uow.trades.save(make_trade("0001"))
            await uow.commit()
        yield opened


async def stored_image(uow: SqlAlchemyUnitOfWork, number: int) -> ImageAttachment:
    """Return an image that is stored."""
    found = await uow.images.get(number)
    assert found is not None
    return found


def incompressible(characters: int, lowest: int, highest: int) -> str:
    """Return text that no compression makes shorter."""
    chance = random.Random(characters)  # noqa: S311 - no secret
    return "".join(chr(chance.randint(lowest, highest)) for _ in range(characters))


LONGEST = {
    "four bytes": incompressible(256, 0x10000, 0x2FA1D),
    "two bytes": incompressible(512, 0x100, 0x2FF),
    "one byte": incompressible(512, 0x21, 0x7E),
}
"""Identifiers of 512 characters or 1,024 bytes."""


@pytest.mark.parametrize("kind", LONGEST)
async def test_the_longest_identifiers_are_stored_in_all_columns_of_a_row(vault: Vault, kind: str) -> None:
    """Two of them stand in one row of an index, and PostgreSQL refuses a row that is too long."""
    longest = LONGEST[kind]
    trade = make_trade(longest, instrument=longest, account_id=longest, order_id=longest)
    report = make_report(longest, tags=(longest,), emotional_state=longest)
    plan = make_plan(longest, linked_trade_id=longest, account_id=longest, strategy_name=longest)
    image = make_image_entity(owner_type=ImageOwnerType.TRADE, owner_id=longest, caption=longest)
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account(longest, name=longest, institution=longest))
        await uow.trades.save(trade)
        await uow.trades.save_many([replace(trade, exec_id=longest[:-1])])
        await uow.balance_snapshots.save(make_snapshot(longest))
        await uow.trade_reports.save(report)
        number = await uow.trade_plans.save(plan)
        await uow.watchlists.save(make_watchlist(longest, longest))
        await uow.market_provider_settings.save(make_provider(longest))
        await uow.settings.set(longest, longest)
        image_number = await uow.images.save(longest, image)
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert_same(await uow.trades.get(longest), trade)
        assert_same(await uow.trades.get(longest[:-1]), trade, exec_id=longest[:-1])
        assert (await uow.trade_reports.get_for_trade(longest) or report).tags == (longest,)
        assert (await uow.trade_plans.get_one(number)).linked_trade_id == longest
        assert (await stored_image(uow, image_number)).caption == longest
        assert await uow.settings.get(longest) == longest
        assert len(await uow.balance_snapshots.list_for_account(longest)) == 1


REFUSED: dict[str, Callable[[SqlAlchemyUnitOfWork, str], Awaitable[Any]]] = {
    "account": lambda uow, name: uow.accounts.save(make_account(name)),
    "account of a trade": lambda uow, name: uow.trades.save(make_trade("1", account_id=name)),
    "instrument": lambda uow, name: uow.trades.save(make_trade("1", instrument=name)),
    "instrument of many": lambda uow, name: uow.trades.save_many([make_trade("1"), make_trade("2", instrument=name)]),
    "update": lambda uow, name: uow.trades.update(make_trade("0001", instrument=name)),
    "account of a balance": lambda uow, name: uow.balance_snapshots.save(make_snapshot(name)),
    "trade of a report": lambda uow, name: uow.trade_reports.save(make_report(name)),
    "ticker of a plan": lambda uow, name: uow.trade_plans.save(make_plan(name)),
    "trade of a plan": lambda uow, name: uow.trade_plans.save(make_plan(linked_trade_id=name)),
    "account of a plan": lambda uow, name: uow.trade_plans.save(make_plan(account_id=name)),
    "provider": lambda uow, name: uow.market_provider_settings.save(make_provider(name)),
    "setting": lambda uow, name: uow.settings.set(name, 1),
    "owner of an image": lambda uow, name: uow.images.save(name, make_image_entity()),
}


@pytest.mark.parametrize(
    "identifier", ["x" * 513, LONGEST["four bytes"] + "x", "\x00"], ids=["513 characters", "1,025 bytes", "NUL"]
)
@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
async def test_what_the_server_refuses_is_refused_before_it_is_sent(
    proxy: Proxy, vault: Vault, call: Callable[[SqlAlchemyUnitOfWork, str], Awaitable[Any]], identifier: str
) -> None:
    """No statement is, so that the unit of work has lost nothing."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2"))
        proxy.sent.clear()
        with pytest.raises(ValidationError):
            await call(uow, identifier)
        assert "Sync" not in proxy.sent  # save_many() has begun a savepoint before it looks at its rows
        await uow.commit()
        assert uow.outcome == "committed"


@pytest.mark.parametrize("time", TIMES, ids=str)
async def test_every_time_is_exact(vault: Vault, time: datetime) -> None:
    """In each column; asyncpg itself takes the last one for infinity."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2", created_at=time))
        await uow.trades.save(make_trade("1", time=time))
        await uow.trades.save_many([make_trade("2", time=time)])
        await uow.balance_snapshots.save(make_snapshot("U2", datetime=time))
        await uow.trade_reports.save(make_report("1", created_at=time))
        plan = await uow.trade_plans.save(make_plan(created_at=time, updated_at=time))
        watchlist = await uow.watchlists.save(
            make_watchlist(created_at=time, updated_at=time, items=(WatchlistItem("NVDA", added_at=time),))
        )
        image = await uow.images.save("1", make_image_entity(created_at=time))
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.accounts.get_one("U2")).created_at == time
        assert {(await uow.trades.get_one(name)).time for name in "12"} == {time}
        assert [each.datetime for each in await uow.balance_snapshots.list_for_account("U2")] == [time]
        report = await uow.trade_reports.get_for_trade("1")
        assert report is not None
        assert report.created_at == time
        assert (await uow.trade_plans.get_one(plan)).created_at == time
        stored = await uow.watchlists.get_one(watchlist)
        assert (stored.created_at, stored.items[0].added_at) == (time, time)
        assert (await stored_image(uow, image)).created_at == time


@pytest.mark.parametrize("number", INTEGERS)
async def test_every_integer_is_exact(vault: Vault, number: int) -> None:
    """Positions in a source, sizes and row numbers have 64 bits."""
    trade = SequencedTrade("1", OPENING_BELL, "SPY", make_trade().action, 1.0, 1.0, "U1", sequence=number)
    image = make_image_entity(id=number, width=number, height=number)
    async with vault.unit_of_work() as uow:
        await uow.trades.save_many([trade])
        assert await uow.trade_plans.save(make_plan(id=number)) == number
        assert await uow.images.save("1", image) == number
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.trade_plans.get_one(number)).id == number
        found = await stored_image(uow, number)
        assert (found.width, found.height) == (number, number)


@pytest.mark.parametrize("number", [0, -1, 2**63])
async def test_no_integer_beyond_64_bits_is_made(number: int) -> None:
    """The entity refuses it."""
    with pytest.raises(ValidationError, match="between 1 and"):
        make_plan(id=number)


async def test_a_long_text_and_a_large_image_are_exact(vault: Vault) -> None:
    """A million characters, found by words among the first 8,000, and 20 MB, whole and in a stream."""
    notes = " ".join(f"w{number}" for number in range(150_000))[:1_000_000]
    data = random.Random(20).randbytes(20 * 1024 * 1024)  # noqa: S311 - no secret
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U2", notes=notes))
        await uow.trade_reports.save(make_report("0001", lessons_learned=notes))
        number = await uow.images.save("0001", make_image_entity(data))
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert (await uow.accounts.get_one("U2")).notes == notes
        assert {hit.kind for hit in await uow.search.find("w7000 ")} == {"account", "report"}
        assert await uow.search.find("w9000 ") == []
        assert await uow.images.get_full_data(number) == data
        streamed = bytearray()
        async for part in uow.images.stream(number):
            streamed += part
        assert streamed == data
