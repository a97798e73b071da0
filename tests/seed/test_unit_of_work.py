"""The seed names this file and what it tests, commit and rollback; the tests are written after its others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from factories import make_account, make_trade
from factories import make_image_entity as make_image
from zorivest_async import DuplicateError, SqlAlchemyUnitOfWork, Vault
from zorivest_async.database.models import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def in_memory_engine() -> AsyncIterator[AsyncEngine]:
    """In-memory SQLite for fast integration tests."""
    engine = create_async_engine("sqlite+aiosqlite://", echo=False)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture
async def encrypted_engine(vault: Vault) -> AsyncEngine:
    """A vault, where foreign keys are on: the trades' account must exist."""
    async with SqlAlchemyUnitOfWork(vault.engine) as uow:
        await uow.accounts.save(make_account())
        await uow.commit()
    return vault.engine


@pytest.fixture(params=["in_memory_engine", "encrypted_engine"])
def engine(request: pytest.FixtureRequest) -> AsyncEngine:
    """One engine after the other."""
    engine: AsyncEngine = request.getfixturevalue(request.param)
    return engine


class TestUnitOfWork:
    """One transaction over several repositories."""

    async def test_commit_persists(self, engine: AsyncEngine) -> None:
        """What was committed is there for the next unit of work, from all repositories."""
        async with SqlAlchemyUnitOfWork(engine) as uow:
            await uow.trades.save(make_trade(exec_id="TRADE1"))
            image_id = await uow.images.save("TRADE1", make_image(b"\x89PNG_fake_data"))
            await uow.commit()
            assert uow.outcome == "committed"
        async with SqlAlchemyUnitOfWork(engine) as uow:
            assert await uow.trades.exists("TRADE1")
            assert await uow.images.get(image_id) is not None

    async def test_rolls_back_uncommitted_work_by_default(self, engine: AsyncEngine) -> None:
        """Leaving the block without a commit leaves nothing behind."""
        async with SqlAlchemyUnitOfWork(engine) as uow:
            await uow.trades.save(make_trade(exec_id="TRADE1"))
        assert uow.outcome == "rolled_back"
        async with SqlAlchemyUnitOfWork(engine) as uow:
            assert not await uow.trades.exists("TRADE1")

    async def test_rolls_back_on_error(self, engine: AsyncEngine) -> None:
        """The error comes out as it is, and nothing of the block stays."""

        async def save_and_fail() -> None:
            async with SqlAlchemyUnitOfWork(engine) as uow:
                await uow.trades.save(make_trade(exec_id="TRADE1"))
                raise OSError("the broker hung up")

        with pytest.raises(OSError, match="broker"):
            await save_and_fail()
        async with SqlAlchemyUnitOfWork(engine) as uow:
            assert not await uow.trades.exists("TRADE1")

    async def test_rollback_undoes_what_was_not_committed(self, engine: AsyncEngine) -> None:
        """And the unit of work goes on, in a new transaction."""
        async with SqlAlchemyUnitOfWork(engine) as uow:
            await uow.trades.save(make_trade(exec_id="TRADE1"))
            await uow.commit()
            await uow.trades.save(make_trade(exec_id="TRADE2"))
            await uow.rollback()
            await uow.trades.save(make_trade(exec_id="TRADE3"))
            await uow.commit()
        async with SqlAlchemyUnitOfWork(engine) as uow:
            assert [trade.exec_id for trade in await uow.trades.list_all()] == ["TRADE3", "TRADE1"]

    async def test_a_refused_duplicate_costs_nothing_else(self, engine: AsyncEngine) -> None:
        """What was saved before it can still be committed, a batch before a refused batch too."""
        async with SqlAlchemyUnitOfWork(engine) as uow:
            await uow.trades.save(make_trade(exec_id="TRADE1"))
            with pytest.raises(DuplicateError):
                await uow.trades.save(make_trade(exec_id="TRADE1"))
            await uow.trades.save_many([make_trade(exec_id="TRADE2")])
            with pytest.raises(DuplicateError):
                await uow.trades.save_many([make_trade(exec_id="TRADE3"), make_trade(exec_id="TRADE2")])
            await uow.commit()
        async with SqlAlchemyUnitOfWork(engine) as uow:
            assert [trade.exec_id for trade in await uow.trades.list_all()] == ["TRADE2", "TRADE1"]
