"""What all listings have in common: newest first, a hundred by default, and no windows that make no sense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from factories import (
    OPENING_BELL,
    make_account,
    make_image_entity,
    make_plan,
    make_provider,
    make_snapshot,
    make_trade,
    make_watchlist,
    minutes_later,
)
from zorivest_async import ImageOwnerType, InvalidQueryError, SqlAlchemyUnitOfWork, TradeFilter

if TYPE_CHECKING:
    from implementations import Journal

pytestmark = pytest.mark.asyncio

Listing = Callable[..., Awaitable[list[Any]]]
SHUFFLED = [(number * 37 + 11) % 103 for number in range(103)]
"""Each of 0 to 102, in no order; moments follow these numbers."""


async def _trades(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    await uow.trades.save_many([make_trade(f"{i:03}", time=moment) for i, moment in enumerate(moments)])
    return uow.trades.list_all, sorted(((moment, f"{i:03}") for i, moment in enumerate(moments)), reverse=True)


async def _account_trades(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    _, expected = await _trades(uow, moments)
    return lambda *window, **named: uow.trades.list_for_account("U1", *window, **named), expected


async def _filtered_trades(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    _, expected = await _trades(uow, moments)
    return lambda *window, **named: uow.trades.list_filtered(TradeFilter(), "-time", *window, **named), expected


async def _images(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    await uow.trades.save(make_trade("0001"))
    numbers = [await uow.images.save("0001", make_image_entity(created_at=moment)) for moment in moments]
    # Images are as new as they are stored: the moment is the entity's to say, and says nothing about that.
    return lambda *window, **named: uow.images.list_for_owner(ImageOwnerType.TRADE, "0001", *window, **named), [
        (number, number) for number in reversed(numbers)
    ]


async def _accounts(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    await uow.accounts.delete("U1")
    for i, moment in enumerate(moments):
        await uow.accounts.save(make_account(f"{i:03}", created_at=moment))
    return uow.accounts.list_all, sorted(((moment, f"{i:03}") for i, moment in enumerate(moments)), reverse=True)


async def _snapshots(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    numbers = [await uow.balance_snapshots.save(make_snapshot(datetime=moment)) for moment in moments]
    return lambda *window, **named: uow.balance_snapshots.list_for_account("U1", *window, **named), sorted(
        zip(moments, numbers, strict=True), reverse=True
    )


async def _plans(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    numbers = [await uow.trade_plans.save(make_plan(created_at=moment)) for moment in moments]
    return uow.trade_plans.list_all, sorted(zip(moments, numbers, strict=True), reverse=True)


async def _watchlists(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    numbers = [await uow.watchlists.save(make_watchlist("A", "SPY", created_at=moment)) for moment in moments]
    return uow.watchlists.list_all, sorted(zip(moments, numbers, strict=True), reverse=True)


async def _providers(uow: SqlAlchemyUnitOfWork, moments: list[Any]) -> tuple[Listing, list[Any]]:
    for i, moment in enumerate(moments):
        await uow.market_provider_settings.save(make_provider(f"{i:03}", created_at=moment))
    return uow.market_provider_settings.list_all, sorted(
        ((moment, f"{i:03}") for i, moment in enumerate(moments)), reverse=True
    )


FILLERS = [_trades, _account_trades, _filtered_trades, _images, _accounts, _snapshots, _plans, _watchlists, _providers]
every_listing = pytest.mark.parametrize("fill", FILLERS, ids=[fill.__name__.strip("_") for fill in FILLERS])


def keys(entities: list[Any]) -> list[Any]:
    """Return the identifiers of entities, whatever they are called."""
    names = ("exec_id", "id", "account_id", "provider_name")
    return [next(getattr(entity, name) for name in names if hasattr(entity, name)) for entity in entities]


async def _filled(uow: SqlAlchemyUnitOfWork, fill: Any, moments: list[Any]) -> tuple[Listing, list[Any]]:
    await uow.accounts.save(make_account("U1"))
    listing, expected = await fill(uow, moments)
    return listing, [key for _, key in expected]


@every_listing
async def test_listings_are_newest_first_and_windowed(empty_journal: Journal, fill: Any) -> None:
    """A hundred by default, all for ``None``, and windows that join without gap or overlap."""
    async with empty_journal.unit_of_work() as uow:
        listing, expected = await _filled(uow, fill, [minutes_later(number) for number in SHUFFLED])
        assert keys(await listing(None)) == expected
        assert keys(await listing()) == expected[:100]
        assert keys(await listing(limit=0)) == []
        assert keys(await listing(limit=7)) == expected[:7]
        assert keys(await listing(7, 5)) == expected[5:12]
        assert keys(await listing(offset=90)) == expected[90:]
        assert keys(await listing(limit=None, offset=100)) == expected[100:]
        assert keys(await listing(limit=5, offset=103)) == []
        assert keys(await listing(limit=2**63 - 1, offset=2**31)) == []


@every_listing
async def test_equal_moments_have_an_order(empty_journal: Journal, fill: Any) -> None:
    """The larger identifier comes first, so that windows join here too."""
    async with empty_journal.unit_of_work() as uow:
        listing, expected = await _filled(uow, fill, [OPENING_BELL] * 12)
        assert keys(await listing()) == expected
        assert [key for offset in range(0, 12, 5) for key in keys(await listing(5, offset))] == expected


@every_listing
async def test_a_listing_of_nothing_is_empty(empty_journal: Journal, fill: Any) -> None:
    """It is a list all the same."""
    async with empty_journal.unit_of_work() as uow:
        listing, _ = await _filled(uow, fill, [])
        assert await listing() == []


@every_listing
async def test_a_window_that_makes_no_sense_is_refused(empty_journal: Journal, fill: Any) -> None:
    """SQLite would take -1 for "all of them"; here the error names what is wrong, and the unit of work goes on."""
    windows: list[dict[str, Any]] = [
        {name: value} for name in ("limit", "offset") for value in (-1, 1.5, "5", True, 2**63)
    ]
    async with empty_journal.unit_of_work() as uow:
        listing, expected = await _filled(uow, fill, [minutes_later(number) for number in range(3)])
        for window in [*windows, {"offset": None}]:
            with pytest.raises(InvalidQueryError, match=next(iter(window))):
                await listing(**window)
        assert keys(await listing()) == expected
