"""The statements that repositories send to a vault: what they leave out, and which index they are answered from."""

from __future__ import annotations

import os
from contextlib import aclosing

import pytest
import pytest_asyncio

from factories import make_account, make_image_entity, make_picture, make_png, make_trade, make_trades, statements_of
from zorivest_async import ImageOwnerType, TradeFilter, Vault

pytestmark = pytest.mark.asyncio

TRADE = ImageOwnerType.TRADE


@pytest_asyncio.fixture
async def journal(vault: Vault) -> Vault:
    """A vault with account ``U1`` and its trade ``0001``."""
    async with vault.unit_of_work() as uow:
        await uow.accounts.save(make_account("U1"))
        await uow.trades.save(make_trade("0001"))
        await uow.commit()
    return vault


async def test_a_gallery_reads_no_original(journal: Vault) -> None:
    """Its one statement does not name their column, and SQLite finds the rows by the index."""
    async with journal.unit_of_work() as uow:
        for _ in range(3):
            await uow.images.save("0001", make_image_entity(thumbnail=b"small"))
        await uow.commit()
    async with journal.unit_of_work(read_only=True) as uow:
        with statements_of(journal.read_engine) as statements:
            assert len(await uow.images.list_for_owner(TRADE, "0001")) == 3
        (statement,) = statements
        assert "images.data" not in statement
        assert "*" not in statement
        plan = await (await uow.connection()).exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", ("trade", "0001", 1, 0)
        )
        assert "ix_images_owner_type_owner_id_id" in str(plan.all())


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_stream_reads_no_original_as_a_column(journal: Vault, read_only: bool) -> None:
    """A BLOB is read in pieces, through SQLite's incremental I/O."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity(os.urandom(100_000)))
        await uow.commit()
    async with journal.unit_of_work(read_only=read_only) as uow:
        with statements_of(journal.read_engine if read_only else journal.engine) as statements:
            assert len([chunk async for chunk in uow.images.stream(number, 40_000)]) == 3
    assert not any("images.data" in statement for statement in statements)


async def test_information_reads_no_original(journal: Vault) -> None:
    """One statement, which does not name their column."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.save("0001", make_image_entity())
        with statements_of(journal.engine) as statements:
            assert await uow.images.get_info(number) is not None
    (statement,) = statements
    assert "images.data" not in statement


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_a_thumbnail_of_the_stored_size_reads_no_original(journal: Vault, image_format: str) -> None:
    """At the default of 200 pixels, asked for or not."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", make_picture(640, 320, image_format=image_format))
        with statements_of(journal.engine) as statements:
            assert await uow.images.get_thumbnail(number)
            assert await uow.images.get_thumbnail(number, max_size=200)
    assert statements
    assert not any("images.data" in statement for statement in statements)


@pytest.mark.parametrize("max_size", [50, 64, 200, 10_000])
async def test_a_thumbnail_of_a_small_picture_reads_no_original(journal: Vault, max_size: int) -> None:
    """The stored thumbnail is as large as the picture, so that no size takes more."""
    async with journal.unit_of_work() as uow:
        number = await uow.images.attach(TRADE, "0001", make_png(50, 40))
        with statements_of(journal.engine) as statements:
            assert await uow.images.get_thumbnail(number, max_size)
    assert statements
    assert not any("images.data" in statement for statement in statements)


async def test_a_stream_reads_no_further_than_it_is_asked(journal: Vault) -> None:
    """Its first trade takes one statement, however many trades there are."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(make_trades(2_000))
        with statements_of(journal.engine) as statements:
            async with aclosing(uow.trades.stream()) as trades:
                async for trade in trades:
                    assert trade.exec_id == "01999"
                    break
        assert len(statements) == 1


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"], ids=["ISO 8601", "SQLite's datetime()"])
async def test_times_in_another_form_are_passed_once(journal: Vault, form: str) -> None:
    """Another program may have written them; what is read back as a moment is not the text that orders the rows."""
    async with journal.unit_of_work() as uow:
        await uow.trades.save_many(make_trades(1200))
        times = [(trade.time.strftime(form), trade.exec_id) for trade in make_trades(1200)]
        for moment, exec_id in times[::2]:
            await (await uow.connection()).exec_driver_sql(
                "UPDATE trades SET time = ? WHERE exec_id = ?", (moment, exec_id)
            )
        listed = [trade.exec_id for trade in await uow.trades.list_all(limit=None)]
        assert len(listed) == 1201
        async with aclosing(uow.trades.stream()) as stream:
            streamed = [trade.exec_id async for trade in stream]
        assert streamed == listed
        page = await uow.trades.page(TradeFilter(), 500)
        paged = [trade.exec_id for trade in page.items]
        while page.next is not None:
            page = await uow.trades.page(TradeFilter(), 500, page.next)
            paged += [trade.exec_id for trade in page.items]
            assert len(paged) <= len(listed)
        assert paged == listed
