"""Models through ``uow.session`` on a server: what a repository stores of them, and what it finds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy import insert, select

from factories import make_account, make_plan, make_report, make_trade, make_watchlist
from journal_server import cluster, database_name, new_journal, runtime_url
from zorivest_async import ImageOwnerType, NotOnThisBackendError, TradeFilter, Vault
from zorivest_async.database.models import ImageModel, TradePlanModel, TradeReportModel, WatchlistModel
from zorivest_async.database.postgresql.keys import CHUNK_BYTES
from zorivest_async.domain.validation import utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.asyncio

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)


@pytest.fixture
def url() -> str:
    """The URL of a database with the schema."""
    return runtime_url()


@pytest_asyncio.fixture
async def vault(url: str) -> AsyncGenerator[Vault]:
    """A new journal with an account and a trade."""
    async with Vault.connect(url, journal=new_journal(), encryption="server") as opened:
        async with opened.unit_of_work() as uow:
            await uow.accounts.save(make_account("U1"))
            await uow.trades.save(make_trade("0001"))
            await uow.commit()
        yield opened


def image(data: bytes) -> ImageModel:
    """Return a new image of the trade."""
    return ImageModel(owner_type=ImageOwnerType.TRADE, owner_id="0001", created_at=utc_now(), data=data, caption="one")


@pytest.mark.parametrize("together", [False, True])
async def test_images_are_inserted_through_a_session(vault: Vault, together: bool) -> None:
    """One by one, or several in a flush; with chunks of every length, and found by their captions."""
    originals = [bytes(range(256)) * (size // 256) + b"x" * (size % 256) for size in SIZES]
    models = [image(data) for data in originals]
    async with vault.unit_of_work() as uow:
        for model in models:
            uow.session.add(model)
            if not together:
                await uow.session.flush()
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        assert [await uow.images.get_full_data(model.id) for model in models] == originals
        streamed = [b"".join([part async for part in uow.images.stream(model.id, 100_000)]) for model in models]
        assert streamed == originals
        found = (await uow.session.scalars(select(ImageModel).order_by(ImageModel.id))).all()
        assert [(each.id, each.data) for each in found] == [(number, data) for number, data in enumerate(originals, 1)]
        assert len(await uow.search.find("one")) == len(models)


async def test_several_images_in_one_statement_are_refused(vault: Vault) -> None:
    """Their chunks would have no number to belong to; nothing is stored, and the unit of work goes on."""
    values = [
        {"owner_type": ImageOwnerType.TRADE, "owner_id": "0001", "created_at": utc_now(), "data": b"x"} for _ in "ab"
    ]
    async with vault.unit_of_work() as uow:
        with pytest.raises(NotOnThisBackendError):
            await uow.session.scalars(insert(ImageModel).returning(ImageModel.id), values)
        assert await uow.session.scalar(select(ImageModel.id)) is None


async def test_the_original_of_a_stored_image_is_not_changed(vault: Vault) -> None:
    """The model's column is a table of chunks there; a change is refused, and the unit of work goes on."""
    async with vault.unit_of_work() as uow:
        uow.session.add(image(b"first"))
        await uow.session.flush()
        model = await uow.session.get_one(ImageModel, 1)
        model.data = b"second"
        with pytest.raises(NotOnThisBackendError):
            await uow.session.flush()
        await uow.session.refresh(model)
        model.caption = "two"
        await uow.session.flush()
        assert await uow.images.get_full_data(1) == b"first"


async def test_what_a_session_changes_is_found_by_equality(vault: Vault) -> None:
    """Tags, strategies and the names of watchlists have hashes beside them, which a flush stores, too."""
    async with vault.unit_of_work() as uow:
        uow.session.add(TradeReportModel(trade_id="0001", tags=("gap", "fade"), created_at=utc_now()))
        plan = await uow.trade_plans.save(make_plan(linked_trade_id="0001", strategy_name="old"))
        listed = await uow.watchlists.save(make_watchlist("old"))
        (await uow.session.get_one(TradePlanModel, plan)).strategy_name = "new"
        (await uow.session.get_one(WatchlistModel, listed)).name = "new"
        await uow.commit()
    async with vault.unit_of_work(read_only=True) as uow:
        for tag, count in {"gap": 1, "fade": 1, "gapfade": 0}.items():
            assert await uow.trades.count_filtered(TradeFilter(tag=tag)) == count
        for name, count in {"new": 1, "old": 0}.items():
            assert await uow.trades.count_filtered(TradeFilter(strategy=name)) == count
            assert await uow.watchlists.exists_by_name(name) is bool(count)


async def test_equality_reads_no_clear_bytes(vault: Vault) -> None:
    """Values are compared by hashes, which are keyed by the journal: those of two journals differ."""
    async with Vault.connect(runtime_url(), journal=new_journal(), encryption="server") as other:
        for each in (vault, other):
            async with each.unit_of_work() as uow:
                await uow.watchlists.save(make_watchlist("breakouts"))
                await uow.commit()
    query = "SELECT name_hash FROM watchlists WHERE name = '\\x00'::bytea || 'breakouts'"
    hashes = await asyncio.to_thread(cluster().sql, query, database_name())
    assert len({*hashes}) >= 2
    assert all(len(each) == len("\\x") + 64 for each in hashes)


async def test_rebuilding_the_index_makes_the_hashes_again(vault: Vault) -> None:
    """Rows of another program's SQL have none."""
    async with vault.unit_of_work() as uow:
        await uow.trade_reports.save(make_report("0001", tags=("gap",)))
        await uow.watchlists.save(make_watchlist("breakouts"))
        await uow.trade_plans.save(make_plan(linked_trade_id="0001", strategy_name="fade"))
        connection = await uow.connection()
        for column in ("trade_reports.tags", "watchlists.name", "trade_plans.strategy_name"):
            table, _, name = column.partition(".")
            await connection.exec_driver_sql(f"UPDATE {table} SET {name}_hash = NULL")
        assert not await uow.watchlists.exists_by_name("breakouts")
        await uow.search.rebuild()
        assert await uow.watchlists.exists_by_name("breakouts")
        assert await uow.trades.count_filtered(TradeFilter(tag="gap", strategy="fade")) == 1
